"""Fine-tuning that prunes: trainings go to their end, and what they leave is as sparse as was asked for."""

import numpy as np
import pytest
from sklearn.base import clone

from fewshot.classifiers.finetune import FineTunedClassifier
from fewshot.classifiers.loading import load_classifier
from fewshot.core.errors import InputError
from fewshot.training.sparsity import MagnitudePruning, MovementPruning
from fewshot.training.weight_masks import sparsity_of
from tests.distillation.logit_cases import weights

PRUNING = MagnitudePruning(sparsity=0.7)


def quick(encoder, **changes):
    """Return a classifier that learns the toy task in a second."""
    usual = {"steps": 30, "batch_size": 8, "learning_rate": 1e-3, "device": "cpu", "pruning": PRUNING}
    return FineTunedClassifier(encoder, **usual | changes)


@pytest.mark.parametrize("judged", ["folds", "validation", "nothing"])
def test_the_end_is_kept(tiny_encoder, single, judged):
    """Prevents an earlier look, at weights that are not yet pruned, from being kept as the best."""
    validation = (single.test_texts, single.test_labels) if judged == "validation" else None
    classifier = quick(tiny_encoder, folds=0 if judged == "nothing" else 2, patience=1)
    classifier.fit(single.texts, single.labels, validation=validation)
    assert sparsity_of(classifier.model_) == pytest.approx(0.7, abs=1e-4)
    assert classifier.report_["steps"] == len(classifier.losses_) == 30
    assert (classifier.report_["held_out_score"] is None) == (judged == "nothing")


def test_it_is_saved_and_copied(tiny_encoder, single, tmp_path):
    """Prevents settings of pruning that no folder can hold, or that a copy forgets."""
    classifier = quick(tiny_encoder, folds=0, pruning=MovementPruning(sparsity=0.7)).fit(single.texts, single.labels)
    assert clone(classifier).pruning == classifier.pruning
    classifier.save(tmp_path / "model")
    opened = load_classifier(tmp_path / "model", device="cpu")
    np.testing.assert_array_equal(opened.predict_proba(single.texts), classifier.predict_proba(single.texts))
    assert sparsity_of(opened.model_) == pytest.approx(0.7, abs=1e-4)
    with pytest.raises(InputError, match="pruning must be a MagnitudePruning"):
        opened.fit(single.texts, single.labels)  # as with augmentations, the object is to be given again


def test_other_pruning_is_another_run(tiny_encoder, single, tmp_path):
    """Prevents a resumed fit from taking up parts of one with other settings."""
    one = quick(tiny_encoder).fit(single.texts, single.labels, checkpoints=tmp_path / "run")
    again = quick(tiny_encoder).fit(single.texts, single.labels, checkpoints=tmp_path / "run", resume=True)
    assert weights(one.model_) == weights(again.model_)
    with pytest.raises(InputError, match="other"):
        quick(tiny_encoder, pruning=MagnitudePruning(sparsity=0.2)).fit(
            single.texts, single.labels, checkpoints=tmp_path / "run", resume=True
        )


def test_what_is_frozen_stays_whole(tiny_encoder, single):
    """Prevents layers that shall stay as they are from being pruned."""
    classifier = quick(tiny_encoder, folds=0, freeze_layers=2).fit(single.texts, single.labels)
    layers = classifier.model_.base_model.encoder.layer
    zeros = [float((layer.intermediate.dense.weight == 0).float().mean()) for layer in layers]
    assert zeros[:2] == [0.0, 0.0]
    assert min(zeros[2:]) > 0.5
