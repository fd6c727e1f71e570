"""The fine-tuned classifier: what it learns, chooses and says; which models it takes; what survives saving."""

import numpy as np
import pytest
from scipy.special import expit, softmax
from transformers import GPT2ForSequenceClassification

from fewshot.classifiers import fine_tuning
from fewshot.classifiers.finetune import FineTunedClassifier, calibration_of
from fewshot.classifiers.loading import load_classifier
from fewshot.classifiers.pooled_model import PooledModel
from fewshot.classifiers.sequence import SequenceClassifier
from fewshot.core.artifacts import read_json
from fewshot.core.errors import InputError, ModelFormatError
from fewshot.distillation.logits import LogitDistillationTrainer
from fewshot.training.label_training import train_on_labels
from tests.classifiers.test_starting_model import gpt_folder  # noqa: F401 - a fixture
from tests.distillation.logit_cases import weights


def quick(encoder, **changes):
    """Return a classifier that learns the toy task in a second."""
    usual = {"encoder": encoder, "steps": 30, "batch_size": 8, "learning_rate": 1e-3, "device": "cpu"}
    return FineTunedClassifier(**usual | changes)


@pytest.fixture(scope="module")
def fitted(tiny_encoder, single):
    """A classifier of single labels, cross-validated."""
    return quick(tiny_encoder).fit(single.texts, single.labels)


@pytest.fixture(scope="module")
def fitted_multi(tiny_encoder, multi):
    """A classifier of several labels, cross-validated."""
    return quick(tiny_encoder).fit(multi.texts, multi.labels)


@pytest.mark.parametrize("pooling", ["mean", "cls"])
@pytest.mark.parametrize("task", ["single", "multi"])
def test_held_out_texts_are_understood(tiny_encoder, task, pooling, request):
    """Prevents a training that learns its texts by heart through a wire that leads elsewhere."""
    toy = request.getfixturevalue(task)
    options = {"steps": 120, "batch_size": 16, "learning_rate": 3e-3, "folds": 0}
    classifier = quick(tiny_encoder, pooling=pooling, **options).fit(toy.texts, toy.labels)
    assert classifier.score(toy.texts, toy.labels) >= 0.9
    assert classifier.score(toy.test_texts, toy.test_labels) >= 0.6
    assert np.mean(classifier.losses_[-5:]) < 0.5 * np.mean(classifier.losses_[:5])


def test_a_gpt_without_padding_learns(gpt_folder, single, tmp_path):  # noqa: F811
    """Prevents models of GPT's kind, which pad nothing and read from left to right, from failing somewhere."""
    classifier = quick(gpt_folder, folds=0, steps=80, learning_rate=3e-3).fit(single.texts, single.labels)
    assert isinstance(classifier.model_, GPT2ForSequenceClassification)
    assert classifier.score(single.texts, single.labels) >= 0.9
    texts = [*single.test_texts, "", " ", "x " * 500]
    probabilities = classifier.predict_proba(texts)
    np.testing.assert_allclose(classifier.predict_proba(texts[-3:]), probabilities[-3:], atol=1e-5)
    classifier.save(tmp_path / "model")
    np.testing.assert_array_equal(load_classifier(tmp_path / "model", device="cpu").predict_proba(texts), probabilities)


def test_what_was_tried_is_reported(fitted, fitted_multi, tiny_encoder, single):
    """Prevents a choice that nobody can follow."""
    report = fitted.report_
    assert report["judged_by"] == "15 held-out labels"
    assert report["steps"] == len(fitted.losses_)
    assert report["pooling"] == "mean"
    assert len(report["held_out"]) == 8
    assert report["held_out_score"] in [pytest.approx(score, abs=1e-4) for score in report["held_out"].values()]
    assert report["chosen"] == f"{report['epochs']:g} of 15 epochs"
    assert fitted_multi.report_["judged_by"] == "27 held-out labels"
    alone = quick(tiny_encoder, folds=0, epochs=2, steps=None).fit(single.texts, single.labels).report_
    assert (alone["epochs"], alone["held_out"], alone["judged_by"], alone["held_out_score"]) == (2.0, {}, None, None)


def test_an_end_that_was_better_earlier_is_taken(tiny_encoder, single, monkeypatch):
    """Prevents a cross-validated number of epochs that the last training does not keep to."""
    monkeypatch.setattr(fine_tuning, "choose_look", lambda held_out: 1)
    classifier = quick(tiny_encoder, epochs=8, steps=None).fit(single.texts, single.labels)
    assert classifier.report_["chosen"] == "2 of 8 epochs"
    assert len(classifier.losses_) == classifier.report_["steps"] == 4
    assert "kept: 2 of 8 epochs" in classifier.report_["notes"][0]
    whole = quick(tiny_encoder, epochs=8, steps=None, folds=0).fit(single.texts, single.labels)
    assert whole.losses_[:4] == classifier.losses_


def test_validation_texts_stop_the_training(tiny_encoder, single, monkeypatch):
    """Prevents patience that waits for ever, and the last weights where the best were asked for."""
    kept = []
    restore = fine_tuning.Looks.restore
    monkeypatch.setattr(fine_tuning.Looks, "restore", lambda self, model: (kept.append(self), restore(self, model)))
    classifier = quick(tiny_encoder, epochs=40, steps=None, patience=2, learning_rate=3e-3)
    classifier.fit(single.texts, single.labels, validation=(single.test_texts, single.test_labels))
    [looks] = kept
    report = classifier.report_
    assert report["judged_by"] == "15 validation texts"
    assert report["steps"] == looks.best
    assert report["held_out_score"] == max(score for score, _ in map(looks.score, looks.logits))
    assert len(classifier.losses_) == max(looks.logits)
    raw = classifier._scorer.logits(single.test_texts)
    np.testing.assert_allclose(raw, looks.logits[looks.best], atol=1e-5)


def test_probabilities_are_calibrated_by_held_out_ones(fitted, fitted_multi, single, multi):
    """Prevents the certainty of a model on texts that it learnt by heart."""
    raw = fitted._scorer.logits(single.test_texts)
    assert np.ptp(fitted.scale_) == 0.0
    assert fitted.scale_[0] != 1.0
    expected = softmax(raw.astype(float) * fitted.scale_[0], axis=1)
    np.testing.assert_allclose(fitted.predict_proba(single.test_texts), expected, atol=1e-6)
    raw = fitted_multi._scorer.logits(multi.test_texts).astype(float)
    expected = expit(raw * fitted_multi.scale_ + fitted_multi.offset_)
    np.testing.assert_allclose(fitted_multi.predict_proba(multi.test_texts), expected, atol=1e-6)
    assert not np.allclose(fitted_multi.threshold_, 0.5)


@pytest.mark.parametrize(("n", "judged_by"), [(4, "4 held-out labels"), (3, None)])
def test_four_texts_of_several_labels_say_from_when_these_apply(tiny_encoder, multi, n, judged_by):
    """Prevents one half as the threshold of a model that never says so much, so that no label applies to any text."""
    rows = [i for i, entry in enumerate(multi.labels) if entry][:n]
    texts, labels = [multi.texts[i] for i in rows], [multi.labels[i] for i in rows]
    classifier = FineTunedClassifier(encoder=tiny_encoder, steps=3).fit(texts, labels)
    assert classifier.report_["judged_by"] == judged_by
    assert np.allclose(classifier.threshold_, 0.5) == (judged_by is None)


def test_calibration_is_that_of_the_heads():
    """Prevents a temperature that is taken for its inverse."""
    sure = np.array([[0.99, 0.01]] * 40)
    slope, bias = calibration_of(sure, np.repeat([0, 1], [30, 10]))
    assert (slope < 0.5, bias) == (True, 0.0)
    slope, bias = calibration_of(np.full((40, 2), 0.2), np.tile([[1, 0], [0, 1]], (20, 1)))
    assert bias > 0.4


def test_balanced_weights_help_the_rare_label(tiny_encoder, multi):
    """Prevents ``class_weight`` from being taken and forgotten."""
    labels = [tuple(name for name in row if name != "login" or number < 4) for number, row in enumerate(multi.labels)]
    plain, balanced = (
        quick(tiny_encoder, pooling="cls", steps=20, folds=0, head_learning_rate=1e-2, class_weight=weight).fit(
            multi.texts, labels
        )
        for weight in (None, "balanced")
    )
    column = plain.classes_.tolist().index("login")
    one, two = (classifier.predict_proba(multi.test_texts)[:, column].mean() for classifier in (plain, balanced))
    assert two > one + 0.05


def test_copies_are_learnt_from_and_judge_nothing(tiny_encoder, single, monkeypatch):
    """Prevents copies that are made and thrown away, longer trainings by the name of copies, and judging by copies."""

    def words_of(text):
        return tuple(sorted(text.split()))

    seen = []

    def spy(model, texts, *args, **options):
        seen.append(list(texts))
        return train_on_labels(model, texts, *args, **options)

    monkeypatch.setattr("fewshot.classifiers.fine_tuning.train_on_labels", spy)
    copied = quick(tiny_encoder, steps=4, augment="swap", random_state=3).fit(single.texts, single.labels)
    plain = quick(tiny_encoder, steps=4, random_state=3).fit(single.texts, single.labels)
    assert len(copied.losses_) == len(plain.losses_) == 4
    *folds, whole = seen[:3]
    assert whole[: len(single.texts)] == single.texts
    assert len(whole) > 2 * len(single.texts)
    for part in folds:
        own = [text for text in part if text in single.texts]
        held_out = {words_of(text) for text in single.texts} - {words_of(text) for text in own}
        assert len(own) < len(single.texts) < len(part)
        assert not {words_of(text) for text in part} & held_out
    assert copied.report_["judged_by"] == plain.report_["judged_by"]
    assert max(map(len, seen[3:])) == len(single.texts)
    with pytest.raises(InputError, match="Did you mean 'swap'"):
        quick(tiny_encoder, augment="swapp").fit(single.texts, single.labels)


def test_smoothing_takes_certainty_off(tiny_encoder, single):
    """Prevents ``label_smoothing`` from being taken and forgotten."""
    plain, smooth = (
        quick(tiny_encoder, steps=60, folds=0, learning_rate=3e-3, label_smoothing=smoothing).fit(
            single.texts, single.labels
        )
        for smoothing in (0.0, 0.4)
    )
    assert smooth.predict_proba(single.texts).max() < plain.predict_proba(single.texts).max() - 0.1


def test_frozen_layers_stay(tiny_encoder, single):
    """Prevents ``freeze_layers`` from freezing nothing, or the head."""
    classifier = quick(tiny_encoder, steps=4, folds=0, freeze_layers=2).fit(single.texts, single.labels)
    before, after = weights(tiny_encoder.model[0].auto_model), weights(classifier.model_.base_model)
    same = {name for name in after if after[name] == before[name]}
    assert {name for name in after if "embeddings" in name or ".layer.0." in name or ".layer.1." in name} <= same
    assert not {name for name in same if ".layer.3." in name and name.endswith("output.dense.weight")}
    assert all(parameter.requires_grad for parameter in classifier.model_.parameters())


def test_the_encoder_that_was_given_is_left_alone(tiny_encoder, single):
    """Prevents a fine-tuning from changing the encoder that others embed with."""
    before, fingerprint = weights(tiny_encoder.model), tiny_encoder.fingerprint
    quick(tiny_encoder, steps=2).fit(single.texts, single.labels)
    assert weights(tiny_encoder.model) == before
    assert tiny_encoder.fingerprint == fingerprint
    assert tiny_encoder.model[0].auto_model.config.num_labels == 2  # transformers' own default


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_the_folder_opens_as_a_sequence_classifier_only_by_its_name(tiny_encoder, single, tmp_path, pooling):
    """Prevents a folder of ours from being opened as another kind, without its calibration."""
    classifier = quick(tiny_encoder, pooling=pooling, steps=2).fit(single.texts, single.labels)
    classifier.save(tmp_path / "model")
    with pytest.raises(ModelFormatError, match="holds a 'fine-tune'"):
        SequenceClassifier.from_pretrained(tmp_path / "model")
    assert isinstance(load_classifier(tmp_path / "model").model_, PooledModel) == (pooling == "mean")


def test_every_argument_survives_saving(tiny_folder, single, tmp_path):
    """Prevents a classifier that cannot be fitted again as it was."""
    arguments = {
        "encoder": str(tiny_folder),
        "pooling": "cls",
        "epochs": 2,
        "batch_size": 5,
        "learning_rate": 3e-4,
        "head_learning_rate": 2e-3,
        "layer_decay": 0.9,
        "warmup": 0.2,
        "accumulation": 2,
        "freeze_layers": 1,
        "augment": ["swap", "mix"],
        "class_weight": "balanced",
        "label_smoothing": 0.1,
        "folds": 0,
        "patience": 2,
        "max_length": 24,
        "precision": "float32",
        "random_state": 5,
    }
    assert {*arguments, "steps", "device", "pruning", "quantization"} == set(FineTunedClassifier().get_params())
    classifier = FineTunedClassifier(**arguments).fit(single.texts, single.labels)
    classifier.save(tmp_path / "model")
    loaded = load_classifier(tmp_path / "model", device="cpu")
    unset = dict.fromkeys(("steps", "device", "pruning", "quantization"))
    assert loaded.get_params() == {**arguments, **unset}
    assert loaded.max_length_ == 24
    assert loaded.report_ == classifier.report_
    assert loaded.losses_ == []
    card = (tmp_path / "model" / "README.md").read_text("utf-8")
    assert "- kept: 2 of 2 epochs" in card


@pytest.mark.parametrize("name", ["scale", "offset"])
def test_a_damaged_folder_is_refused(fitted, tmp_path, name):
    """Prevents probabilities that are stretched by another model's numbers."""
    from safetensors.numpy import load_file, save_file

    fitted.save(tmp_path / "model")
    path = tmp_path / "model" / "head.safetensors"
    arrays = load_file(path)
    save_file(arrays | {name: np.ones(7)}, path)
    with pytest.raises(ModelFormatError, match="damaged"):
        load_classifier(tmp_path / "model")
    assert read_json(tmp_path / "model" / "fewshot.json")["kind"] == "fine-tune"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"class_weight": "balance"}, "Did you mean 'balanced'"),
        ({"precision": "float16"}, "precision must be one of"),
        ({"folds": 1}, "folds must be 2 or more"),
        ({"folds": -2}, "folds must be 2 or more"),
        ({"random_state": -1}, "random_state must be an integer"),
        ({"steps": 0}, "steps must be at least 1"),
    ],
)
def test_bad_arguments_are_refused_at_the_door(single, arguments, message):
    """Prevents a mistake that is found after the encoder was loaded."""
    with pytest.raises(InputError, match=message):
        FineTunedClassifier("nobody/nothing", **arguments).fit(single.texts, single.labels)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"pooling": "max"}, "pooling must be one of"),
        ({"freeze_layers": 5}, "freeze_layers must be"),
        ({"label_smoothing": 1.0}, "label_smoothing must be"),
        ({"max_length": 65}, "max_length must be"),
    ],
)
def test_what_the_model_decides_is_refused_as_well(tiny_encoder, single, arguments, message):
    """Prevents a setting that the model cannot have from being bent to one that it can."""
    with pytest.raises(InputError, match=message):
        quick(tiny_encoder, **arguments).fit(single.texts, single.labels)


def test_it_teaches_a_student_of_some_of_its_layers(fitted, pool, tmp_path):
    """Prevents a teacher with logits from being asked for its probabilities alone, and a head that is lost."""
    trainer = LogitDistillationTrainer(fitted, "layers:2", steps=4, device="cpu")
    student = trainer.fit(pool[:40]).student_
    assert isinstance(student.model_, PooledModel)
    assert len(student.model_.body.encoder.layer) == 2
    student.save(tmp_path / "student")
    loaded = load_classifier(tmp_path / "student", device="cpu")
    np.testing.assert_array_equal(loaded.predict_proba(pool), student.predict_proba(pool))


@pytest.mark.slow
def test_the_real_encoder_learns(bundled):
    """Prevents defaults that only tiny random models survive."""
    texts = [
        "refund my card", "charged twice", "invoice is wrong", "payment failed", "where is the parcel",
        "the courier is late", "box arrived broken", "wrong delivery address",
    ]  # fmt: skip
    labels = ["billing"] * 4 + ["delivery"] * 4
    classifier = FineTunedClassifier(bundled, device="cpu").fit(texts, labels)
    assert classifier.predict(["money back to my card please", "my package has not come"]).tolist() == labels[::4]
