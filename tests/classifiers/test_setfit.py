"""SetFit: what contrastive training adds to a linear probe."""

import numpy as np
import pytest

from fewshot.classifiers.contrastive import default_steps
from fewshot.classifiers.linear_probe import LinearProbeClassifier
from fewshot.classifiers.setfit import SetFitClassifier
from fewshot.core.errors import InputError
from fewshot.encoders.cached import CachedEncoder


def separation(vectors, labels):
    """Mean cosine inside classes less the mean cosine between them."""
    cosines, labels = vectors @ vectors.T, np.array(labels)
    same, others = labels[:, None] == labels, ~np.eye(len(labels), dtype=bool)
    return cosines[same & others].mean() - cosines[~same].mean()


def test_training_draws_classes_together(tiny_encoder, single):
    """Prevents a training that leaves the encoder as it was, or trains it the wrong way round."""
    classifier = SetFitClassifier(encoder=tiny_encoder, steps=12, learning_rate=1e-3, folds=0)
    classifier.fit(single.texts, single.labels)
    before = separation(tiny_encoder.encode(single.texts), single.labels)
    assert separation(classifier.encoder_.encode(single.texts), single.labels) > before + 0.05
    assert len(classifier.losses_) == 12
    assert classifier.losses_[-1] < classifier.losses_[0]


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
    "arguments", [{"batch_size": 1}, {"batch_size": 0}, {"steps": -1}, {"learning_rate": 0.0}, {"random_state": -1}]
)
def test_bad_arguments(tiny_encoder, single, arguments):
    """Prevents a division by zero, or an endless training, in place of a word about the argument."""
    with pytest.raises(InputError, match=next(iter(arguments))):
        SetFitClassifier(**{"encoder": tiny_encoder, **arguments}).fit(single.texts, single.labels)


def test_default_steps_are_bounded():
    """Prevents training for hours on many labels."""
    assert [default_steps(n, 64) for n in (2, 64, 128, 10**6)] == [10, 10, 20, 60]
