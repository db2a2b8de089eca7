"""Other decoders against the final layer, and abstaining."""

from __future__ import annotations

from matplotlib.figure import Figure

from lens_report.measures import Abstentions, Decoders
from lens_report.measures.decoders import Outcome
from lens_report.presentation.figures.emergence import point
from lens_report.presentation.figures.style import (
    BLACK,
    BLUE,
    GREY,
    VERMILLION,
    Axes,
    Line,
    cycle,
    footnote,
    legend,
    name_of,
    panels,
    styled,
)

LEVEL = 0.05


@styled
def decoder_differences(decoders: Decoders) -> Figure:
    """Accuracy of every decoder minus that of the final layer, with what it fixes and breaks."""
    shown = [one for one in decoders.outcomes if one.result is not None]
    figure, (axes,) = panels(1, width=7.4, height=1.8 + 0.36 * max(len(shown), 1))
    for place, one in enumerate(shown):
        if one.result is None:
            continue
        clear = one.p_holm is not None and one.p_holm < LEVEL
        label = "p < .05, corrected for all decoders" if clear else "not significant, or too few that differ"
        known = axes.get_legend_handles_labels()[1]
        look = Line(VERMILLION, "", "D") if clear else Line(BLUE, "", "o")
        point(axes, one.result.difference, place, look, "" if label in known else label)
    axes.axvline(0, color=GREY, linewidth=1)
    axes.set_yticks(range(len(shown)), [_label(one) for one in shown])
    axes.set_ylim(len(shown) - 0.5, -0.5)
    _counts(axes, shown)
    axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:+.3g}".replace("-", "−").replace("+0", "0"))
    axes.set_xlabel("accuracy minus that of the final layer (percentage points)")
    axes.set_title("Other decoders, on the candidates", pad=32)
    legend(axes, loc="lower left", bbox_to_anchor=(-0.02, 1.0), borderaxespad=0.1, fontsize=7.5)
    footnote(figure, "Bars: paired 95 % intervals, clustered; hollow: no interval. Settings chosen on other samples.")
    return figure


@styled
def risk_coverage_curves(abstentions: Abstentions) -> Figure:
    """Share of errors among the answers kept, by how many are kept."""
    figure, (axes,) = panels(1, width=5.6, height=3.8)
    for one, look in zip(abstentions.scores, cycle(len(abstentions.scores)), strict=True):
        curve = one.curve
        kind = " (final confidence)" if curve.difference is None else ""
        axes.fill_between(curve.coverage, curve.low, curve.high, color=look.colour, alpha=0.13, linewidth=0)
        area = "" if curve.aurc.value is None else f", area {curve.aurc.value:.3f}"
        axes.plot(
            curve.coverage,
            curve.risk,
            color=look.colour,
            linestyle=look.dash,
            marker=look.marker,
            markevery=2,
            label=f"{name_of(one.column)}{kind}{area}",
        )
    share = abstentions.n_wrong / abstentions.n
    axes.axhline(share, color=BLACK, linewidth=1, linestyle=(0, (1, 2)), label=f"at random, area {share:.3f}")
    axes.set_xlabel("coverage: share of the answers that are kept")
    axes.set_ylabel("risk: share of errors among them")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _: f"{100 * value:.3g} %")
    axes.set_xlim(0, 1.02)
    axes.set_ylim(bottom=0)
    axes.set_title("Abstaining", pad=12 + 13 * (1 + (len(abstentions.scores) + 1) // 2))
    legend(axes, loc="lower left", bbox_to_anchor=(-0.1, 1.0), ncols=2, borderaxespad=0.1, fontsize=7.5)
    counts = f"n = {abstentions.n} answers, {abstentions.n_wrong} wrong."
    footnote(figure, f"{counts} Bands: pointwise 95 % intervals, clustered.")
    return figure


def _counts(axes: Axes, shown: list[Outcome]) -> None:
    """What each decoder fixes and breaks, at the right of its line."""
    right = axes.twinx()
    right.set_ylim(axes.get_ylim())
    results = [one.result for one in shown if one.result is not None]
    right.set_yticks(
        range(len(results)),
        [f"fixes {one.b_higher}, breaks {one.a_higher} of {one.difference.n}" for one in results],
        fontsize=7.5,
        color=GREY,
    )
    right.tick_params(length=0)
    right.grid(False)


def _label(one: Outcome) -> str:
    return one.name if one.chosen is None else f"{one.name} ({one.setting} {one.chosen:g})"
