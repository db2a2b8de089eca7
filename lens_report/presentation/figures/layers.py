"""Curves over the layers: who leads, how far, how sure."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from lens_report.measures.curves import RIGHT, WRONG, Curves, GroupCurve
from lens_report.measures.overview import Scores
from lens_report.presentation.figures.style import (
    BLUE,
    GREEN,
    GREY,
    LINES,
    ORANGE,
    VERMILLION,
    Line,
    band,
    footnote,
    layer_axis,
    legend,
    n_label,
    panels,
    share_axis,
    styled,
    thousands,
    titled,
)

BANDS = "Bands: pointwise 95 % intervals, clustered by image."
OF_VERDICT = {RIGHT: Line(BLUE, "-", "o"), WRONG: Line(VERMILLION, "--", "s")}


@styled
def accuracy_by_layer(curves: Curves, n_layers: int, scores: Scores | None = None) -> Figure:
    """Share of samples in which gold leads at each layer, beside the probability of all candidates there."""
    figure, (left, *rest) = panels(2 if curves.mass else 1)
    for line in curves.accuracy:
        band(left, curves.layers, line.curve, LINES[0], n_label("gold leads", line.n))
    if curves.chance is not None:
        left.axhline(curves.chance, color=GREY, linestyle=":", linewidth=1.2, label="guessing a candidate")
    if scores is not None and scores.score.value is not None:
        left.axhline(scores.score.value, color=ORANGE, linestyle="--", linewidth=1.2, label=f"score: {scores.main}")
    left.set_title("Lens accuracy")
    share_axis(left, "samples in which gold leads")
    for axes in rest:
        for line in curves.mass:
            band(axes, curves.layers, line.curve, Line(GREEN, "-.", "^"), n_label("all candidates", line.n))
        axes.set_title("Are the layers about the candidates?")
        share_axis(axes, "probability of all candidates")
    for axes in (left, *rest):
        layer_axis(axes, curves.layers, n_layers)
        legend(axes)
    footnote(figure, BANDS + " Where the candidates have little probability, who leads says little.")
    return figure


@styled
def log_odds_by_layer(curves: Curves, n_layers: int) -> Figure:
    """Binary tasks: signed log-odds by gold class and verdict. Other tasks: margin of the answer given by verdict."""
    figure, (axes,) = panels(1, width=5.6, height=3.6)
    if curves.log_odds:
        looks = (Line(BLUE, "-", "o"), Line(BLUE, "--", "s"), Line(VERMILLION, "-", "^"), Line(VERMILLION, "--", "D"))
        for look, line in zip(looks, curves.log_odds, strict=False):
            band(axes, curves.layers, line.curve, look, n_label(line.group, line.n))
        axes.set_ylabel("log-odds of the positive answer (nats)")
        titled(axes, "Log-odds by gold answer and verdict", columns=2, rows=2)
    else:
        by_verdict(axes, curves.layers, curves.margin)
        axes.set_ylabel("margin of the answer given (nats)")
        titled(axes, "Margin of the answer given by verdict", columns=2, rows=1)
    axes.axhline(0, color=GREY, linewidth=1)
    layer_axis(axes, curves.layers, n_layers)
    footnote(figure, BANDS)
    return figure


@styled
def uncertainty_by_layer(curves: Curves, n_layers: int) -> Figure:
    """Entropy, divergence from the last layer and rank of the answer given, by verdict."""
    figure, (entropy, jsd, rank) = panels(3, width=3.4, height=3.3)
    for axes, lines, title, label in (
        (entropy, curves.entropy, "Entropy", "entropy (nats)"),
        (jsd, curves.jsd, "Distance to the last layer", "JSD to the last layer (nats)"),
        (rank, curves.log_rank, "Rank of the answer given", "rank (geometric mean)"),
    ):
        by_verdict(axes, curves.layers, lines)
        axes.set_title(title)
        axes.set_ylabel(label)
        axes.set_ylim(bottom=0)
        layer_axis(axes, curves.layers, n_layers)
    _rank_ticks(rank)
    legend(entropy)
    footnote(figure, BANDS)
    return figure


def _rank_ticks(axes: Any) -> None:
    """Ranks at their logarithms: powers of ten, and steps between them where the range is short."""
    top = axes.get_ylim()[1]
    if top < np.log10(3):
        steps = MaxNLocator(4, steps=[1, 2, 5, 10]).tick_values(1, 10**top)
        ranks = [float(rank) for rank in steps if 1 <= rank <= 10**top]
        axes.set_yticks([float(np.log10(rank)) for rank in ranks], [f"{rank:.4g}" for rank in ranks])
        return
    between = (1, 2, 5) if top < 2 else (1,)
    whole = [step * 10**power for power in range(int(top) + 1) for step in between if np.log10(step * 10**power) <= top]
    axes.set_yticks([float(np.log10(rank)) for rank in whole], [thousands(rank) for rank in whole])


def by_verdict(axes: Any, layers: NDArray[np.int64], lines: tuple[GroupCurve, ...]) -> None:
    """The lines of right and of wrong answers, which look the same in all figures."""
    for line in lines:
        band(axes, layers, line.curve, OF_VERDICT.get(line.group, LINES[2]), n_label(line.group, line.n))
