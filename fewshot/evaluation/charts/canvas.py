"""What every figure shares: a blank sheet, a quiet frame, colours, and PNG bytes that depend on the drawing alone.

Drawn on matplotlib's Agg canvas through its object interface: no global figure, no window. Colours are those of Okabe
and Ito, which the colour-blind can tell apart. What is drawn is left to ``plots``.
"""

import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from fewshot.core.artifacts import atomic_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Yellow, too pale for a line on white, is left out; black comes last.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
LINES = ("-", "--", ":", "-.")
DPI = 150


def new_figure(width: float, height: float) -> "Figure":
    """Return an empty white figure of that many inches, its parts kept from overlapping."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def quiet_frame(axes: "Axes") -> None:
    """Leave of the frame what the eye needs: two sides and a pale grid."""
    axes.grid(visible=True, color="#e4e4e4", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=9)


def plain(text: str) -> str:
    r"""Return text as matplotlib draws it letter by letter: no formulas, and a legend entry that is not hidden.

    Examples
    --------
    >>> plain("a$b"), plain("_hidden")
    ('a\\$b', ' _hidden')
    """
    text = text.replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text


def png_bytes(figure: "Figure", path: str | Path | None = None) -> bytes:
    """Return a figure as PNG; with ``path`` also write it there, whole or not at all."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    buffer = io.BytesIO()
    with warnings.catch_warnings():  # a name in letters that the font lacks is drawn as boxes, not refused
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from")
        FigureCanvasAgg(figure).print_png(buffer, metadata={"Software": None})  # savefig would draw it twice
    png = buffer.getvalue()
    if path is not None:
        with atomic_path(path) as temporary:
            temporary.write_bytes(png)
    return png
