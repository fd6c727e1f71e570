"""The figure of a search: drawn, always alike, from any trials."""

import pytest

from fewshot.core.errors import InputError
from fewshot.evaluation.charts.trials import plot_trials

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def trial(number, score=0.5, state="complete", **params):
    """Make a row of a search."""
    return {"number": number, "state": state, "score": score, "params": params}


@pytest.mark.parametrize(
    "rows",
    [
        [trial(0)],
        [trial(0, loss="cosine", rate=1e-4)],
        [trial(n, n / 10, rate=10.0**-n, mix=n + 0.5) for n in range(4)],
        [trial(0, None, "failed", rate=1.0), trial(1, 0.4, rate=2.0)],
        [trial(0, 1.0), trial(1, 0.2, "pruned", _hidden="$x"), trial(2, None, "failed", a=None)],
        [trial(n, 0.5, **{f"p{i}": i * n for i in range(5)}) for n in range(3)],
        [trial(n, 0.5, flag=bool(n), mixed=[None, 1.0, "中文"][n]) for n in range(3)],
    ],
)
def test_any_search_can_be_drawn_and_the_same_numbers_give_the_same_bytes(rows, tmp_path):
    """Prevents one trial, odd names, zeros, missing and mixed values from raising or warning."""
    first = plot_trials(rows, tmp_path / "trials.png", title="100 $ _x")
    assert first.startswith(SIGNATURE)
    assert plot_trials(rows, title="100 $ _x") == first == (tmp_path / "trials.png").read_bytes()


@pytest.mark.parametrize("rows", [[], [trial(0, None, "failed")], [trial(0, 0.5, "pruned")]])
def test_a_search_without_a_complete_trial_is_said_so(rows):
    """Prevents an empty picture."""
    with pytest.raises(InputError, match="no complete trial"):
        plot_trials(rows)


def test_the_best_so_far_never_falls(monkeypatch):
    """Prevents a line that follows the last trial instead of the best, or counts trials that were stopped early."""
    drawn = []
    monkeypatch.setattr("fewshot.evaluation.charts.trials.png_bytes", lambda figure, path: drawn.append(figure) or b"")
    plot_trials([trial(0, 0.5), trial(1, 0.9, "pruned"), trial(2, 0.4), trial(3, 0.7)])
    lines = {line.get_label(): line for line in drawn[0].axes[0].get_lines()}
    assert list(lines["best so far"].get_ydata()) == [0.5, 0.5, 0.7, 0.7]
    assert set(lines["default"].get_ydata()) == {0.5}


def test_long_names_and_whole_numbers_can_be_read(monkeypatch):
    """Prevents names that run into each other, and steps of "1.4e+02"."""
    drawn = []
    monkeypatch.setattr("fewshot.evaluation.charts.trials.png_bytes", lambda figure, path: drawn.append(figure) or b"")
    losses = ("cosine", "softmax", "relational", "cosine+softmax")
    plot_trials([trial(n, 0.5, loss=loss, steps=50 * 4**n, kind="ab"[n % 2]) for n, loss in enumerate(losses)])
    loss, steps, kind = drawn[0].axes[1:]
    assert {label.get_rotation() for label in loss.get_xticklabels()} == {30.0}
    assert {label.get_rotation() for label in kind.get_xticklabels()} == {0.0}
    assert [label.get_text() for label in steps.get_xticklabels()] == ["50", "400", "3,200"]
