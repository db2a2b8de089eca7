"""Does the lens predict errors: forest plot with nulls, AUROC by layer, AUROC within strata."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from lens_report.measures.prediction import Prediction
from lens_report.measures.predictors import Predictor
from lens_report.presentation.figures.emergence import point
from lens_report.presentation.figures.style import (
    BLUE,
    GREY,
    ORANGE,
    VERMILLION,
    Axes,
    Line,
    cycle,
    footnote,
    layer_axis,
    legend,
    name_of,
    panels,
    shortened,
    styled,
    titled,
)
from lens_report.stats import NullTest, Stratified

NULL_BAND = "#c8c8c8"
MOST_LEVELS = 12


@styled
def forest(prediction: Prediction) -> Figure:
    """AUROC of error and gain over final confidence of every metric, with its nulls on the same axis."""
    found = prediction.ranking.predictors if prediction.ranking else ()
    shown = [one for one in found if one.association.auroc.value is not None]
    figure, (left, right) = panels(2, width=4.4, height=1.9 + 0.3 * max(len(shown), 1))
    for place, one in enumerate(shown):
        _row(left, right, place, one, prediction.walk.get(name_of(one.column)), one.column == prediction.confidence)
    left.axvline(0.5, color=GREY, linewidth=1)
    right.axvline(0.0, color=GREY, linewidth=1)
    left.set_yticks(range(len(shown)), [name_of(one.column) for one in shown])
    right.set_yticks(range(len(shown)), [])
    for axes in (left, right):
        axes.set_ylim(len(shown) - 0.5, -0.5)
        axes.locator_params(axis="x", nbins=5)
    left.set_xlabel("AUROC of error (chance .5)")
    right.set_xlabel("gain in AUROC over final confidence")
    left.set_title("Alone", pad=34)
    right.set_title("On top of final confidence", pad=34)
    legend(left, loc="lower left", bbox_to_anchor=(-0.05, 1.0), ncols=2, borderaxespad=0.1, fontsize=7)
    footnote(
        figure,
        f"n = {prediction.n} answers, {prediction.n_wrong} wrong, {prediction.n_groups} clusters. Bars: 95 % intervals "
        "clustered by image; hollow: no interval.",
    )
    return figure


def _row(left: Axes, right: Axes, place: int, one: Predictor, walk: NullTest | None, baseline: bool) -> None:
    first = place == 0
    null = one.null
    if null.null_low is not None and null.null_high is not None:
        left.fill_betweenx(
            [place - 0.32, place + 0.32],
            null.null_low,
            null.null_high,
            color=NULL_BAND,
            linewidth=0,
            label="permuted errors" if first else None,
        )
    if walk is not None and walk.null_low is not None and walk.null_high is not None:
        known = "random walk" in left.get_legend_handles_labels()[1]
        left.fill_betweenx(
            [place - 0.32, place + 0.32],
            walk.null_low,
            walk.null_high,
            facecolor="none",
            edgecolor=ORANGE,
            hatch="////",
            linewidth=0.8,
            label=None if known else "random walk",
        )
    look = Line(VERMILLION, "", "D") if baseline else Line(BLUE, "", "o")
    named = left.get_legend_handles_labels()[1]
    label = "final confidence" if baseline else "metric"
    point(left, one.association.auroc, place, look, "" if label in named else label)
    if one.gain is not None:
        point(right, one.gain.delta, place, look)
    elif baseline:
        right.text(0.0, place, " baseline", va="center", ha="left", fontsize=7.5, color=GREY)


@styled
def auroc_by_layer(prediction: Prediction, n_layers: int) -> Figure:
    """The margin of the answer given as a predictor of error at each layer, with intervals, null and tests."""
    figure, (axes,) = panels(1, width=6.2, height=4.0)
    tests, layers = prediction.by_layer, prediction.layers
    value = _known(test.observed for test in tests)
    hit = np.array([test.p_adjusted is not None and test.p_adjusted < 0.05 for test in tests], dtype=bool)
    null = [_known(test.null_low for test in tests), _known(test.null_high for test in tests)]
    axes.fill_between(layers, *null, color=NULL_BAND, linewidth=0, label="permuted errors, 95 % at each layer")
    low, high = (_known(getattr(one, end) for one in prediction.auroc_by_layer) for end in ("low", "high"))
    if np.isfinite(low).any():
        axes.vlines(layers, low, high, color=BLUE, linewidth=1.1, label="95 % interval at each layer")
    axes.plot(layers, value, color=BLUE, zorder=2)
    for chosen, face, label in (
        (hit, BLUE, "p < .05, corrected for all layers (max-T)"),
        (~hit, "white", "not significant"),
    ):
        if chosen.any():
            axes.plot(layers[chosen], value[chosen], "o", color=BLUE, markerfacecolor=face, markersize=5, label=label)
    axes.axhline(0.5, color=GREY, linewidth=1)
    axes.set_ylabel("AUROC of error (chance .5)")
    titled(axes, "Margin of the answer given, read at each layer", columns=2, rows=2)
    layer_axis(axes, layers, n_layers)
    counts = f"n = {prediction.n} answers, {prediction.n_wrong} wrong, {prediction.n_groups} clusters."
    footnote(figure, f"{counts} A low margin is meant to go with errors. Bars: clustered, layer by layer.")
    return figure


def _known(values: Iterable[float | None]) -> NDArray[np.float64]:
    """float [L], NaN for None."""
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


@styled
def by_stratum(prediction: Prediction) -> Figure:
    """AUROC of error within each predicted answer and question type: a metric must not only tell the kinds apart."""
    blocks = [(title, metrics, _levels(metrics)) for title, metrics in prediction.strata.items() if metrics]
    rows = max((len(levels) + 1 for _, _, levels in blocks), default=1)
    figure, all_axes = panels(max(len(blocks), 1), width=4.4, height=1.7 + 0.42 * rows)
    left_out = []
    for axes, (title, metrics, levels) in zip(all_axes, blocks, strict=False):
        _strata(axes, metrics, levels)
        axes.set_title(f"By {title} (wrong/all)", pad=30)
        missing = len(next(iter(metrics.values())).levels) - len(levels)
        left_out += [f"{missing} levels of {title} with few errors or samples are not drawn."] if missing else []
    legend(all_axes[0], loc="lower left", bbox_to_anchor=(-0.05, 1.0), ncols=2, borderaxespad=0.1, fontsize=7)
    bars = "Bars: 95 % intervals, clustered; hollow: too few errors or right answers for one."
    footnote(figure, " ".join([bars, *left_out]))
    return figure


def _levels(metrics: Mapping[str, Stratified]) -> list[Hashable]:
    """The levels that are drawn, most samples first: of many those in which some metric has an interval."""
    found = list(next(iter(metrics.values())).levels)
    if len(found) <= MOST_LEVELS:
        return found
    told = [level for level in found if any(one.levels[level].low is not None for one in metrics.values())]
    return (told or found)[:MOST_LEVELS]


def _strata(axes: Axes, metrics: Mapping[str, Stratified], levels: Sequence[Hashable]) -> None:
    """Each metric within each level, and pooled over all levels."""
    offsets = np.linspace(-0.26, 0.26, len(metrics))
    for look, offset, (name, found) in zip(cycle(len(metrics)), offsets, metrics.items(), strict=True):
        for place, level in enumerate(levels):
            point(axes, found.levels[level], place + offset, look, name_of(name) if place == 0 else "")
        point(axes, found.within, len(levels) + offset, look)
    counts = next(iter(metrics.values())).levels
    names = [f"{shortened(str(level), 18)} ({counts[level].n_errors}/{counts[level].n})" for level in levels]
    axes.set_yticks(range(len(levels) + 1), [*names, "within, pooled"])
    axes.set_ylim(len(levels) + 0.5, -0.5)
    axes.axvline(0.5, color=GREY, linewidth=1)
    axes.set_xlabel("AUROC of error")
