"""Reliability diagrams."""

from __future__ import annotations

from matplotlib.figure import Figure

from lens_report.measures.calibration import Calibrations
from lens_report.presentation.figures.style import BLUE, GREY, footnote, panels, styled, titled


@styled
def reliability(found: Calibrations) -> Figure:
    """One panel a kind of probability: share of right answers by mean probability, bin by bin."""
    figure, all_axes = panels(len(found.by), width=3.6, height=3.4)
    for axes, (name, one) in zip(all_axes, found.by.items(), strict=True):
        axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=":")
        for each in one.bins:
            low, high, value = each.accuracy.low, each.accuracy.high, each.accuracy.value
            if low is not None and high is not None:
                axes.plot([each.confidence] * 2, [low, high], color=BLUE, linewidth=1)
            face = "white" if low is None else BLUE
            axes.plot([each.confidence], [value], color=BLUE, marker="o", markersize=4.5, markerfacecolor=face)
        axes.set_xlim(-0.02, 1.02)
        axes.set_ylim(-0.02, 1.02)
        axes.set_xlabel("mean probability of the bin")
        axes.set_ylabel("share of right answers")
        titled(axes, f"{name[0].upper()}{name[1:]} (n = {one.error.n})", columns=1, rows=0)
    footnote(figure, "Bins of equal mass. Bars: 95 % intervals, clustered; hollow: too few clusters for one.")
    return figure
