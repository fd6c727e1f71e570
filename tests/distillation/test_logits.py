"""Logit distillation of classifiers, from teacher to student."""

import numpy as np
import pytest

from fewshot.classifiers.linear_probe import LinearProbeClassifier
from fewshot.classifiers.naive_bayes import NaiveBayesClassifier
from fewshot.classifiers.sequence import SequenceClassifier
from fewshot.core.errors import InputError
from fewshot.data.labels import LabelSpace
from fewshot.distillation.layer_losses import LayerLoss
from fewshot.distillation.logit_losses import Temperature
from fewshot.distillation.logits import LogitDistillationTrainer
from tests.distillation.logit_cases import bert_config, make_classifier, make_tokenizer, weights

KEYS = {"n_pool", "n_gold", "n_held_out", "steps", "agreement_before", "agreement"}


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
        if len(calls) > 30:  # after the held-out texts and some steps
            raise KeyboardInterrupt
        return features(self, texts)

    with monkeypatch.context() as patch:
        patch.setattr(SequenceClassifier, "features", failing)
        with pytest.raises(KeyboardInterrupt):
            distil(tiny, "layers:2", pool, fit={"checkpoints": tmp_path}, **options)
    resumed = distil(tiny, "layers:2", pool, fit={"checkpoints": tmp_path, "resume": True}, **options)
    assert resumed.losses_ == whole.losses_
    assert weights(resumed.student_.model_) == weights(whole.student_.model_)
    assert resumed.report_ == whole.report_


def test_a_small_pool_has_no_held_out_figures(tiny, pool):
    """Prevents an agreement over one text from being reported as one, and ``steps=0`` from meaning the default."""
    trainer = distil(tiny, "layers:1", pool[:8], steps=0)
    assert trainer.report_["agreement"] is trainer.report_["agreement_before"] is None
    assert trainer.losses_ == []
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
        ({"batch_size": 0}, "batch_size"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"accumulation": 0}, "accumulation"),
        ({"random_state": 1.5}, "random_state"),
        ({"fit": {"resume": True}}, "resume=True needs checkpoints"),
        ({"student": "layers:9"}, "keep 1 to 4"),
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
    shorter = make_tokenizer(tokenizer.backend_tokenizer, max_length=8)
    other = make_classifier(shorter, ("a", "b", "c"))
    other.features = lambda texts: tokenizer(
        [text[::-1] for text in texts], padding=True, return_tensors="pt"
    )  # as another tokenizer's numbers would be
    student = make_classifier(tokenizer, ("a", "b", "c"))
    with pytest.raises(InputError, match=r"use LayerLoss\('pooled'\)"):
        distil(other, student, pool, layer_losses=[LayerLoss("hidden_mse")])
    with pytest.raises(InputError, match="the teacher is a LinearProbeClassifier"):
        distil(probe, str(tiny_folder), pool, layer_losses=[LayerLoss("pooled")])
