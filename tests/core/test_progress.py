"""Progress bars."""

import pytest
from rich.console import Console

from fewshot.core import progress
from fewshot.core.bars import TimeLeft
from fewshot.core.progress import remark, show_progress, show_table, track


def test_nothing_is_drawn_unless_asked(capsys):
    """Prevents bars in a log file, and in the output of the library."""
    with track("embedding", total=2) as advance:
        advance(2)
    with show_progress(), track("embedding", total=2) as advance:
        advance(2)
    assert capsys.readouterr() == ("", "")


def test_bars_go_to_standard_error(capsys, monkeypatch):
    """Prevents a bar in the middle of the JSON that a pipe reads."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    with show_progress(enabled=True), track("embedding texts", total=2) as advance:
        advance(2)
    out, err = capsys.readouterr()
    assert out == ""
    assert "embedding texts" in err


def test_a_failure_switches_bars_off_again(capsys):
    """Prevents a bar of failed work under all that follows."""
    with pytest.raises(RuntimeError), show_progress(enabled=True), track("first", total=1):
        raise RuntimeError
    capsys.readouterr()
    with track("second", total=1) as advance:
        advance(1)
    assert capsys.readouterr() == ("", "")


def test_a_log_file_gets_a_line_now_and_then(capsys, monkeypatch):
    """Prevents hours of silence where standard error is no terminal, and a log full of bars."""
    monkeypatch.setattr(progress, "SECONDS_A_LINE", 0.0)
    with show_progress(), track("distilling", total=2000) as advance:
        with track("embedding", total=1):
            remark(held_out="of the inner one")
        remark(loss="loss 0.25")
        advance(1500)
    assert capsys.readouterr() == ("", "distilling: 1,500 of 2,000, loss 0.25\n")
    monkeypatch.setattr(progress, "SECONDS_A_LINE", 30.0)
    with show_progress(), track("distilling", total=2000) as advance:
        advance(1500)
    assert capsys.readouterr() == ("", "")


def test_log_lines_of_work_that_overlaps(capsys, monkeypatch):
    """Prevents work that ends from taking the words of another along, which then ends with an error."""
    with show_progress(), track("distilling", total=2):
        with track("embedding", total=1):
            remark(held_out="of the inner one")
        with track("embedding", total=1):
            pass
        remark(loss="loss 0.25")
        monkeypatch.setattr(progress, "SECONDS_A_LINE", 0.0)
        with track("embedding", total=9) as advance:
            remark(words="of 3 shards")
            advance(4)
    told = "distilling: 0 of 2, loss 0.25; embedding: 4 of 9, of 3 shards\n"  # outermost first
    assert capsys.readouterr() == ("", told)


def test_remarks_stand_beside_the_innermost_bar():
    """Prevents the loss of a training from being shown beside another bar, or from ending work that shows none."""
    remark(loss="unheard")
    with show_progress(enabled=True), track("training", total=2):
        with track("embedding", total=1):
            remark(held_out="of the inner one")
        remark(loss="loss 0.25", held_out="cosines 0.9")
        remark(loss="loss 0.125")
        (bar,) = progress._shown.get().tasks
        assert bar.fields["remarks"] == "loss 0.125, cosines 0.9"


def test_a_table_stands_under_the_bars_as_long_as_its_work_runs(monkeypatch, capsys):
    """Prevents a second display that fights with the bars for the terminal, and names that are read as commands."""
    with show_progress(enabled=True):
        bars = progress._shown.get()
        with show_table() as update, track("comparing", total=2):
            update(["macro F1", "8"], [["[bold]knn", "51.2 1/2"]], "unsaid on a terminal")
            drawn = list(bars.get_renderables())
            console = Console(width=60)
            with console.capture() as caught:
                for part in drawn:
                    console.print(part)
        assert len(list(bars.get_renderables())) == 1
    lines = caught.get().splitlines()
    assert "comparing" in lines[0]
    assert any("[bold]knn" in line and "51.2 1/2" in line for line in lines[1:])
    assert "unsaid" not in capsys.readouterr().err


def test_one_time_left_is_told():
    """Prevents two seconds and eight minutes side by side: bars go by the pace of all steps, works know theirs."""
    column = TimeLeft()
    with show_progress(enabled=True), track("comparing", total=10) as advance:
        advance(5)
        (bar,) = progress._shown.get().tasks
        assert column.render(bar).plain
        remark(left="about 8 min left")
        (bar,) = progress._shown.get().tasks
        assert not column.render(bar).plain


def test_a_log_file_gets_what_is_said_of_a_table(capsys):
    """Prevents a log without any result before the end, and one where nobody asked."""
    with show_table() as update:
        update(["macro F1"], [["knn"]], "nobody listens")
    assert capsys.readouterr() == ("", "")
    with show_progress(), show_table() as update:
        update(["macro F1"], [["knn"]], None)
        update(["macro F1"], [["knn"]], "[b]knn: 51.2")
    assert capsys.readouterr() == ("", "[b]knn: 51.2\n")
