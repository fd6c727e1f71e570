"""The journey from a pool to an adapted encoder, called from Python."""

import numpy as np
import pytest

from fewshot.core.errors import DataWarning, InputError
from fewshot.data.texts import TextData
from fewshot.encoders.resolve import load_encoder
from fewshot.recipes.adapting import AdaptSettings, adapt_encoder
from fewshot.recipes.sources import Reading

QUICK = {"objective": "simcse", "steps": 10, "batch_size": 8, "learning_rate": 1e-4, "device": "cpu"}


def data(texts):
    """Return texts without labels."""
    return TextData(list(texts), [None] * len(texts), multi_label=False, rows=list(range(len(texts))))


def test_what_is_made(tiny_folder, pool, single, tmp_path):
    """Prevents facts that differ from the folder, and leftovers of the training."""
    settings = AdaptSettings(encoder=str(tiny_folder), **QUICK)
    with pytest.warns(DataWarning, match="copies of excluded texts"):
        made = adapt_encoder(data(pool), out=tmp_path / "out", settings=settings, test=data(pool[:20]))
    assert made.facts["n_texts"] == 100
    assert made.facts["megabytes"] > 0
    assert made.facts["seconds"] >= 0
    opened = load_encoder(made.folder, device="cpu", precision=made.encoder.precision)
    np.testing.assert_allclose(opened.encode(single.texts), made.encoder.encode(single.texts), atol=1e-6)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    again = adapt_encoder(data(pool[20:]), out=tmp_path / "out", settings=settings)
    assert again.facts["text_hash"] == made.facts["text_hash"]
    assert again.facts["loss_after"] == made.facts["loss_after"]


def test_columns_are_joined(tiny_folder, pool, tmp_path):
    """Prevents ``--text title --text body`` from adapting to the titles alone."""
    (tmp_path / "pool.csv").write_text("\n".join(["title,body", *(f"{text},again {text}" for text in pool)]) + "\n")
    settings = AdaptSettings(encoder=str(tiny_folder), **QUICK)
    how = Reading(text=("title", "body"))
    joined = adapt_encoder(tmp_path / "pool.csv", out=tmp_path / "joined", settings=settings, reading=how)
    titles = adapt_encoder(
        tmp_path / "pool.csv", out=tmp_path / "titles", settings=settings, reading=Reading(text=("title",))
    )
    assert joined.facts["n_texts"] == titles.facts["n_texts"] == len(pool)
    assert joined.facts["text_hash"] != titles.facts["text_hash"]


def test_a_place_that_is_taken_is_found_before_the_training(tiny_folder, pool, tmp_path):
    """Prevents hours of training whose result cannot be written."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="is not replaced"):
        adapt_encoder(data(pool), out=tmp_path / "out", settings=AdaptSettings(encoder="no such encoder"))
