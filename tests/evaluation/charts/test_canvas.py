"""What every figure shares."""

import sys
from pathlib import Path

import pytest

from fewshot.evaluation.charts.canvas import new_figure, plain, png_bytes

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def test_a_figure_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    """Prevents half a PNG beside a report that shows it."""
    figure = new_figure(1, 1)
    png = png_bytes(figure, tmp_path / "deep" / "a.png")
    assert (tmp_path / "deep" / "a.png").read_bytes() == png
    assert png.startswith(SIGNATURE)
    assert b"Software" not in png

    def half(path, data):
        with path.open("wb") as file:
            file.write(data[: len(data) // 2])
        raise OSError("disk full")

    monkeypatch.setattr(Path, "write_bytes", half)
    with pytest.raises(OSError, match="disk full"):
        png_bytes(figure, tmp_path / "b.png")
    assert not list(tmp_path.glob("*b.png*"))


@pytest.mark.parametrize("text", ["$x^", "50 $ and $", "_hidden", "中文 分类", "a\\b{"])
def test_any_text_can_be_drawn(text):
    """Prevents a method named like a formula, or in Chinese, from ending the run at its last step."""
    figure = new_figure(2, 1)
    figure.suptitle(plain(text))
    assert png_bytes(figure).startswith(SIGNATURE)


def test_no_global_figure_is_made():
    """Prevents plots that pile up in a server, or open windows in a notebook."""
    png_bytes(new_figure(1, 1))
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or not pyplot.get_fignums()
