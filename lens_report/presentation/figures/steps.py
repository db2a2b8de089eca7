"""Written steps: answers forced after each of them, and what each result loses without the boxes of each step."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from lens_report.measures.step_regions import StepRegions
from lens_report.measures.steps import EarlyAnswers, Steps
from lens_report.presentation.figures.style import (
    LINES,
    Axes,
    Line,
    footnote,
    n_label,
    panels,
    share_axis,
    styled,
    thousands,
    titled,
)

MOST_STEPS = 12
"""Rows and columns of the matrix that are drawn; numbers in more cells cannot be read."""
_DODGE = 0.05


@styled
def early_answers(found: Steps) -> Figure:
    """Share right by how many steps stand before the answer; a line for each of the most frequent numbers of steps."""
    often = sorted(found.early, key=lambda one: (-one.n, one.written))[: len(LINES)]
    drawn = sorted(often, key=lambda one: one.written)
    figure, (axes,) = panels(1, width=6.0, height=3.9)
    for place, (one, look) in enumerate(zip(drawn, LINES, strict=False)):
        _line(axes, one, look, _DODGE * (place - (len(drawn) - 1) / 2))
    share_axis(axes, "right answers")
    axes.set_xlabel("steps before the forced answer")
    axes.xaxis.get_major_locator().set_params(integer=True)
    titled(axes, "Right after how many steps", columns=2, rows=-(-len(drawn) // 2))
    rest = (found.groups[0].n if found.groups else 0) - sum(one.n for one in drawn)
    more = f" {rest} other responses with steps are not drawn." if rest > 0 else ""
    footnote(figure, "Bars: 95 % intervals, clustered by picture or video; hollow: too few for one." + more)
    return figure


def _line(axes: Axes, one: EarlyAnswers, look: Line, shift: float) -> None:
    seen = np.arange(one.written + 1) + shift
    shares = [np.nan if each.value is None else each.value for each in one.right]
    name = n_label(f"steps written: {one.written}", one.n)
    axes.plot(seen, shares, color=look.colour, linestyle=look.dash, marker=look.marker, label=name)
    for place, each in zip(seen, one.right, strict=True):
        if each.low is not None and each.high is not None:
            axes.plot([place, place], [each.low, each.high], color=look.colour, marker="", linewidth=1)
        else:
            axes.plot([place], [each.value], color=look.colour, marker=look.marker, markerfacecolor="white")


@styled
def causal_matrix(found: StepRegions) -> Figure:
    """Rows: whose boxes are masked; columns: whose result; cells: mean drop of log p and over how many responses."""
    steps = min(len(found.matrix), MOST_STEPS)
    drops = found.matrix[:steps, :steps]
    figure, (axes,) = panels(1, width=2.0 + 0.72 * steps, height=1.7 + 0.5 * steps)
    most = float(np.nanmax(np.abs(drops))) if np.isfinite(drops).any() else 0.0
    axes.imshow(np.ma.masked_invalid(drops), cmap="PuOr_r", vmin=-most or -1.0, vmax=most or 1.0, aspect="auto")
    axes.grid(visible=False)
    for row, column in np.argwhere(np.isfinite(drops)):
        _cell(axes, row, column, float(drops[row, column]), int(found.measured[row, column]), most)
    ticks = [str(number + 1) for number in range(steps)]
    axes.set_xticks(range(steps), ticks)
    axes.set_yticks(range(steps), ticks)
    axes.set_xlabel("result of step")
    axes.set_ylabel("without the boxes of step")
    axes.set_title("Mean drop of log p (nats)")
    rest = len(found.matrix) - steps
    more = f" {rest} further steps stand in the table alone." if rest else ""
    footnote(figure, "Empty: not measured. n: responses." + more)
    return figure


def _cell(axes: Axes, row: int, column: int, drop: float, n: int, most: float) -> None:
    colour = "white" if most and abs(drop) > 0.65 * most else "black"
    shown = f"{drop:.2f}".replace("-", "−")
    axes.text(column, row - 0.14, shown, ha="center", va="center", color=colour)
    axes.text(column, row + 0.26, f"n = {thousands(n)}", ha="center", va="center", color=colour, fontsize=6.5)
