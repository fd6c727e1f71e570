"""The texts of an adaptation: each once, some held out, and too few refused."""

import numpy as np
import pytest

from fewshot.adaptation.texts import split_texts
from fewshot.core.artifacts import fingerprint
from fewshot.core.errors import DataWarning, InputError
from fewshot.data.pool import open_pool

TEXTS = [f"text number {i}" for i in range(400)]


def test_each_text_once_and_some_held_out():
    """Prevents copies from counting twice, or from standing on both sides of the split."""
    split = split_texts([*TEXTS, *TEXTS[:50], "", "  "])
    assert list(split.texts) == TEXTS
    learnt = [split.texts[row] for row in split.rows]
    assert (len(split.held_out), len(learnt)) == (20, 380)
    assert sorted([*learnt, *split.held_out]) == sorted(TEXTS)
    assert split.probes() == split.held_out


@pytest.mark.parametrize(("n", "held_out"), [(50, 10), (100, 10), (400, 20), (20_000, 500)])
def test_how_many_are_held_out(n, held_out):
    """Prevents a judgement by two texts, and a large pool that is looked at for longer than it is learnt from."""
    assert len(split_texts([str(i) for i in range(n)]).held_out) == held_out


def test_a_pool_stays_in_its_file():
    """Prevents millions of texts from being read into memory."""
    pool = open_pool(TEXTS)
    split = split_texts(pool)
    assert split.texts is pool
    assert split.held_out == split_texts(TEXTS).held_out
    assert split.content_hash == split_texts(TEXTS).content_hash == fingerprint(TEXTS)
    assert split.lengths.tolist() == [len(text) for text in TEXTS]


def test_texts_of_ones_own_to_judge_by():
    """Prevents texts that judge from being learnt, and a large file of them from being read at each look."""
    split = split_texts(TEXTS, [*TEXTS[:5], *TEXTS[:5], "another", ""])
    assert split.held_out == [*TEXTS[:5], "another"]
    assert split.rows.tolist() == list(range(5, 400))
    assert len(split_texts(TEXTS, [f"v{i}" for i in range(900)]).held_out) == 500
    with pytest.raises(InputError, match="validation holds 1 different texts"):
        split_texts(TEXTS, ["one", "one"])
    with pytest.raises(InputError, match="texts holds 3 different texts to learn from"):
        split_texts(TEXTS[:100], TEXTS[:97])


def test_too_few():
    """Prevents an encoder from learning one text by heart."""
    with pytest.raises(InputError, match="texts holds 1 different texts to learn from"):
        split_texts(["the same"] * 1000)
    with pytest.warns(DataWarning, match="20 different texts tell little of a domain"):
        split = split_texts(TEXTS[:20])
    assert split.held_out == []
    assert split.rows.tolist() == list(range(20))
    assert split.probes() == TEXTS[:20]


def test_no_texts_at_all():
    """Prevents one string from being taken for a pool of letters."""
    with pytest.raises(InputError, match="got one string"):
        split_texts("a pool")
    with pytest.raises(InputError, match=r"texts\[1\] must be a string"):
        split_texts(["a", None])


def test_the_seed_of_the_run_does_not_decide():
    """Prevents runs of other seeds from being judged by other texts."""
    np.random.seed(1)  # noqa: NPY002
    first = split_texts(TEXTS).held_out
    np.random.seed(2)  # noqa: NPY002
    assert split_texts(TEXTS).held_out == first
