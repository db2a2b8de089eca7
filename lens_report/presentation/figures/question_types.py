"""Question types: accuracy by layer beside chance, and the depths at which each becomes readable."""

from __future__ import annotations

from matplotlib.figure import Figure

from lens_report.measures import QuestionType, QuestionTypes
from lens_report.presentation.figures.emergence import point
from lens_report.presentation.figures.style import (
    BLUE,
    GREEN,
    GREY,
    VERMILLION,
    Axes,
    Line,
    band,
    footnote,
    layer_axis,
    legend,
    panels,
    share_axis,
    shortened,
    styled,
)
from lens_report.stats import Estimate

IN_A_ROW = 3


@styled
def accuracy_by_type(found: QuestionTypes, n_layers: int) -> Figure:
    """One panel a question type: share of samples in which gold leads, and the share with shuffled answers."""
    count = len(found.types)
    columns = min(IN_A_ROW, count)
    figure, all_axes = panels(columns, width=2.75, height=2.5, rows=-(-count // columns))
    for place, (axes, one) in enumerate(zip(all_axes, found.types, strict=False)):
        _panel(axes, found, one, n_layers, labelled=place == 0)
        if place % columns:
            axes.set_ylabel("")
    for axes in all_axes[count:]:
        axes.set_visible(False)
    handles, labels = all_axes[0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside upper left", ncols=3)
    footnote(figure, "Bands: pointwise 95 % intervals, clustered. Shuffled: gold answers permuted within the type.")
    return figure


def _panel(axes: Axes, found: QuestionTypes, one: QuestionType, n_layers: int, *, labelled: bool) -> None:
    band(axes, found.layers, one.accuracy.curve, Line(BLUE), "gold leads" if labelled else "")
    if one.chance.size:
        axes.plot(
            found.layers,
            one.chance,
            color=GREY,
            linestyle="--",
            marker="",
            label="gold answers shuffled" if labelled else "",
        )
    if one.from_layer is not None:
        label = "above chance from here" if labelled else ""
        axes.axvline(one.from_layer, color=VERMILLION, linestyle=":", linewidth=1.4, label=label)
    elif labelled:
        axes.plot([], [], color=VERMILLION, linestyle=":", linewidth=1.4, label="above chance from here")
    share_axis(axes, "gold leads")
    layer_axis(axes, found.layers, n_layers)
    axes.set_title(f"{shortened(one.name, 24)} (n = {one.n})")


@styled
def depth_by_type(found: QuestionTypes, n_layers: int) -> Figure:
    """Depths of each question type: half-way above chance, median first and median stable lead."""
    names = [one.name for one in found.types]
    figure, (axes,) = panels(1, width=6.4, height=1.9 + 0.48 * len(names))
    looks = (
        ("half of the accuracy above chance", Line(VERMILLION, "", "D"), -0.24),
        ("gold first led for a while (median)", Line(BLUE, "", "o"), 0.0),
        ("gold leads to the end (median)", Line(GREEN, "", "^"), 0.24),
    )
    for place, one in enumerate(found.types):
        for (label, look, shift), estimate in zip(
            looks, (one.halfway, one.first.median, one.stable.median), strict=True
        ):
            known = axes.get_legend_handles_labels()[1]
            _depth(axes, estimate, place + shift, look, "" if label in known else label, n_layers)
    axes.set_yticks(range(len(names)), [f"{shortened(one.name, 26)} (n = {one.n})" for one in found.types])
    axes.set_ylim(len(names) - 0.5, -0.5)
    layer_axis(axes, found.layers, n_layers)
    axes.set_xlim(found.layers[0] - 0.5, n_layers + 0.5)
    axes.set_title("How deep each question type becomes readable", pad=38)
    legend(axes, loc="lower left", bbox_to_anchor=(-0.3, 1.0), ncols=2, borderaxespad=0.1, fontsize=7.5)
    footnote(figure, "Bars: 95 % intervals, clustered. Arrow: no upper end. Without a symbol: never reached.")
    return figure


def _depth(axes: Axes, estimate: Estimate | None, place: float, look: Line, label: str, n_layers: int) -> None:
    """A depth with its interval; an interval without an upper end runs to the last layer, as an arrow."""
    if estimate is None or estimate.value is None:
        return
    if estimate.low is not None and estimate.high is None:
        axes.plot([estimate.low, n_layers], [place, place], color=look.colour)
        axes.plot([n_layers + 0.15], [place], color=look.colour, marker=">", markersize=5, linestyle="")
    point(axes, estimate, place, look, label)
