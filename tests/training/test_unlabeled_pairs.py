"""Pairs of unlabelled texts and copies."""

from fewshot.training.unlabeled_pairs import UnlabeledPairs

PAIRS = UnlabeledPairs(["a b c", "a b c", "d e", "f g"], ["a c", "b a c", "e d", "g f"])


def test_copies_are_counted_by_text():
    """Prevents a copy that is taken for one of another text."""
    assert (PAIRS.originals, PAIRS.n_copies, len(PAIRS)) == (["a b c", "d e", "f g"], [2, 1, 1], 4)
    assert list(PAIRS)[1:3] == [("a b c", "b a c"), ("d e", "e d")]


def test_neither_a_text_nor_a_copy_is_a_held_out_one():
    """Prevents a held-out text from being learnt from, be it in other case or made anew by an edit."""
    assert list(PAIRS.without(["D  E", "a c"])) == [("a b c", "b a c"), ("f g", "g f")]
    assert list(PAIRS.without(["A B C"])) == [("d e", "e d"), ("f g", "g f")]
    assert len(PAIRS.without([])) == 4
    empty = PAIRS.without(PAIRS.texts)
    assert (len(empty), empty.originals, empty.n_copies) == (0, [], [])
