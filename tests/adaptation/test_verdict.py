"""Which adaptations are kept."""

import pytest

from fewshot.adaptation.verdict import Verdict


@pytest.mark.parametrize(
    ("verdict", "reason"),
    [
        (Verdict("simcse", 0.5, 0.4, 0.3, 0.4), None),
        (Verdict("simcse", 0.5, 0.5, 0.3, 0.3), "did not fall: 0.5000 before, 0.5000 after"),
        (Verdict("mlm", 0.5, 0.6, 0.3, 0.3), "did not fall"),
        (Verdict("tsdae", 9.0, 4.0, 0.3, 0.96), "collapsed: their mean cosine went from 0.30 to 0.96"),
        (Verdict("tsdae", None, None, 0.3, 0.96), "collapsed"),
        (Verdict("simcse", None, None, 0.3, 0.5), None),
        (Verdict("simcse", 0.5, 0.4, 0.99, 0.97), None),  # it was so narrow before
        (Verdict("mlm", 0.5, 0.4, 0.3, 0.99), None),
    ],
)
def test_what_is_kept(verdict, reason):
    """Prevents an encoder that got worse, or tells no text from another, from taking the place of a good one."""
    if reason is None:
        assert verdict.reason is None
    else:
        assert reason in verdict.reason


def test_what_is_said_of_it():
    """Prevents a training without an aim from passing for one that was needed."""
    assert Verdict("simcse", 0.5, 0.4, 0.3, 0.4).notes == []
    assert Verdict("tsdae", 0.001, 0.0005, 0.3, 0.4).notes == []
    assert Verdict("simcse", None, None, 0.3, 0.4).notes == []
    [note] = Verdict("simcse", 0.0002, 0.0001, 0.3, 0.4).notes
    assert "told the texts apart before (held-out loss 0.0002)" in note
    assert len(Verdict("simcse", 0.0002, 0.0003, 0.3, 0.4).notes) == 2
