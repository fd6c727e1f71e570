"""What a trial is worth: folds that are fair, scores that a library confirms, ties that likelihood breaks."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from fewshot.evaluation.thresholds import best_threshold
from fewshot.recipes.trial_judge import LEAST_PROBABILITY, TrialJudge, verdict_on


class Memory:
    """Gives 0.9 to the class that the last word of a text names, if it was there in training."""

    trained: list[list[str]] = []  # noqa: RUF012 - each test sets its own

    def fit(self, texts, labels):
        self.trained.append(list(texts))
        self.classes_ = np.array(sorted(set(labels)))
        return self

    def predict_proba(self, texts):
        rest = 0.1 / max(1, len(self.classes_) - 1)
        return np.array([[0.9 if name == text.split()[-1] else rest for name in self.classes_] for text in texts])


def test_no_text_is_judged_by_a_training_that_saw_it():
    """Prevents scores of memorized texts, and counts each text once."""
    texts = [f"text {i} {'ab'[i % 2]}" for i in range(12)]
    judge = TrialJudge.of([*texts, "alone c"], [*(text[-1] for text in texts), "c"], 3, 0)
    Memory.trained = []
    verdicts = list(judge.verdicts(Memory))
    assert [len(verdict.right) for verdict in verdicts] == [4, 8, 12]
    assert sorted(text for seen in Memory.trained for text in set(texts) - set(seen)) == sorted(texts)
    assert all("alone c" in seen for seen in Memory.trained)
    assert verdicts[-1].score == 1.0
    assert verdicts[-1].likelihood == pytest.approx(0.9)


def test_a_class_that_training_lacks_counts_as_wrong_and_not_as_an_error():
    """Prevents columns of another class order from being read as probabilities."""
    judge = TrialJudge.of([f"t {'abc'[i % 3]}" for i in range(12)], ["abc"[i % 3] for i in range(12)], 2, 0)

    class Forgetful(Memory):
        def fit(self, texts, labels):
            return super().fit(texts, [label for label in labels if label != "a"])

    assert list(judge.verdicts(Forgetful))[-1].score == pytest.approx(2 / 3)


def test_the_multi_label_score_is_scikit_learns_micro_f1():
    """Prevents a home-made F1."""
    rng = np.random.default_rng(0)
    y, probabilities = (rng.random((40, 5)) < 0.3).astype(int), rng.random((40, 5))
    verdict = verdict_on(y, probabilities)
    chosen = probabilities >= best_threshold(y, probabilities)
    assert verdict.score == pytest.approx(f1_score(y, chosen, average="micro"))
    assert verdict.right == pytest.approx(
        [f1_score(a, b, zero_division=1) for a, b in zip(y, chosen, strict=True)], abs=1e-4
    )
    assert verdict.likelihood == pytest.approx(
        np.exp(np.log(np.clip(np.where(y, probabilities, 1 - probabilities), LEAST_PROBABILITY, 1)).mean())
    )


def test_labels_that_a_student_decided_for_count_as_they_are():
    """Prevents a threshold tuned on the judged texts from standing in for the student's own."""
    y = np.array([[1, 0], [0, 1]])
    probabilities = np.array([[0.4, 0.1], [0.1, 0.4]])
    assert verdict_on(y, probabilities).score == 1.0
    decided = verdict_on(y, probabilities, np.array([[1, 0], [0, 0]]))
    assert decided.score == pytest.approx(2 / 3)
    assert decided.right == [1.0, 0.0]


def test_likelihood_breaks_ties_and_never_outweighs_a_text():
    """Prevents the head with the boldest probabilities from winning over one that is right more often."""
    y = np.tile([0, 1], 100)
    sure, unsure = np.eye(2)[y] * 0.98 + 0.01, np.eye(2)[y] * 0.02 + 0.49
    assert verdict_on(y, sure).value > verdict_on(y, unsure).value
    sure[0] = sure[0, ::-1]
    assert verdict_on(y, sure).value < verdict_on(y, unsure).value
