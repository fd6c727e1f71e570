"""A threshold for each label: set, chosen and refused."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from fewshot.classifiers.sequence import SequenceClassifier
from fewshot.core.errors import InputError
from tests.distillation.logit_cases import make_classifier, make_tokenizer


@pytest.fixture
def several(tiny_tokenizer):
    """Three labels, any number of which apply."""
    return make_classifier(make_tokenizer(tiny_tokenizer), ("a", "b", "c"), multi_label=True)


def test_set(several, multi):
    """Prevents thresholds that belong to other labels, and a caller's array that changes with ours."""
    given = np.array([0.0, 1.0, 0.5])
    assert several.set_thresholds(given) is several
    given[:] = 0.9
    assert several.threshold_.tolist() == [0.0, 1.0, 0.5]
    assert all("a" in labels and "b" not in labels for labels in several.predict(multi.texts))
    assert several.set_thresholds(0.25).threshold_.tolist() == [0.25] * 3


def test_tune(several, multi):
    """Prevents a threshold that is worse than the one before, or one for all labels."""
    scores = several.logits(multi.texts)
    applies = scores > np.diag(np.quantile(scores, [0.2, 0.5, 0.4], axis=0))
    wanted = [tuple(name for name, true in zip("abc", row, strict=True) if true) for row in applies]
    before = several.score(multi.texts, wanted)
    several.tune_thresholds(multi.texts, wanted)
    assert several.score(multi.texts, wanted) > before + 0.2
    assert len(set(several.threshold_)) == 3


@pytest.mark.parametrize("threshold", [1.5, -0.1, [0.5, 0.5], [[0.5] * 3], float("nan")])
def test_wrong_thresholds(several, threshold):
    """Prevents thresholds outside of probabilities, and ones that are broadcast over labels they do not belong to."""
    with pytest.raises(InputError, match="threshold must be a number from 0 to 1, or one for each of the 3 classes"):
        several.set_thresholds(threshold)


def test_nothing_to_tune(several, tiny_tokenizer):
    """Prevents thresholds where the most probable class is the answer, and labels that nobody knows."""
    with pytest.raises(InputError, match="label 'd' is not one of the 3 classes"):
        several.tune_thresholds(["x"], [("d",)])
    with pytest.raises(InputError, match="same length"):
        several.tune_thresholds(["x"], [])
    single = make_classifier(make_tokenizer(tiny_tokenizer), ("a", "b", "c"))
    with pytest.raises(InputError, match="thresholds are for multi-label tasks"):
        single.tune_thresholds(["x"], ["a"])
    with pytest.raises(NotFittedError):
        SequenceClassifier().tune_thresholds(["x"], [("a",)])
