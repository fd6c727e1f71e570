"""Logit distillation of classifiers, from teacher to student."""

import dataclasses

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers

from fewshot.classifiers.linear_probe import LinearProbeClassifier
from fewshot.classifiers.naive_bayes import NaiveBayesClassifier
from fewshot.classifiers.sequence import SequenceClassifier
from fewshot.core.errors import DataWarning, InputError, TeacherError
from fewshot.data.labels import LabelSpace
from fewshot.data.pool import open_pool
from fewshot.distillation.layer_losses import LayerLoss
from fewshot.distillation.logit_targets import LogitTargets
from fewshot.distillation.logit_task import LogitTask, open_logit_task
from fewshot.distillation.logit_temperature import Temperature
from fewshot.distillation.logit_training import distill_logits
from fewshot.distillation.logits import LogitDistillationTrainer
from fewshot.distillation.transfer_set import make_transfer_set
from fewshot.training.schedule import Schedule
from fewshot.training.sparsity import MagnitudePruning
from tests.distillation.logit_cases import NAMES, bert_config, make_classifier, make_tokenizer, weights

KEYS = {"n_pool", "n_gold", "n_held_out", "n_left_out", "steps", "agreement_before", "agreement", "kept_step"}


@pytest.fixture(scope="module")
def tokenizer(tiny_tokenizer):
    """A tokenizer as transformers' models come with one."""
    return make_tokenizer(tiny_tokenizer)


@pytest.fixture(scope="module")
def probe(tiny_encoder, single):
    """A teacher without logits: a linear probe on the tiny transformer."""
    return LinearProbeClassifier(encoder=tiny_encoder).fit(single.texts, single.labels)


@pytest.fixture(scope="module")
def tiny(tokenizer):
    """A teacher with logits, its outputs in another order than its classes."""
    teacher = make_classifier(tokenizer, ("a", "b", "c"), layers=4, seed=2)
    model, space = teacher.model_, LabelSpace(("a", "b", "c"), multi_label=False)
    return SequenceClassifier.from_parts(model, tokenizer, space, columns=np.array([2, 0, 1]), device="cpu")


def distil(teacher, student, pool, *gold, fit=None, **options):
    """Distil with few steps."""
    options = {"steps": 20, "batch_size": 16, "learning_rate": 5e-3, "device": "cpu", **options}
    return LogitDistillationTrainer(teacher, student, **options).fit(pool, *gold, **(fit or {}))


def test_a_student_of_probabilities(probe, tiny_folder, pool, single, tmp_path):
    """Prevents a student that learns nothing, answers with other classes, or answers otherwise once saved."""
    before = probe.predict_proba(pool)
    trainer = distil(probe, str(tiny_folder), pool, steps=40)
    assert set(trainer.report_) == KEYS
    assert trainer.report_["n_pool"] == 120
    assert trainer.report_["n_held_out"] == 12
    assert trainer.report_["n_gold"] == 0
    assert len(trainer.losses_) == trainer.report_["steps"] == 40
    assert trainer.losses_[-1] < 0.7 * trainer.losses_[0]
    assert trainer.report_["agreement"] > 0.3 + trainer.report_["agreement_before"]
    assert trainer.student_.classes_.tolist() == probe.classes_.tolist()
    assert trainer.student_.score(single.test_texts, single.test_labels) > 0.5
    np.testing.assert_array_equal(probe.predict_proba(pool), before)
    trainer.student_.save(tmp_path / "student")
    opened = SequenceClassifier.from_pretrained(tmp_path / "student", device="cpu")
    np.testing.assert_array_equal(opened.predict_proba(pool[:9]), trainer.student_.predict_proba(pool[:9]))
    content = [file.read_bytes() for file in (tmp_path / "student").rglob("*") if file.is_file()]
    assert not [text for text in pool if any(text.encode() in data for data in content)]


def test_layers_of_the_teacher(tiny, pool):
    """Prevents a cut student from learning each class as another, where outputs stand in another order."""
    before = weights(tiny.model_)
    trainer = distil(
        tiny,
        "layers:3",
        pool,
        layer_losses=[LayerLoss("hidden_mse", weight=0.1), LayerLoss("pooled", weight=0.1)],
        temperature=Temperature(2.0, "flsw"),
        learning_rate=2e-3,
        ramp={"layers": "decay"},
    )
    assert weights(tiny.model_) == before
    assert trainer.student_.columns_.tolist() == [2, 0, 1]
    assert trainer.report_["agreement"] >= max(0.75, trainer.report_["agreement_before"])


def test_one_seed_one_student(tiny, tokenizer, pool):
    """Prevents heads, batches or dropout that the seed does not decide."""
    config = bert_config(len(tokenizer), layers=1, width=16)
    one, two, other = (distil(tiny, config, pool, steps=3, random_state=seed) for seed in (0, 0, 1))
    assert one.losses_ == two.losses_
    assert weights(one.student_.model_) == weights(two.student_.model_)
    assert weights(one.student_.model_) != weights(other.student_.model_)


@pytest.mark.parametrize("loss", ["kl", "mse"])
def test_several_labels(tiny_encoder, tiny_folder, multi, pool, loss):
    """Prevents one softmax over several labels, one threshold for all, and gold labels of the wrong shape."""
    teacher = LinearProbeClassifier(encoder=tiny_encoder).fit(multi.texts, multi.labels)
    trainer = distil(teacher, str(tiny_folder), pool, multi.texts, multi.labels, loss=loss, alpha=0.4, steps=60)
    student = trainer.student_
    assert student.label_space_ == teacher.label_space_
    assert student.threshold_.shape == (3,)
    assert trainer.report_["n_gold"] == len(multi.texts)
    assert isinstance(student.predict(multi.test_texts)[0], tuple)
    wanted, found = teacher.predict_proba(pool), student.predict_proba(pool)
    assert np.abs(found - wanted).mean() < np.abs(0.5 - wanted).mean()  # nearer than where it began


def test_gold_labels_decide_where_the_teacher_errs(tiny_folder, single, pool):
    """Prevents gold labels from being drowned, or from being put to other texts."""
    wrong = {"billing": "delivery", "delivery": "login", "login": "billing"}
    teacher = NaiveBayesClassifier().fit(single.texts, [wrong[label] for label in single.labels])
    gold = single.test_texts, single.test_labels
    trainer = distil(teacher, str(tiny_folder), pool[:20], *gold, alpha=1.0, steps=40)
    assert trainer.student_.score(*gold) > 0.8
    assert distil(teacher, str(tiny_folder), pool[:20], *gold, alpha=0.0, steps=40).student_.score(*gold) < 0.4


def test_the_same_student_after_a_break(tiny, pool, tmp_path, monkeypatch):
    """Prevents a resumed distillation from ending in another student."""
    options = {"steps": 12, "layer_losses": [LayerLoss("pooled")]}
    whole = distil(tiny, "layers:2", pool, **options)
    calls, features = [], SequenceClassifier.features

    def failing(self, texts):
        calls.append(texts)
        if len(calls) > 28:  # two to check tokens, twice two to look at shapes, two a step; a checkpoint at the tenth
            raise KeyboardInterrupt
        return features(self, texts)

    with monkeypatch.context() as patch:
        patch.setattr(SequenceClassifier, "features", failing)
        with pytest.raises(KeyboardInterrupt):
            distil(tiny, "layers:2", pool, fit={"checkpoints": tmp_path}, **options)
    assert any(tmp_path.iterdir())
    resumed = distil(tiny, "layers:2", pool, fit={"checkpoints": tmp_path, "resume": True}, **options)
    assert resumed.losses_ == whole.losses_
    assert weights(resumed.student_.model_) == weights(whole.student_.model_)
    assert resumed.report_ == whole.report_


class TestLooking:
    """A student of logits is looked at while it learns."""

    def test_the_curve(self, probe, tiny_folder, pool, monkeypatch):
        """Prevents a curve of other figures than the student's, and a student that depends on being looked at."""
        seen = distil(probe, str(tiny_folder), pool)
        assert [row["step"] for row in seen.curve_] == list(range(2, 21, 2))
        assert {"step", "loss", "agreement"} == set(seen.curve_[0])
        assert seen.curve_[-1]["agreement"] == seen.report_["agreement"]
        assert np.mean([row["loss"] for row in seen.curve_]) == pytest.approx(np.mean(seen.losses_))
        assert seen.report_["kept_step"] is None
        monkeypatch.setattr("fewshot.distillation.logits.LOOKS", 1)
        once = distil(probe, str(tiny_folder), pool)
        assert len(once.curve_) == 1
        assert once.losses_ == seen.losses_
        assert weights(once.student_.model_) == weights(seen.student_.model_)

    @pytest.mark.parametrize("on_disk", [True, False])
    def test_patience(self, probe, tiny_folder, pool, tmp_path, monkeypatch, on_disk):
        """Prevents a training that goes on for nothing, and last weights where earlier ones were better."""
        answers, agreements = [], iter([0.5, 0.9, 0.4])

        def look(self, student):
            answers.append(student.predict_proba(pool[:3]))
            return {"agreement": next(agreements, 0.1)}

        monkeypatch.setattr(LogitTask, "look", look)
        fit = {"checkpoints": tmp_path} if on_disk else {}
        trainer = distil(probe, str(tiny_folder), pool, fit=fit, steps=50, patience=2)
        assert [row["agreement"] for row in trainer.curve_] == [0.5, 0.9, 0.4, 0.1]
        assert trainer.report_["kept_step"] == 10
        assert len(trainer.losses_) == trainer.report_["steps"] == 20
        np.testing.assert_array_equal(trainer.student_.predict_proba(pool[:3]), answers[1])

    def test_several_labels_are_looked_at_by_the_teachers_thresholds(self, tiny_encoder, tiny_folder, multi, pool):
        """Prevents a curve that says how near a threshold of 0.5 is to the teacher's, not how near the student is."""
        teacher = LinearProbeClassifier(encoder=tiny_encoder).fit(multi.texts, multi.labels)
        task = open_logit_task(teacher, make_transfer_set(teacher.label_space_, pool))
        for threshold in (0.2, 0.9):
            teacher.threshold_ = threshold
            moved = dataclasses.replace(task, threshold=threshold)
            assert moved.look(teacher) == {"agreement": 1.0}
            assert moved.agreement(teacher, 5, threshold=1.1) < 1.0  # no label at all

    def test_pruning_and_patience(self, probe, tiny_folder, pool):
        """Prevents weights of the best look, from before the pruning was done, from being kept."""
        with pytest.raises(InputError, match="patience would keep weights from before the pruning"):
            distil(probe, str(tiny_folder), pool, patience=2, pruning=MagnitudePruning())

    def test_looks_come_every_so_many_steps(self):
        """Prevents a number of steps between looks that none could be."""
        points = np.zeros((4, 2), dtype=np.float32)
        with pytest.raises(InputError, match="watch_every must be at least 1"):
            distill_logits(None, points, None, LogitTargets(logits=points), Schedule(2, 2, 0.1), watch_every=0)


def test_a_small_pool_has_no_held_out_figures(tiny, pool):
    """Prevents an agreement over one text from being reported as one, and ``steps=0`` from meaning the default."""
    trainer = distil(tiny, "layers:1", pool[:8], steps=0)
    assert trainer.report_["agreement"] is trainer.report_["agreement_before"] is None
    assert trainer.losses_ == trainer.curve_ == []
    assert distil(tiny, "layers:1", pool[:8], steps=2, patience=1).curve_ == []
    np.testing.assert_array_equal(
        trainer.student_.model_.classifier.bias.detach(), tiny.model_.classifier.bias.detach()
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alpha": 2.0}, "alpha"),
        ({"alpha": 1.0}, "alpha=1 learns gold labels alone"),
        ({"temperature": 0.0}, "temperature"),
        ({"loss": "ce"}, "loss must be one of kl, mse"),
        ({"ramp": "up"}, "ramp must be one of"),
        ({"steps": -1}, "steps"),
        ({"batch_size": 0}, "batch_size must be at least 1; got 0"),
        ({"confidence": "drop"}, "confidence 'drop:P' needs a P"),
        ({"confidence": 0.8}, "confidence must be 'none', 'weight' or 'drop:P'"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"accumulation": 0}, "accumulation"),
        ({"random_state": 1.5}, "random_state"),
        ({"fit": {"resume": True}}, "resume=True needs checkpoints"),
        ({"student": "layers:9"}, "keep 1 to 4"),
        ({"student": "static"}, "has no logits of its own; take DistillationTrainer"),
        ({"layer_losses": [LayerLoss("pooled", layers=(("bert.x", 1),))]}, "module 'bert.x'"),
        ({"layer_losses": [LayerLoss("pooled", layers=((1, 5),))]}, r"the pair \(1, 5\), but the student has 1 layers"),
    ],
)
def test_wrong_arguments(tiny, pool, options, message, monkeypatch):
    """Prevents a mistake from being found after the teacher has read the pool."""
    monkeypatch.setattr(SequenceClassifier, "logits", lambda *_: pytest.fail("the teacher was asked"))
    with pytest.raises(InputError, match=message):
        distil(tiny, options.pop("student", "layers:1"), pool, **options)


def test_layers_that_cannot_be_compared(tiny, probe, tokenizer, tiny_folder, pool, monkeypatch):
    """Prevents tokens of different tokenizers from being matched one by one, and layers of a model without any."""
    monkeypatch.setattr(SequenceClassifier, "logits", lambda *_: pytest.fail("the teacher was asked"))
    signs = {sign: number for number, sign in enumerate([*NAMES.values(), *"abcdefghijklmnopqrstuvwxyz "])}
    backend = Tokenizer(models.WordLevel(signs, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    by_sign = make_tokenizer(backend)
    shorter = make_tokenizer(tokenizer.backend_tokenizer, max_length=4)
    for other in (by_sign, shorter):
        student = make_classifier(other, ("a", "b", "c"))
        for kind in ("hidden_mse", "hidden_cosine", "token_similarity"):
            with pytest.raises(InputError, match=rf"'{kind}' compares token by token.*use LayerLoss\('pooled'\)"):
                distil(tiny, student, pool, layer_losses=[LayerLoss(kind)])
    with pytest.raises(InputError, match="the teacher is a LinearProbeClassifier"):
        distil(probe, str(tiny_folder), pool, layer_losses=[LayerLoss("pooled")])


def test_pooled_layers_of_another_tokenizer(tiny, tokenizer, pool):
    """Prevents the advice that the error above gives from failing."""
    shorter = make_tokenizer(tokenizer.backend_tokenizer, max_length=4)
    trainer = distil(tiny, make_classifier(shorter, ("a", "b", "c")), pool, layer_losses=[LayerLoss("pooled")], steps=2)
    assert len(trainer.losses_) == 2
    assert trainer.student_.max_length_ == 4


@pytest.mark.parametrize("multi_label", [False, True])
def test_gold_labels_of_other_classes(tokenizer, pool, multi_label):
    """Prevents labels that the teacher does not know from being learnt as others, or dropped."""
    teacher = make_classifier(tokenizer, ("a", "b"), multi_label=multi_label)
    labels = [("a", "d")] if multi_label else ["d"]
    with pytest.raises(InputError, match="label 'd' is not one of the 2 classes 'a', 'b'"):
        distil(teacher, "layers:1", pool, ["a text"], labels)


@pytest.mark.parametrize("texts", [[], ["", " ", "\n"] * 20, ["one"] * 99])
def test_an_empty_pool(tiny, texts):
    """Prevents a training on nothing, or on one text a hundred times."""
    with pytest.raises(InputError, match="distillation needs at least 8"):
        distil(tiny, "layers:1", texts)


@pytest.mark.parametrize("multi_label", [False, True])
def test_a_broken_teacher(tokenizer, pool, multi_label):
    """Prevents a student that follows NaN quietly, or one and the same answer."""
    teacher = make_classifier(tokenizer, ("a", "b"), multi_label=multi_label)
    torch.nn.init.constant_(teacher.model_.classifier.bias, float("nan"))
    with pytest.raises(TeacherError, match="NaN or infinite values; train the teacher again"):
        distil(teacher, "layers:1", pool)
    torch.nn.init.zeros_(teacher.model_.classifier.weight)
    torch.nn.init.zeros_(teacher.model_.classifier.bias)
    with pytest.raises(TeacherError, match="gives every text the same scores"):
        distil(teacher, "layers:1", pool)


def test_a_larger_student(tiny, tokenizer, pool):
    """Prevents a distillation into something larger, unnoticed until it is served."""
    with pytest.warns(DataWarning, match="heads not counted: it will be larger and slower"):
        distil(tiny, bert_config(len(tokenizer), layers=5), pool, steps=0)


def test_confidence(tiny, pool):
    """Prevents a rule that changes nothing, and a count of texts left out that is not theirs."""
    sure = tiny.predict_proba(pool).max(axis=1)
    least = float(np.quantile(sure, 0.4))
    dropped = distil(tiny, "layers:2", pool, confidence=f"drop:{least}", steps=3)
    assert 30 < dropped.report_["n_left_out"] < 60
    assert dropped.report_["n_pool"] == 120
    whole = distil(tiny, "layers:2", pool, steps=3)
    weighted = distil(tiny, "layers:2", pool, confidence="weight", steps=3)
    assert whole.report_["n_left_out"] == 0
    assert weighted.losses_ != whole.losses_


def test_a_mixture_of_teachers(tiny, tokenizer, pool):
    """Prevents several teachers from needing another trainer."""
    space = tiny.label_space_
    other = make_classifier(tokenizer, space.classes, seed=7)
    trainer = distil([(tiny, 1), (other, 1)], make_classifier(tokenizer, space.classes, seed=5), pool, steps=40)
    assert trainer.student_.label_space_ == space
    assert trainer.losses_[-1] < trainer.losses_[0]


def test_a_pool_in_a_file(tiny, pool, tmp_path):
    """Prevents a pool that is larger than memory from being read into it, and other targets than those of its texts."""
    (tmp_path / "pool.csv").write_text("\n".join(["text", *pool]) + "\n")
    opened = open_pool(tmp_path / "pool.csv")
    from_file, from_memory = (distil(tiny, "layers:2", texts, steps=3) for texts in (opened, pool))
    assert from_file.losses_ == from_memory.losses_
    assert from_file.report_ == from_memory.report_
