"""Class by class: against the scores of labels, and against scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, multilabel_confusion_matrix

from fewshot.core.errors import InputError
from fewshot.data.labels import LabelSpace
from fewshot.evaluation.metrics import scores_per_label
from fewshot.evaluation.runner.contest import Cell
from fewshot.evaluation.runner.prediction_set import PredictionSet
from fewshot.evaluation.statistics.class_scores import confusion_of, f1_by_class

CLASSES = tuple("abcdefgh")


def cell(slice, seed, method="knn", encoder="bundled"):
    """A cell of a made-up comparison."""
    return Cell(method, encoder, None, slice, 2 * slice, seed, key=f"{method}-{slice}-{seed}")


@pytest.fixture(params=[False, True], ids=["single", "multi"])
def predictions(request):
    """Two slices and three seeds of one method, one cell missing; another method; narrow codes as they are kept."""
    rng = np.random.default_rng(0)
    shape, top = ((60, 8), 2) if request.param else (60, 7)  # the last class is neither true nor predicted
    cells = [*[cell(slice, seed) for slice in (16, 4) for seed in (2, 0, 1)][:-1], cell(4, 0, "setfit")]
    answers = {one: rng.integers(top, size=shape).astype(np.uint8) for one in cells}
    return PredictionSet(LabelSpace(CLASSES, request.param), rng.integers(top, size=shape).astype(np.uint8), answers)


def test_scores_stand_at_their_seed_slice_and_class(predictions):
    """Prevents axes that are swapped or out of order, and a missing cell that counts as 0."""
    found = f1_by_class(predictions, "knn")
    assert (found.seeds, found.slices, found.classes) == ((0, 1, 2), (4, 16), CLASSES)
    assert found.f1.shape == (3, 2, 8)
    space = predictions.space
    for i, seed in enumerate(found.seeds):
        for j, slice in enumerate(found.slices):
            if (slice, seed) == (4, 1):
                assert np.isnan(found.f1[i, j]).all()
                assert np.isnan(found.n_train[i, j])
                continue
            labels = space.decode(predictions.truth), space.decode(predictions.answers[cell(slice, seed)])
            wanted = scores_per_label(*labels, multi_label=space.multi_label)
            assert found.f1[i, j] == pytest.approx([wanted.get(label, {"f1": 0})["f1"] for label in CLASSES])
            assert found.n_train[i, j] == 2 * slice
    n = predictions.truth.sum(axis=0) if space.multi_label else np.bincount(predictions.truth, minlength=8)
    np.testing.assert_array_equal(found.n_true, n)


def test_confusion_is_that_of_scikit_learn(predictions):
    """Prevents a matrix that is transposed, or that overflows one byte."""
    truth, answer = predictions.truth, predictions.answers[cell(16, 0)]
    if predictions.space.multi_label:
        wanted = multilabel_confusion_matrix(truth, answer)
    else:
        wanted = confusion_matrix(truth, answer, labels=np.arange(8))
    np.testing.assert_array_equal(confusion_of(predictions, cell(16, 0)), wanted)


def test_a_method_must_be_one(predictions):
    """Prevents scores of two encoders in one table, and an empty one for a name that is misspelled."""
    predictions.answers[cell(4, 0, encoder="other")] = predictions.truth
    with pytest.raises(InputError, match="got 2"):
        f1_by_class(predictions, "knn")
    assert f1_by_class(predictions, "knn", encoder="other").seeds == (0,)
    with pytest.raises(InputError, match="got 0; there are: knn, setfit"):
        f1_by_class(predictions, "kmm")
