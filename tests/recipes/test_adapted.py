"""An adapted encoder under a classifier, as one method."""

import numpy as np
import pytest

from fewshot.adaptation.adapter import DomainAdapter
from fewshot.classifiers.linear_probe import LinearProbeClassifier
from fewshot.core.errors import DataWarning, InputError
from fewshot.data.texts import TextData
from fewshot.recipes.adapted import AdaptedClassifier, adapt_to
from fewshot.recipes.comparison import compare_methods
from fewshot.recipes.method import Surroundings
from fewshot.recipes.methods import make_classifier


def test_the_classifier_learns_on_the_adapted_encoder(tiny_encoder, single, tmp_path):
    """Prevents a method that adapts an encoder and trains on the one it started from."""
    with pytest.warns(DataWarning, match="different texts tell little"):
        adapted = adapt_to(single.texts, tiny_encoder, tmp_path / "adapted", device="cpu", random_state=3)
    plain = LinearProbeClassifier(tiny_encoder, random_state=3)
    method = AdaptedClassifier(plain, lambda: adapted).fit(single.texts, single.labels)
    assert not hasattr(plain, "classes_")
    expected = LinearProbeClassifier(adapted, random_state=3).fit(single.texts, single.labels)
    np.testing.assert_array_equal(method.predict_proba(single.test_texts), expected.predict_proba(single.test_texts))
    assert list(method.predict(single.test_texts)) == list(expected.predict(single.test_texts))
    assert np.abs(adapted.encode(single.texts) - tiny_encoder.encode(single.texts)).max() > 1e-4


def test_a_comparison_adapts_once(tiny_encoder, single, tmp_path, monkeypatch):
    """Prevents an adaptation for each of dozens of cells, all of the same pool."""
    made = []

    def count(pool, encoder, folder, **options):
        made.append((list(pool), folder.parent, options))
        return tiny_encoder

    monkeypatch.setattr("fewshot.recipes.adapted.adapt_to", count)
    texts = [*single.texts, *single.test_texts]
    data = TextData(texts, [*single.labels, *single.test_labels], False, list(range(len(texts))), "toy")
    pool = TextData([f"other {i}" for i in range(9)], [None] * 9, False, list(range(9)), "pool")
    result = compare_methods(
        *(data, None, pool),
        out=tmp_path / "out",
        methods="adapt+fine-tune",
        slices=(2, 4),
        seeds=1,
        seed=5,
        folds=0,
        encoder=tiny_encoder,
        device="cpu",
    )
    assert [row["status"] for row in result.rows] == ["ok", "ok"]
    assert made == [(pool.texts, tmp_path / "out" / "adapted", {"device": "cpu", "random_state": 5})]


def test_an_adaptation_is_kept_and_gone_on_with(tiny_encoder, pool, tmp_path, monkeypatch):
    """Prevents a comparison that was stopped from adapting anew, and from other figures than without a stop."""
    options = {"device": "cpu", "random_state": 3}
    whole = adapt_to(pool, tiny_encoder, tmp_path / "whole", **options)
    save = DomainAdapter.save

    def stopped(self, *args, **more):
        raise KeyboardInterrupt

    monkeypatch.setattr(DomainAdapter, "save", stopped)
    with pytest.raises(KeyboardInterrupt):
        adapt_to(pool, tiny_encoder, tmp_path / "other", **options)
    assert [path.name for path in tmp_path.iterdir() if path.name != "whole"] == ["other.training"]
    monkeypatch.setattr(DomainAdapter, "save", save)
    resumed = []
    fit = DomainAdapter.fit
    monkeypatch.setattr(
        DomainAdapter, "fit", lambda self, *args, **more: resumed.append(more["resume"]) or fit(self, *args, **more)
    )
    again = adapt_to(pool, tiny_encoder, tmp_path / "other", **options)
    assert adapt_to(pool, tiny_encoder, tmp_path / "other", **options).fingerprint == again.fingerprint
    assert resumed == [True]  # and the second time it was only opened
    assert again.fingerprint == whole.fingerprint
    np.testing.assert_array_equal(again.encode(pool), whole.encode(pool))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other", "whole"]


def test_training_alone_says_how_to_adapt():
    """Prevents a plain fine-tuning under the name of an adapted one where nothing was adapted."""
    with pytest.raises(InputError, match="fewshot adapt"):
        make_classifier("adapt+fine-tune", Surroundings(None, [], None, 0))
