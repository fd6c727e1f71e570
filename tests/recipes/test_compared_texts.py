"""The texts of a comparison: drawn from, judged on, held out in turn."""

import re

import numpy as np
import pytest

from fewshot.core.errors import DataWarning, InputError
from fewshot.data.texts import TextData
from fewshot.recipes.compared_texts import Draw, read_compared
from fewshot.recipes.sources import Reading

OPTIONS = {"reading": Reading(), "folds": None, "seeds": (0, 1, 2), "test_size": 0.33, "pool_sizes": None}


def table(counts, *, multi=False, start=0):
    """Return so many texts of each class."""
    pairs = [(f"{name} text {start + i}", name) for name, n in counts.items() for i in range(n)]
    labels = [(name,) if multi else name for _, name in pairs]
    return TextData([text for text, _ in pairs], labels, multi_label=multi, rows=[0] * len(pairs))


def read(labeled, test=None, unlabeled=(), **changes):
    """Read what is compared."""
    return read_compared(labeled, test, unlabeled, **OPTIONS | changes)


@pytest.mark.parametrize("multi", [False, True])
def test_nothing_is_judged_by_what_learnt_from_it(multi):
    """Prevents the one mistake that makes a cross-validation worthless."""
    texts = read(table({"a": 12, "b": 9}, multi=multi), folds=4)
    sizes = (8, 14) if multi else (2, 5)
    draws = texts.draw_slices(sizes, OPTIONS["seeds"], total=None)
    assert list(draws) == [Draw(seed, fold) for seed in range(3) for fold in range(4)]
    for draw, slices in draws.items():
        judged = set(texts.judged(draw).texts)
        assert judged
        for size, rows in slices.items():
            assert judged.isdisjoint(texts.labeled.select(rows).texts)
            assert len(rows) == (size if multi else 2 * size)
        assert slices[sizes[1]][: len(slices[sizes[0]])].tolist() == slices[sizes[0]].tolist()


def test_each_text_is_judged_once_a_seed():
    """Prevents sheets with holes, and folds that are the same for every seed."""
    texts = read(table({"a": 12, "b": 9, "c": 1}), folds=4)
    assert "c text 0" not in texts.test.texts
    assert len(texts.test) == 21
    dealt = []
    for seed in range(3):
        parts = [texts.judged(Draw(seed, fold)).texts for fold in texts.folds.numbers(seed)]
        assert sorted(text for part in parts for text in part) == sorted(texts.test.texts)
        dealt.append(frozenset(map(frozenset, parts)))
    assert len(set(dealt)) == 3
    draws = texts.draw_slices((1,), range(3), total=None)
    assert all("c text 0" in texts.labeled.select(slices[1]).texts for slices in draws.values())


@pytest.mark.parametrize(
    ("counts", "multi", "total", "most"),
    [
        ({"a": 20, "b": 10}, False, None, "at most 8 .*'b' has no more.*got 9"),
        ({"a": 5, "b": 5}, False, True, "at most 8 .*labelled texts in all.*got 9"),
        ({"a": 5, "b": 5}, True, None, "at most 8 .*labelled texts in all.*got 9"),
    ],
)
def test_slices_that_no_training_can_draw(counts, multi, total, most):
    """Prevents an error that names the size of one fold where another fold's is smaller."""
    texts = read(table(counts, multi=multi), folds=5)
    with pytest.raises(InputError, match=most):
        texts.draw_slices((2, 9), range(3), total=total)
    assert texts.draw_slices((2, 8), range(3), total=total)


@pytest.mark.parametrize(
    ("counts", "multi", "total", "folds", "sizes", "note"),
    [
        ({"a": 24, "b": 40}, False, None, 0, (4, 8, 16), None),
        (
            {"a": 12, "b": 30},
            False,
            None,
            0,
            (2, 4, 8),
            "slices of 2, 4, 8 .*4, 8, 16 where.*: 8 labels a class, for 'a'",
        ),
        ({"a": 12, "b": 30}, False, True, 0, (4, 8, 16), None),
        ({"a": 2, "b": 40}, False, None, 0, (1,), "slices of 1 were chosen"),
        ({"a": 15, "b": 30}, False, None, 5, (3, 6, 12), "slices of 3, 6, 12"),
        ({"a": 6, "b": 9}, True, None, 0, (2, 5, 10), "10 labelled texts in all"),
    ],
)
def test_slices_that_no_one_named(counts, multi, total, folds, sizes, note):
    """Prevents an error about sizes from being the first that one with few labels sees."""
    texts = read(table(counts, multi=multi), folds=folds)
    before = list(texts.notes)
    assert texts.usual_sizes(OPTIONS["seeds"], total=total) == sizes
    assert [bool(re.search(note or "", told)) for told in texts.notes[len(before) :]] == ([True] if note else [])
    assert texts.draw_slices(sizes, OPTIONS["seeds"], total=total)


def test_test_sets_that_cannot_be():
    """Prevents a test set that is read and never looked at, and one that is found to be none after all is encoded."""
    with pytest.raises(InputError, match="without a test set"):
        read(table({"a": 9, "b": 9}), table({"a": 2, "b": 2}, start=50), folds=3)
    with pytest.raises(InputError, match=r"one label a text, and the test set .* several labels a text"):
        read(table({"a": 9, "b": 9}), table({"a": 2, "b": 2}, start=50, multi=True))
    with pytest.raises(InputError, match="between 2 and the 18 labelled texts, got 1"):
        read(table({"a": 9, "b": 9}), folds=1)
    with pytest.raises(InputError, match="every class has one"):
        read(table({"a": 1, "b": 1}), folds=2)


def test_a_small_part_held_out_is_warned_of():
    """Prevents a comparison on twenty texts from being run without a word."""
    with pytest.warns(DataWarning, match=r"the 21 labelled .* up to ±11 points; --folds 5 .* all 64 .*±6.*--folds 0"):
        read(table(dict.fromkeys("abcd", 16)))
    texts = read(table(dict.fromkeys("abcd", 16)), folds=0)
    assert (len(texts.test), texts.folds) == (21, None)
    assert len(read(table(dict.fromkeys("abcd", 80))).test) == 106


def test_each_pool_is_kept_off_the_test_set():
    """Prevents a second pool from bringing test texts in by the back door."""
    labeled = table({"a": 9, "b": 9})
    own = TextData(["of its own"], [None], multi_label=False, rows=[18])
    labeled = TextData([*labeled.texts, *own.texts], [*labeled.labels, None], False, list(range(19)))
    test = table({"a": 2, "b": 2}, start=50)
    pools = [
        TextData([f"{name} {i}" for i in range(3)] + [test.texts[0]], [None] * 4, False, [0] * 4, f"x/{name}.csv")
        for name in ("new", "old")
    ]
    with pytest.warns(DataWarning, match="unlabelled texts are also in"):
        texts = read(labeled, test, pools)
    assert {name: len(pool) for name, pool in texts.pools.items()} == {"new": 4, "old": 4}
    assert all(pool[0] == "of its own" for pool in texts.pools.values())
    assert test.texts[0] not in np.concatenate(list(texts.pools.values()))
    assert texts.left_out == {"labelled": 0, "unlabelled": 2}
    assert texts.pool_sources == {"new": pools[0], "old": pools[1]}
    with pytest.raises(InputError, match="there are none"):
        read(table({"a": 9, "b": 9}), test, pool_sizes=(3,))
