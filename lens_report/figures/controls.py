"""Controls with another image, and English on the way to another language."""

from __future__ import annotations

from matplotlib.figure import Figure

from lens_report.analysis.controls import SCALES, Controls
from lens_report.analysis.pivot import Pivot
from lens_report.figures.layers import BANDS, OF_VERDICT
from lens_report.figures.style import (
    BLUE,
    GREY,
    LINES,
    PURPLE,
    Line,
    band,
    cycle,
    footnote,
    layer_axis,
    legend,
    n_label,
    panels,
    share_axis,
    styled,
)


@styled
def controls_by_layer(controls: Controls, n_layers: int) -> Figure:
    """The answer given by layer with its own image and with each control, then the gain by verdict."""
    figure, (first, *others) = panels(1 + len(controls.controls), width=3.7)
    for line, look in zip(controls.levels, cycle(len(controls.levels)), strict=True):
        band(first, controls.layers, line.curve, look, n_label(line.group, line.n))
    first.set_title("The answer under each image")
    first.set_ylabel(SCALES[controls.scale])
    for axes, control in zip(others, controls.controls, strict=True):
        for line in control.gain:
            band(axes, controls.layers, line.curve, OF_VERDICT.get(line.group, LINES[2]), n_label(line.group, line.n))
        axes.set_title(f"Own image minus {control.name}")
        axes.set_ylabel("difference (nats)")
    for axes in (first, *others):
        axes.axhline(0, color=GREY, linewidth=1)
        layer_axis(axes, controls.layers, n_layers)
        legend(axes)
    footnote(figure, BANDS)
    return figure


@styled
def pivot_by_layer(pivot: Pivot, n_layers: int) -> Figure:
    """English equivalent of the answer against the answer itself, by layer."""
    figure, (left, right) = panels(2)
    band(left, pivot.layers, pivot.gap.curve, Line(BLUE), n_label("English minus own language", pivot.n))
    left.axhline(0, color=GREY, linewidth=1)
    left.set_ylabel("difference of scores (nats)")
    left.set_title("English equivalent of the answer")
    band(right, pivot.layers, pivot.ahead.curve, Line(PURPLE, "-.", "^"), n_label("English ahead", pivot.n))
    right.axhline(0.5, color=GREY, linewidth=1)
    share_axis(right, "samples in which English is ahead")
    right.set_title("How often it is ahead")
    for axes in (left, right):
        layer_axis(axes, pivot.layers, n_layers)
        legend(axes)
    footnote(figure, BANDS)
    return figure
