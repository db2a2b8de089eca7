"""Emergence by layer, and what was lost beside what was corrected."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from lens_report.measures.emergence import Emergence
from lens_report.presentation.figures.style import (
    BLUE,
    GREY,
    VERMILLION,
    Axes,
    Line,
    footnote,
    layer_axis,
    legend,
    n_label,
    panels,
    share_axis,
    shortened,
    styled,
    titled,
)
from lens_report.stats import EmergenceCurve, Estimate


@styled
def emergence_curves(emergence: Emergence, n_layers: int) -> Figure:
    """Share of samples in which the right answer has led, for a while or for good, by each layer."""
    figure, (axes,) = panels(1, width=5.6, height=3.6)
    lines: list[tuple[str, EmergenceCurve | None, Line]] = [
        ("led for a while", emergence.first, Line(BLUE, "-", "o")),
        ("leads to the end", emergence.stable, Line(VERMILLION, "--", "s")),
        ("led for a while, gold shuffled", emergence.shuffled, Line(GREY, ":", "D")),
    ]
    for name, curve, line in lines:
        if curve is not None:
            _steps(axes, curve, line, name)
    share_axis(axes, "samples in which gold has emerged")
    layer_axis(axes, emergence.first.layer, n_layers)
    titled(axes, "By which layer the right answer was there", columns=2, rows=2)
    footnote(figure, "Bands: pointwise 95 % intervals, clustered. Samples in which gold never led stay in.")
    return figure


def _steps(axes: Axes, curve: EmergenceCurve, line: Line, name: str) -> None:
    known = np.isfinite(curve.low)
    axes.fill_between(
        curve.layer, curve.low, curve.high, where=known, step="post", color=line.colour, alpha=0.18, linewidth=0
    )
    axes.step(
        curve.layer,
        curve.share,
        where="post",
        color=line.colour,
        linestyle=line.dash,
        marker=line.marker,
        markevery=max(1, len(curve.layer) // 14),
        label=n_label(name, curve.emerged.n),
    )


@styled
def lost_and_corrected(emergence: Emergence) -> Figure:
    """Wrong answers in which gold had led, always beside right answers in which a wrong candidate had led."""
    names = list(emergence.lost | emergence.corrected)
    figure, (axes,) = panels(1, width=6.0, height=1.8 + 0.42 * len(names))
    sides = (
        (emergence.lost, Line(VERMILLION, "", "s"), "correct, then lost: of wrong answers", -0.14),
        (emergence.corrected, Line(BLUE, "", "o"), "wrong, then corrected: of right answers", 0.14),
    )
    for shares, line, label, shift in sides:
        for place, name in enumerate(names):
            if name in shares:
                point(axes, shares[name], place + shift, line, label if place == 0 else "")
                _count(axes, shares[name], place + shift)
    axes.set_yticks(range(len(names)), [shortened(name, 34) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlim(-0.02, 1.14)
    axes.set_xticks(np.linspace(0, 1, 6), [f"{round(100 * tick)} %" for tick in np.linspace(0, 1, 6)])
    axes.set_xlabel("share of these answers")
    axes.set_title("Lost and corrected", pad=36)
    legend(axes, loc="lower left", bbox_to_anchor=(-0.12, 1.0), borderaxespad=0.1)
    footnote(figure, "Bars: 95 % intervals, clustered; none where the group is too small. n at the right.")
    return figure


def point(axes: Axes, estimate: Estimate, place: float, line: Line, label: str = "") -> None:
    """An estimate as a point with its interval, lying; hollow where there is no interval, nothing without a value."""
    if estimate.value is None:
        return
    if estimate.low is not None and estimate.high is not None:
        axes.plot([estimate.low, estimate.high], [place, place], color=line.colour)
    face = line.colour if estimate.low is not None else "white"
    axes.plot(
        [estimate.value],
        [place],
        color=line.colour,
        linestyle="",
        marker=line.marker,
        markersize=5.5,
        markerfacecolor=face,
        label=label or None,
    )


def _count(axes: Axes, estimate: Estimate, place: float) -> None:
    axes.text(1.03, place, f"n = {estimate.n}", va="center", fontsize=7, color=GREY)
