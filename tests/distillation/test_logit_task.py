"""What a teacher says of the texts of a logit distillation, and how a student is held against it."""

from functools import partial

import numpy as np
import pytest
from scipy.special import expit, logit, softmax

from fewshot.classifiers.finetune import FineTunedClassifier
from fewshot.classifiers.linear_probe import LinearProbeClassifier
from fewshot.core.errors import DataWarning, InputError, TeacherError
from fewshot.data.labels import LabelSpace
from fewshot.distillation.confidence import confidence_weights
from fewshot.distillation.logit_losses import MISSING
from fewshot.distillation.logit_task import ChosenTexts, LogitTask, open_logit_task
from fewshot.distillation.target_store import TargetStore
from fewshot.distillation.transfer_set import make_transfer_set

SPACE = LabelSpace(("a", "b"), multi_label=False)
SEVERAL = LabelSpace(("a", "b"), multi_label=True)
COLUMNS = np.array([1, 0])


class Knows:
    """A teacher that is as sure of class b as the number in the text says, in percent."""

    def __init__(self, space=SPACE):
        self.label_space_, self.classes_, self.asked = space, np.array(space.classes), []

    def predict_proba(self, texts):
        self.asked.append(len(texts))
        p = np.array([int(text.split()[-1]) / 100 for text in texts])
        return np.stack([1 - p, p], axis=1)


class Student(Knows):
    """A student that is as sure as the teacher, and decides elsewhere."""

    def __init__(self, space, threshold):
        super().__init__(space)
        self.threshold_ = np.asarray(threshold)


POOL = [f"text {number}" for number in range(100)]


def test_texts_and_scores_belong_together():
    """Prevents scores of other texts, gold labels of pool texts, and held-out texts that are trained on."""
    task = open_logit_task(Knows(), make_transfer_set(SPACE, POOL, ["gold 12", "text 7"], ["b", "a"]))
    assert list(task.texts[:2]) == ["gold 12", "text 7"]
    assert sorted([*task.texts, *task.held_out]) == sorted([*POOL, "gold 12"])
    for texts, logits in ((task.texts, task.logits), (task.held_out, task.held_out_logits)):
        p = np.array([int(text.split()[-1]) / 100 for text in texts])
        np.testing.assert_allclose(np.exp(logits)[:, 1], p.clip(1e-6), rtol=1e-5)
    texts, targets = task.lesson(COLUMNS)
    assert texts is task.texts
    assert targets.weights is None
    assert targets.gold.tolist() == [0, 1, *[MISSING] * (len(texts) - 2)]
    np.testing.assert_array_equal(targets.logits, task.logits[:, ::-1])
    assert task.n_left_out == 0


@pytest.mark.parametrize("space", [SPACE, SEVERAL])
def test_weights_by_confidence(space):
    """Prevents gold texts from losing weight where the teacher errs, and steps that shrink with its doubts."""
    gold = (["gold 50"], [("a",) if space.multi_label else "a"])
    task = open_logit_task(Knows(space), make_transfer_set(space, POOL, *gold), "weight")
    assert task.weights[0] == 1.0
    assert task.weights[1:].mean() == pytest.approx(1.0, rel=0.03)  # a text of 50 % has none
    p = np.exp(task.logits[1:]) if not space.multi_label else 1 / (1 + np.exp(-task.logits[1:]))
    expected = confidence_weights(p, "weight", multi_label=space.multi_label)
    np.testing.assert_allclose(task.weights[1:], expected / expected[expected > 0].mean(), rtol=1e-4)


def test_dropped_texts_are_not_trained_on():
    """Prevents steps over texts that weigh nothing, and targets that are shifted against the texts that are left."""
    transfer = make_transfer_set(SPACE, POOL, ["gold 50"], ["b"])
    task = open_logit_task(Knows(), transfer, "drop:0.75")
    texts, targets = task.lesson(COLUMNS)
    sure = [text for text in task.texts[1:] if max(int(text.split()[-1]), 100 - int(text.split()[-1])) >= 75]
    assert list(texts) == ["gold 50", *sure]
    assert [texts[1], *texts[2:4]] == sure[:3]
    assert task.n_left_out == len(task.texts) - 1 - len(sure)
    assert targets.gold.tolist() == [0, *[MISSING] * len(sure)]
    assert (targets.weights == 1).all()
    p = np.array([int(text.split()[-1]) / 100 for text in texts])
    np.testing.assert_allclose(np.exp(targets.logits)[:, 0], p.clip(1e-6), rtol=1e-5)
    targets.check(len(texts), 2, multi_label=False)


def test_few_texts_left():
    """Prevents a training on one text, or on none where the pool is empty."""
    few = make_transfer_set(SPACE, [f"text {number}" for number in range(45, 53)])
    with pytest.warns(DataWarning, match="the surest 1 are kept"), pytest.raises(InputError, match="leaves one text"):
        open_logit_task(Knows(), few, "drop:0.9")
    gold = [f"gold {number}" for number in range(8)]
    task = open_logit_task(Knows(), make_transfer_set(SPACE, [], gold, ["a", "b"] * 4), "drop:0.9")
    assert task.weights is None
    assert list(task.texts) == gold


def test_agreement():
    """Prevents sets of labels that agree in part from counting, and decisions at another one's threshold."""
    task = open_logit_task(Knows(), make_transfer_set(SPACE, POOL))
    assert task.agreement(Student(SPACE, 0.5)) == 1.0
    several = open_logit_task(Knows(SEVERAL), make_transfer_set(SEVERAL, POOL))
    assert several.agreement(Student(SEVERAL, [0.5, 0.5])) == 1.0
    apart = np.mean([50 <= int(text.split()[-1]) < 80 for text in several.held_out])
    assert 0 < apart < 1
    assert several.agreement(Student(SEVERAL, [0.5, 0.8])) == pytest.approx(1 - apart)
    assert open_logit_task(Knows(), make_transfer_set(SPACE, POOL[:20])).agreement(Student(SPACE, 0.5)) is None


def test_thresholds_follow_teacher_and_gold():
    """Prevents thresholds that undo the teacher's, and gold labels that do not count."""
    texts = [f"{copy} text {number}" for copy in range(20) for number in range(5, 95)]
    p = np.array([int(text.split()[-1]) / 100 for text in texts])
    logits = logit(np.stack([1 - p, p], axis=1))
    of_teacher = LogitTask(texts, None, logits, None, [], np.empty((0, 2)), True, np.array([0.5, 0.7]))
    found = of_teacher.thresholds(Student(SEVERAL, 0.5))
    assert found == pytest.approx([0.5, 0.7], abs=0.02)
    by_gold = LogitTask(texts, np.stack([p < 0.8, p >= 0.3], axis=1).astype(int), logits, None, [], None, True, 0.5)
    assert by_gold.thresholds(Student(SEVERAL, 0.5)) == pytest.approx([0.2, 0.3], abs=0.02)


def test_a_constant_teacher():
    """Prevents a student of a teacher that knows nothing; a few like answers among held-out texts are no such."""
    with pytest.raises(TeacherError, match="gives every text the same scores"):
        open_logit_task(Knows(), make_transfer_set(SPACE, [f"word{number} 30" for number in range(9)]))


def test_chosen_texts():
    """Prevents texts of other rows."""
    chosen = ChosenTexts(POOL, np.array([9, 3, 5]))
    assert list(chosen) == [chosen[0], chosen[1], chosen[2]] == ["text 9", "text 3", "text 5"]
    assert chosen[1:] == ["text 3", "text 5"]
    assert len(chosen) == 3


@pytest.mark.parametrize("data", ["single", "multi"])
def test_logits_out_of_a_store(tiny_folder, data, request, pool, tmp_path, monkeypatch):
    """Prevents the largest teachers, transformers, from reading the pool again for each student, seed and trial."""
    toy = request.getfixturevalue(data)
    teacher = FineTunedClassifier(tiny_folder, epochs=1, folds=0, device="cpu").fit(toy.texts, toy.labels)
    transfer = make_transfer_set(teacher.label_space_, pool, toy.texts, toy.labels)
    plain, store = open_logit_task(teacher, transfer), TargetStore(tmp_path, shard_rows=16)
    asked, logits = [], FineTunedClassifier.logits
    monkeypatch.setattr(FineTunedClassifier, "logits", lambda self, t: asked.extend(t) or logits(self, t))
    stored = open_logit_task(teacher, transfer, store=store)
    np.testing.assert_allclose(stored.logits, plain.logits, atol=1e-5)
    assert set(transfer.pool) <= set(asked)
    asked.clear()
    again = open_logit_task(teacher, transfer, store=TargetStore(tmp_path))
    np.testing.assert_array_equal(again.logits, stored.logits)
    assert sorted(asked) == sorted([*transfer.gold_texts, *transfer.held_out])
    # What the store keeps of the same teacher's probabilities stands beside, not in their place.
    probabilities = store.targets(teacher, transfer.pool).probabilities
    assert ((probabilities >= 0) & (probabilities <= 1)).all()
    assert len([path for path in tmp_path.iterdir() if path.is_dir()]) == 2


@pytest.mark.parametrize("data", ["single", "multi"])
def test_answers_out_of_a_store(tiny_encoder, data, request, pool, tmp_path, monkeypatch):
    """Prevents each student of scores from paying for the teacher again, and scores that change on their way."""
    toy = request.getfixturevalue(data)
    teacher = LinearProbeClassifier(encoder=tiny_encoder).fit(toy.texts, toy.labels)
    transfer = make_transfer_set(teacher.label_space_, pool, toy.texts, toy.labels)
    plain, store = open_logit_task(teacher, transfer), TargetStore(tmp_path)
    stored = open_logit_task(teacher, transfer, store=store)
    as_probabilities = expit if toy.multi_label else partial(softmax, axis=1)
    np.testing.assert_allclose(as_probabilities(stored.logits), as_probabilities(plain.logits), atol=1e-3)
    asked, predict = [], LinearProbeClassifier.predict_proba
    monkeypatch.setattr(LinearProbeClassifier, "predict_proba", lambda self, t: asked.extend(t) or predict(self, t))
    again = open_logit_task(teacher, transfer, store=store)
    np.testing.assert_array_equal(again.logits, stored.logits)
    assert sorted(asked) == sorted([*transfer.gold_texts, *transfer.held_out])
