"""How all figures look: colours that colour-blind readers and grey prints can tell apart, lines told apart twice."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, ParamSpec

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

P = ParamSpec("P")
Axes = Any

FOOTNOTE_LETTERS_AN_INCH = 16
BLACK, ORANGE, GREEN = "#000000", "#E69F00", "#009E73"
BLUE, VERMILLION, PURPLE = "#0072B2", "#D55E00", "#CC79A7"
GREY = "#767676"
"""Of Okabe and Ito's palette, and a grey."""

RC = {
    "font.size": 9,
    "font.family": ["DejaVu Sans"],
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "lines.linewidth": 1.6,
    "lines.markersize": 4,
    "svg.fonttype": "path",
    "svg.hashsalt": "mm-logit-lens",
    "text.parse_math": False,
    "axes.unicode_minus": True,
}


@dataclass(frozen=True)
class Line:
    """Colour, dash and marker of one line: two lines of a figure differ in all three."""

    colour: str
    dash: str = "-"
    marker: str = "o"


LINES = (
    Line(BLUE, "-", "o"),
    Line(VERMILLION, "--", "s"),
    Line(GREEN, "-.", "^"),
    Line(PURPLE, ":", "D"),
    Line(ORANGE, (0, (5, 1, 1, 1, 1, 1)), "v"),  # type: ignore[arg-type]
    Line(BLACK, (0, (1, 1)), "x"),  # type: ignore[arg-type]
)


def styled(make: Callable[P, Figure]) -> Callable[P, Figure]:
    """Run a figure function with the style of this module and no other setting of the process."""

    @wraps(make)
    def inside(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with matplotlib.rc_context(RC):
            return make(*args, **kwargs)

    return inside


def panels(columns: int, *, width: float = 3.6, height: float = 3.1, rows: int = 1) -> tuple[Figure, list[Axes]]:
    """A figure with panels in a row (or rows), drawn without any window system."""
    figure = Figure(figsize=(max(width * columns, 4.4), height * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    return figure, list(axes.ravel())


def band(axes: Axes, layers: NDArray[np.int64], curve: Any, line: Line, label: str) -> None:
    """A line with its 95 % band; curve has `mean`, `low` and `high`, float [L], NaN where there is nothing."""
    known = np.isfinite(curve.low) & np.isfinite(curve.high)
    axes.fill_between(layers, curve.low, curve.high, where=known, color=line.colour, alpha=0.18, linewidth=0)
    step = max(1, len(layers) // 14)
    axes.plot(
        layers, curve.mean, color=line.colour, linestyle=line.dash, marker=line.marker, markevery=step, label=label
    )


def layer_axis(axes: Axes, layers: NDArray[np.int64], n_layers: int) -> None:
    """Name and limit the axis of layers."""
    axes.set_xlabel(f"layer (of {n_layers})")
    axes.set_xlim(min(layers[0], 1) - 0.5, layers[-1] + 0.5)
    axes.xaxis.get_major_locator().set_params(integer=True)


def legend(axes: Axes, **how: Any) -> None:
    """A legend where there is something to name."""
    if axes.get_legend_handles_labels()[0]:
        axes.legend(**({"loc": "best"} | how))


def titled(axes: Axes, title: str, *, columns: int, rows: int) -> None:
    """A title with the legend below it, outside the panel, where it hides no line."""
    axes.set_title(title, pad=8 + 14 * rows)
    legend(axes, loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=columns, borderaxespad=0.1)


def footnote(figure: Figure, text: str) -> None:
    """What a reader has to know to read the figure, below it, in as many lines as its width asks for."""
    figure.supxlabel(filled(figure, text), fontsize=7.5, color=GREY, x=0.01, ha="left")


def filled(figure: Figure, text: str) -> str:
    """The text of a footnote in lines as long as the figure is wide."""
    width = max(40, int(FOOTNOTE_LETTERS_AN_INCH * figure.get_figwidth()))
    return textwrap.fill(text, width, break_on_hyphens=False)


def shortened(text: str, length: int = 28) -> str:
    """A label that fits: data may hold labels of any length and with line breaks."""
    flat = " ".join(str(text).split())
    return flat if len(flat) <= length else flat[: length - 1] + "…"


def share_axis(axes: Axes, label: str) -> None:
    """A vertical axis of shares, in per cent."""
    axes.set_ylabel(label)
    axes.set_ylim(-0.03, 1.03)
    axes.set_yticks(np.linspace(0, 1, 6), [f"{round(100 * tick)} %" for tick in np.linspace(0, 1, 6)])


def name_of(column: str) -> str:
    """A metric's name without its name space."""
    return column.split(".", 1)[-1]


def n_label(name: str, n: int) -> str:
    """`right answers (n = 172)`."""
    return f"{shortened(name, 40)} (n = {thousands(n)})"


def thousands(n: int) -> str:
    """A count with thin spaces between thousands."""
    return f"{n:,}".replace(",", "\u202f")


def cycle(count: int) -> Sequence[Line]:
    """Lines for `count` groups."""
    return [LINES[i % len(LINES)] for i in range(count)]
