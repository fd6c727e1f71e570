"""SetFit: what contrastive training adds to a linear probe, and what each argument does."""

import json

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer
from sklearn.base import clone

from fewshot.classifiers.contrastive import ContrastiveSettings, default_steps
from fewshot.classifiers.linear_probe import LinearProbeClassifier
from fewshot.classifiers.loading import load_classifier
from fewshot.classifiers.setfit import HEADS, SetFitClassifier
from fewshot.core.errors import InputError
from fewshot.encoders.cached import CachedEncoder
from fewshot.heads.linear import LinearHead
from fewshot.heads.neighbors import NeighborHead
from fewshot.training.losses import LOSSES


def separation(vectors, labels):
    """Mean cosine inside classes less the mean cosine between them."""
    cosines, labels = vectors @ vectors.T, np.array(labels)
    same, others = labels[:, None] == labels, ~np.eye(len(labels), dtype=bool)
    return cosines[same & others].mean() - cosines[~same].mean()


@pytest.mark.parametrize("loss", LOSSES)
def test_training_draws_classes_together(tiny_encoder, single, loss):
    """Prevents a loss that leaves the encoder as it was, or trains it the wrong way round."""
    classifier = SetFitClassifier(
        encoder=tiny_encoder, loss=loss, steps=15, learning_rate=3e-3, folds=0, templates=None
    )
    classifier.fit(single.texts, single.labels)
    before = separation(tiny_encoder.encode(single.texts), single.labels)
    gain = 0.1 if loss == "triplet" else 0.2  # triplets are at rest once the margin is kept
    assert separation(classifier.encoder_.encode(single.texts), single.labels) > before + gain
    assert len(classifier.losses_) == 15
    assert classifier.losses_[-1] < 0.8 * classifier.losses_[0]


@pytest.mark.parametrize("loss", ["contrastive", "cosine"])
def test_training_draws_label_sets_together(tiny_encoder, multi, loss):
    """Prevents a multi-label training in which texts that share a label are negatives."""
    steps = {"contrastive": 25, "cosine": 8}[loss]
    classifier = SetFitClassifier(
        encoder=tiny_encoder, loss=loss, steps=steps, learning_rate=3e-3, folds=0, templates=None
    )
    classifier.fit(multi.texts, multi.labels)
    own = [i for i, entry in enumerate(multi.labels) if len(entry) == 1]
    names, texts = [multi.labels[i][0] for i in own], [multi.texts[i] for i in own]
    assert separation(classifier.encoder_.encode(texts), names) > separation(tiny_encoder.encode(texts), names) + 0.1


def test_no_steps_is_a_linear_probe(tiny_encoder, single):
    """Prevents ``steps=0`` from meaning the default."""
    setfit = SetFitClassifier(encoder=tiny_encoder, steps=0, folds=0, templates=None).fit(single.texts, single.labels)
    probe = LinearProbeClassifier(encoder=tiny_encoder).fit(single.texts, single.labels)
    np.testing.assert_array_equal(setfit.predict_proba(single.texts), probe.predict_proba(single.texts))
    assert setfit.losses_ == []


def test_the_encoder_keeps_its_precision(tiny_encoder, single):
    """Prevents the trainer's bfloat16 wrapper from staying on the model and blurring every later prediction."""
    setfit = SetFitClassifier(encoder=tiny_encoder, steps=1).fit(single.texts, single.labels)
    assert setfit.encoder_.precision == "float32"
    assert "forward" not in vars(setfit.encoder_.model)


def test_a_cached_encoder_is_trained_behind_its_cache(tiny_encoder, single):
    """Prevents old vectors from the cache after the weights have changed."""
    cached = CachedEncoder(tiny_encoder)
    one = SetFitClassifier(encoder=cached, steps=2).fit(single.texts, single.labels)
    two = SetFitClassifier(encoder=tiny_encoder, steps=2).fit(single.texts, single.labels)
    np.testing.assert_array_equal(one.predict_proba(single.texts), two.predict_proba(single.texts))


def test_a_token_table_cannot_be_taught(tiny_static, single):
    """Prevents an AttributeError in the depth where the encoder has nothing to train."""
    with pytest.raises(InputError, match="'tiny-static' cannot be trained"):
        SetFitClassifier(encoder=tiny_static).fit(single.texts, single.labels)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": 1}, "batch_size"),
        ({"batch_size": 0}, "batch_size"),
        ({"steps": -1}, "steps"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"random_state": -1}, "random_state"),
        ({"accumulation": 0}, "accumulation"),
        ({"folds": 1}, "folds must be 0 or at least 2"),
        ({"folds": -2}, "folds must be 0 or at least 2"),
        ({"loss": "contrastiv"}, "loss must be one of .* Did you mean 'contrastive'"),
        ({"effort": "quik"}, "effort must be one of .* Did you mean 'quick'"),
        ({"head": "logistics"}, "head must be one of .* Did you mean 'logistic'"),
        ({"class_weight": "balance"}, "class_weight must be None or 'balanced'"),
        ({"temperature": 0.0}, "temperature must be above 0"),
        ({"temperature": 0.1, "loss": "triplet"}, "temperature is no setting of the loss 'triplet'"),
        ({"margin": 0.1}, "margin is no setting of the loss 'contrastive'"),
        ({"margin": 3.0, "loss": "triplet"}, "margin must be"),
        ({"templates": "no braces"}, "templates"),
        ({"label_words": {"billing": ""}}, "label_words"),
        ({"label_words": {"billing": ["refund", ""]}}, "label_words"),
        ({"label_words": {"billing": []}}, "label_words"),
        ({"label_words": {3: "three"}}, "labels mix"),
        ({"long_texts": "cut"}, "long_texts must be one of"),
        ({"max_length": 0}, "max_length"),
    ],
)
def test_bad_arguments_are_refused_at_the_door(tiny_encoder, single, monkeypatch, arguments, message):
    """Prevents a division by zero, an endless training, or a word about the argument after an hour of it."""
    monkeypatch.setattr("fewshot.classifiers.trainings.train_body", lambda *args, **more: pytest.fail("trained"))
    with pytest.raises(InputError, match=message) as raised:
        SetFitClassifier(**{"encoder": tiny_encoder, **arguments}).fit(single.texts, single.labels)
    assert "\n" not in str(raised.value)


def test_default_steps_are_bounded():
    """Prevents training for hours on many labels."""
    assert [default_steps(n, 2, 64) for n in (2, 64, 128, 10**6)] == [10, 10, 20, 60]
    assert [default_steps(n, 3, 64) for n in (3, 64, 128, 10**6)] == [15, 15, 20, 60]


def test_effort_scales_the_default_steps_alone():
    """Prevents an effort that overrides the steps that were asked for, or that trains nothing."""
    settings = {"loss": "cosine", "temperature": None, "margin": None, "batch_size": 64, "learning_rate": 1e-4}
    settings |= {"accumulation": 1, "joint_head": False}
    chosen = {
        (effort, steps): ContrastiveSettings(effort=effort, steps=steps, **settings).schedule(128, 2).steps
        for effort in ("quick", "balanced", "thorough")
        for steps in (None, 7)
    }
    assert [chosen[effort, None] for effort in ("quick", "balanced", "thorough")] == [10, 20, 40]
    assert {chosen[effort, 7] for effort in ("quick", "balanced", "thorough")} == {7}


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("task", ["single", "multi"])
def test_every_head_is_trained_and_learns(tiny_encoder, head, task, request):
    """Prevents a head that is named and cannot be had, in either kind of task."""
    toy = request.getfixturevalue(task)
    steps = 15 if head == "joint" else 3  # it starts from nothing, where others are fitted to the end
    classifier = SetFitClassifier(
        encoder=tiny_encoder, head=head, steps=steps, learning_rate=1e-3, folds=0, templates=None
    )
    classifier.fit(toy.texts, toy.labels)
    assert isinstance(classifier.head_, NeighborHead if head == "knn" else LinearHead)
    assert classifier.report_["head"] == ("logistic" if head == "auto" else head)
    predicted = classifier.predict(toy.texts)
    right = [set(a) == set(b) if toy.multi_label else a == b for a, b in zip(predicted, toy.labels, strict=True)]
    assert np.mean(right) >= 0.6


def test_a_joint_head_is_the_one_of_the_training(tiny_encoder, single, monkeypatch):
    """Prevents a head that was trained together with the encoder from being replaced by one that was not."""
    from fewshot.classifiers import trainings

    heads = []
    train_body = trainings.train_body

    def spy(*args, **options):
        body = train_body(*args, **options)
        heads.append(body.head)
        return body

    monkeypatch.setattr(trainings, "train_body", spy)
    classifier = SetFitClassifier(encoder=tiny_encoder, head="joint", steps=3, folds=0, templates=None)
    classifier.fit(single.texts, single.labels)
    np.testing.assert_array_equal(
        classifier.predict_proba(single.texts), heads[-1].predict_proba(classifier._embed(single.texts))
    )


def test_balanced_weights_help_the_rare_class(tiny_encoder, single):
    """Prevents a ``class_weight`` that is accepted and forgotten."""
    texts, labels = single.texts * 3 + ["password"], ["often"] * 45 + ["rare"]
    shares = {}
    for class_weight in (None, "balanced"):
        classifier = SetFitClassifier(encoder=tiny_encoder, steps=0, templates=None, class_weight=class_weight, folds=0)
        shares[class_weight] = classifier.fit(texts, labels).predict_proba(single.test_texts)[:, 1].mean()
    assert shares["balanced"] > 1.5 * shares[None]


def test_the_seed_decides_everything(tiny_encoder, single):
    """Prevents runs that nobody can repeat, and a seed that changes nothing."""

    def probabilities(random_state):
        classifier = SetFitClassifier(encoder=tiny_encoder, steps=3, batch_size=6, random_state=random_state)
        return classifier.fit(single.texts, single.labels).predict_proba(single.test_texts)

    first = probabilities(5)
    np.testing.assert_array_equal(first, probabilities(5))
    assert (first != probabilities(6)).any()


def test_clones_carry_every_argument(tiny_encoder):
    """Prevents an argument that ``__init__`` forgets or changes, which grid search would then not see."""
    given = {
        "loss": "triplet",
        "margin": 0.5,
        "effort": "quick",
        "accumulation": 2,
        "templates": ("{}", "a {}"),
        "label_words": {"a": "b"},
        "head": "knn",
        "class_weight": "balanced",
        "folds": 3,
        "max_length": 32,
        "long_texts": "chunk",
    }
    params = clone(SetFitClassifier(encoder="bundled", **given)).get_params()
    assert {name: params[name] for name in given} == given
    assert params["encoder"] == "bundled"


def test_every_argument_survives_saving(tiny_folder, single, tmp_path):
    """Prevents a model folder whose arguments are no JSON, and a training anew with other ones."""
    given = {
        "encoder": str(tiny_folder),
        "effort": "quick",
        "steps": 1,
        "accumulation": 2,
        "batch_size": 4,
        "templates": ("{}", "about {}"),
        "label_words": {"billing": "refund"},
        "head": "prototype",
        "folds": 0,
        "max_length": 32,
    }
    classifier = SetFitClassifier(**given).fit(single.texts, single.labels)
    classifier.save(tmp_path / "m")
    assert json.loads((tmp_path / "m" / "fewshot.json").read_text())["params"]["templates"] == ["{}", "about {}"]
    again = load_classifier(tmp_path / "m", device="cpu")
    params = again.get_params()
    assert {name: params[name] for name in given} == given | {"templates": ["{}", "about {}"]}
    np.testing.assert_array_equal(
        again.fit(single.texts, single.labels).predict_proba(single.texts), classifier.predict_proba(single.texts)
    )


def test_words_of_integer_classes_survive_saving(tiny_folder, single_int, tmp_path):
    """Prevents JSON from making strings of class names, which could never be trained anew."""
    words = {7: "refund invoice", np.int64(30): "password account"}
    classifier = SetFitClassifier(encoder=str(tiny_folder), steps=0, label_words=words)
    classifier.fit(single_int.texts, single_int.labels).save(tmp_path / "m")
    again = load_classifier(tmp_path / "m", device="cpu")
    assert again.label_words == {7: "refund invoice", 30: "password account"}
    assert again.fit(single_int.texts, single_int.labels).classes_.tolist() == [-1, 7, 30]


def test_of_several_descriptions_it_takes_the_first(tiny_folder, single, tmp_path):
    """Prevents one file of descriptions from serving zero-shot methods alone, and a model that cannot be opened."""
    options = {"encoder": str(tiny_folder), "steps": 2, "templates": "{}", "folds": 0}
    several, one = (
        SetFitClassifier(**options, label_words={"billing": words}).fit(single.texts, single.labels)
        for words in (["refund invoice", "money"], "refund invoice")
    )
    np.testing.assert_array_equal(several.predict_proba(single.texts), one.predict_proba(single.texts))
    several.save(tmp_path / "m")
    assert load_classifier(tmp_path / "m", device="cpu").label_words == {"billing": ["refund invoice", "money"]}


def test_micro_batches_take_the_same_number_of_steps(tiny_encoder, single):
    """Prevents accumulation from cutting a training short, or from being ignored."""
    options = {"encoder": tiny_encoder, "steps": 3, "batch_size": 4, "folds": 0, "templates": None}
    plain, two = (SetFitClassifier(**options, accumulation=n).fit(single.texts, single.labels) for n in (1, 2))
    assert len(plain.losses_) == len(two.losses_) == 3
    assert plain.losses_ != two.losses_


def test_a_model_that_was_given_is_left_alone(tiny_folder, single):
    """Prevents the caller's own model from being trained, or from reading shorter texts ever after."""
    model = SentenceTransformer(str(tiny_folder), device="cpu")
    length, before = model.max_seq_length, model.encode(single.texts)
    classifier = SetFitClassifier(encoder=model, steps=2, max_length=16, folds=0, templates=None, device="cpu")
    classifier.fit(single.texts, single.labels)
    assert classifier.encoder_.length_settings["max_length"] == 16
    assert model.max_seq_length == length
    np.testing.assert_array_equal(model.encode(single.texts), before)


@pytest.mark.parametrize("kind", ["name", "encoder", "cached"])
def test_long_texts_are_read_as_asked(tiny_folder, tiny_encoder, single, kind, tmp_path):
    """Prevents ``long_texts`` from being ignored for some encoders, or lost on the way over the disk."""
    encoder = {"name": str(tiny_folder), "encoder": tiny_encoder, "cached": CachedEncoder(tiny_encoder)}[kind]
    classifier = SetFitClassifier(encoder=encoder, steps=0, max_length=8, long_texts="chunk", templates=None)
    classifier.fit(single.texts, single.labels).save(tmp_path / "m")
    start = "hello again why today please my the " * 2
    pairs = {}
    for name, fitted in (("fitted", classifier), ("loaded", load_classifier(tmp_path / "m", device="cpu"))):
        pairs[name] = fitted.predict_proba([start, start + "refund invoice card charged payment"])
        assert np.abs(pairs[name][0] - pairs[name][1]).max() > 1e-3
    np.testing.assert_allclose(pairs["fitted"], pairs["loaded"], atol=1e-6)
    assert tiny_encoder.long_texts == "truncate"
