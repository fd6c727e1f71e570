"""From names to encoders."""

import numpy as np
import pytest

from fewshot.core.errors import InputError, ModelFormatError, SourceNotFoundError
from fewshot.encoders.cached import CachedEncoder
from fewshot.encoders.resolve import load_encoder, unwrapped
from fewshot.encoders.sentence import SentenceEncoder
from fewshot.encoders.static import StaticEncoder


def test_each_kind_of_source(tiny_folder, tiny_model, tiny_static, toy_encoder, tmp_path):
    """Prevents a kind of encoder from being opened as another, or copied where it is one already."""
    tiny_static.save(tmp_path / "table")
    assert load_encoder(toy_encoder) is toy_encoder
    assert isinstance(load_encoder(tiny_folder, device="cpu"), SentenceEncoder)
    assert isinstance(load_encoder(str(tiny_folder), device="cpu"), SentenceEncoder)
    assert isinstance(load_encoder(tmp_path / "table"), StaticEncoder)
    wrapped = load_encoder(tiny_model, device="cpu", precision="float32")
    np.testing.assert_allclose(wrapped.encode(["card"]), tiny_model.encode(["card"]), atol=1e-5)


def test_a_name_that_is_nowhere(tmp_path):
    """Prevents a silent fallback to another model where there is no network."""
    for name in ("sentence-transformers/no-such-model", "no-such-model", str(tmp_path / "nowhere")):
        with pytest.raises(SourceNotFoundError, match="--encoder bundled"):
            load_encoder(name, device="cpu")


def test_a_folder_that_is_no_model(tmp_path):
    """Prevents a search on the Hub for a local folder."""
    with pytest.raises(ModelFormatError):
        load_encoder(tmp_path, device="cpu")


@pytest.mark.parametrize("encoder", [None, 3, ["bundled"], object(), "", "  ", StaticEncoder])
def test_what_is_no_encoder(encoder):
    """Prevents an AttributeError later, in the first batch."""
    with pytest.raises(InputError, match="encoder must"):
        load_encoder(encoder)


def test_the_cache_is_taken_off(toy_encoder):
    """Prevents training a cache."""
    assert unwrapped(CachedEncoder(toy_encoder)) is toy_encoder
    assert unwrapped(toy_encoder) is toy_encoder


@pytest.mark.slow
def test_bundled_by_name(bundled):
    """Prevents ``bundled`` from being looked up on the Hub, and its name from becoming a path."""
    assert bundled.name == "bundled"
    assert bundled.encode(["a text"]).shape == (1, 384)
