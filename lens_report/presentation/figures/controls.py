"""Controls with another image, and English equivalents by layer to another language."""

from __future__ import annotations

from matplotlib.figure import Figure

from lens_report.measures.controls import SCALES, Controls
from lens_report.measures.pivot import Pivot
from lens_report.presentation.figures.layers import BANDS, by_verdict
from lens_report.presentation.figures.style import (
    BLUE,
    GREY,
    PURPLE,
    Line,
    band,
    cycle,
    footnote,
    layer_axis,
    n_label,
    panels,
    share_axis,
    styled,
    titled,
)


@styled
def controls_by_layer(controls: Controls, n_layers: int) -> Figure:
    """The answer given by layer with its own image and with each control, then the gain by verdict."""
    figure, (first, *others) = panels(1 + len(controls.controls), width=3.9, height=3.4)
    for line, look in zip(controls.levels, cycle(len(controls.levels)), strict=True):
        band(first, controls.layers, line.curve, look, n_label(line.group, line.n))
    titled(first, "The answer under each image", columns=2, rows=2)
    first.set_ylabel(SCALES[controls.scale])
    for axes, control in zip(others, controls.controls, strict=True):
        by_verdict(axes, controls.layers, control.gain)
        titled(axes, f"Own image minus {control.name}", columns=1, rows=2)
        axes.set_ylabel("difference (nats)")
    for axes in (first, *others):
        axes.axhline(0, color=GREY, linewidth=1)
        layer_axis(axes, controls.layers, n_layers)
    footnote(figure, BANDS)
    return figure


@styled
def pivot_by_layer(pivot: Pivot, n_layers: int) -> Figure:
    """English equivalent of the answer against the answer itself, by layer."""
    figure, (left, right) = panels(2)
    band(left, pivot.layers, pivot.gap.curve, Line(BLUE), n_label("English minus own language", pivot.n))
    left.axhline(0, color=GREY, linewidth=1)
    left.set_ylabel("difference of scores (nats)")
    titled(left, "English equivalent of the answer", columns=1, rows=1)
    band(right, pivot.layers, pivot.ahead.curve, Line(PURPLE, "-.", "^"), n_label("English ahead", pivot.n))
    right.axhline(0.5, color=GREY, linewidth=1)
    share_axis(right, "samples in which English is ahead")
    titled(right, "How often it is ahead", columns=1, rows=1)
    for axes in (left, right):
        layer_axis(axes, pivot.layers, n_layers)
    footnote(figure, BANDS)
    return figure
