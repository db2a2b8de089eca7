"""Where in the picture: lift by layer beside its null, and figures and drops beside what they are held against."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from lens_report.measures import Picture
from lens_report.measures.picture import (
    ATTENTION,
    BOXES,
    NEAR,
    RELATIVE,
    SINKLESS,
    TRACK,
    WORDS,
    Contrast,
    LiftByLayer,
)
from lens_report.measures.picture.contrasts import DROP, LIFT, NULL_BOXES, NULL_TRACKS, NULLS, OTHER_OBJECTS, RANDOM
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
    n_label,
    panels,
    shortened,
    styled,
    titled,
)

TITLES = {
    ATTENTION: "Attention map",
    SINKLESS: "Attention map without sinks",
    RELATIVE: "Relative attention map",
    WORDS: "Words' map",
    NEAR: "Nearness map",
}
OWN, NULL, OTHER = Line(BLUE, "-", "o"), Line(GREY, "--", "s"), Line(GREEN, "-.", "^")
NOTE = "Intervals: 95 %, clustered by picture or video. Lift of a flat map is 1."
OWN_NAME = {NULL_BOXES: "boxes", NULL_TRACKS: "track"}


@styled
def lift_by_layer(found: Sequence[LiftByLayer], n_layers: int) -> Figure:
    """One panel a kind of map: lift in the boxes and that of the nulls at each layer."""
    figure, all_axes = panels(len(found), width=4.2, height=3.2)
    for axes, one in zip(all_axes, found, strict=True):
        _lift(axes, one, n_layers)
        titled(axes, TITLES[one.of], columns=2, rows=1)
    footnote(figure, NOTE + " Bands are pointwise.")
    return figure


@styled
def lift_over_tasks(parts: Sequence[tuple[str, int, tuple[LiftByLayer, ...]]]) -> Figure:
    """Small multiples: a column a task and run (name, number of layers, maps), a row a kind of map."""
    kinds = [of for of in TITLES if any(one.of == of for _, _, found in parts for one in found)]
    figure, all_axes = panels(len(parts), width=2.9, height=2.5, rows=len(kinds))
    for place, axes in enumerate(all_axes):
        row, column = divmod(place, len(parts))
        name, n_layers, found = parts[column]
        one = next((each for each in found if each.of == kinds[row]), None)
        if one is None:
            axes.set_visible(False)
            continue
        _lift(axes, one, n_layers)
        axes.set_title(f"{shortened(name, 34)}\n{TITLES[one.of]}", fontsize=8)
        legend(axes, fontsize=7)
    footnote(figure, NOTE + " Bands are pointwise.")
    return figure


def _lift(axes: Axes, one: LiftByLayer, n_layers: int) -> None:
    band(axes, one.layers, one.own, OWN, n_label(OWN_NAME[one.against], one.n))
    band(axes, one.layers, one.null, NULL, one.against)
    axes.axhline(1, color=GREY, linewidth=1, linestyle=":")
    axes.set_ylabel("lift")
    axes.set_ylim(bottom=0)
    layer_axis(axes, one.layers, n_layers)


@styled
def own_and_null(found: Picture) -> Figure:
    """Lift of each map by verdict beside its null; drops of each mask beside those under other masks."""
    lifts = [one for one in found.contrasts if one.measure == LIFT and one.against in NULLS]
    drops = [one for one in found.contrasts if one.measure == DROP]
    groups = [group for group in (lifts, drops) if group]
    rows = max(len(lifts), len({one.of for one in drops}))
    figure, all_axes = panels(len(groups), width=5.2, height=1.9 + 0.42 * rows)
    for axes, group in zip(all_axes, groups, strict=True):
        (_lifts if group is lifts else _drops)(axes, group)
    footnote(figure, NOTE + " Drop: log-odds of the answer given.")
    return figure


def _lifts(axes: Axes, lifts: Sequence[Contrast]) -> None:
    for place, one in enumerate(lifts):
        first = place == 0
        point(axes, one.own, place - 0.12, Line(BLUE, "", "o"), OWN_NAME[one.against] if first else "")
        point(axes, one.other, place + 0.12, Line(GREY, "", "s"), one.against if first else "")
    axes.axvline(1, color=GREY, linewidth=1, linestyle=":")
    _rows(axes, [f"{one.of}, {one.group} (n = {one.difference.n})" for one in lifts])
    axes.set_xlabel("lift")
    titled(axes, f"Lift in the {OWN_NAME[lifts[0].against]}", columns=2, rows=1)


def _drops(axes: Axes, drops: Sequence[Contrast]) -> None:
    masks = [of for of in (BOXES, TRACK, *TITLES) if any(one.of == of for one in drops)]
    looks = {RANDOM: (Line(VERMILLION, "", "^"), 0.0), OTHER_OBJECTS: (Line(GREEN, "", "D"), 0.3)}
    looks |= dict.fromkeys(NULLS, (Line(GREY, "", "s"), 0.15))
    labels = []
    for place, of in enumerate(masks):
        own = [one for one in drops if one.of == of]
        point(axes, own[0].own, place - 0.2, Line(BLUE, "", "o"), "own mask" if place == 0 else "")
        for one in own:
            look, shift = looks[one.against]
            known = axes.get_legend_handles_labels()[1]
            point(axes, one.other, place + shift, look, "" if one.against in known else one.against)
        name = of if of in (BOXES, TRACK) else f"top of {of}"
        labels.append(f"{name} (n = {max(one.difference.n for one in own)})")
    axes.axvline(0, color=GREY, linewidth=1)
    _rows(axes, labels)
    axes.set_xlabel("drop of the answer's log-odds (nats)")
    titled(axes, "Masked image tokens", columns=2, rows=2)


def _rows(axes: Axes, labels: Sequence[str]) -> None:
    axes.set_yticks(np.arange(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.5, -0.5)
