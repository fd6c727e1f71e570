"""Encoders and pools by short names."""

import numpy as np
import pytest

from fewshot.core.errors import InputError
from fewshot.recipes.crossing import encoder_names, numbered, open_encoders, origin_of, sized_pools


def test_a_folder_may_have_a_comma(tmp_path, monkeypatch):
    """Prevents a path that worked alone from being cut in two."""
    (tmp_path / "a,b").mkdir()
    monkeypatch.chdir(tmp_path)
    assert encoder_names("a,b") == ("a,b",)
    assert encoder_names("pooled:a,b") == ("pooled:a,b",)
    assert encoder_names("a,c") == ("a", "c")
    with pytest.raises(InputError, match="at least one encoder"):
        encoder_names(" , ")


def test_one_model_under_two_names_is_refused(tiny_static, tiny_encoder, tiny_folder):
    """Prevents two rows of results that are one, and cells that share a key."""
    opened = open_encoders([tiny_static, tiny_encoder], device="cpu")
    assert list(opened) == numbered([tiny_static.name, tiny_encoder.name])
    with pytest.raises(InputError, match="encoder must name different models"):
        open_encoders([str(tiny_folder), f"{tiny_folder}/"], device="cpu")


def test_pools_nest_and_are_called_by_their_sizes():
    """Prevents a smaller pool of other texts, and a whole one in another order than without sizes."""
    pool = [f"text {i}" for i in range(50)]
    parts = sized_pools({"new": pool}, [50, 10, 20, 10], random_state=3)
    assert list(parts) == [10, 20, 50]
    assert parts[20][:10] == parts[10]
    assert set(parts[20]) <= set(parts[50])
    assert parts[50] is pool
    assert sized_pools({"new": pool}, None, random_state=3) == {50: pool}
    assert parts[10] != sized_pools({"new": pool}, [10], random_state=4)[10]
    assert parts[10] == sized_pools({"new": pool}, [10], random_state=3)[10]
    several = sized_pools({"new": pool, "old": pool[:30]}, [10, 20], random_state=3)
    assert list(several) == ["new:10", "new:20", "old:10", "old:20"]
    assert [origin_of(key, ["new", "old"]) for key in several] == ["new", "new", "old", "old"]
    for size, named in ((0, "50 texts of 'new'"), (31, "30 texts of 'old'")):
        with pytest.raises(InputError, match=f"between 1 and the {named}, got {size}"):
            sized_pools({"new": pool, "old": pool[:30]}, [size], random_state=3)


def test_drawing_of_pools_leaves_the_global_state(tmp_path):
    """Prevents a comparison from changing what other code draws."""
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    sized_pools({"new": list("abc")}, [2], random_state=3)
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002
