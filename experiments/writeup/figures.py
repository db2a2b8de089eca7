"""Figures that look at several runs or tasks at once."""

from __future__ import annotations

from matplotlib.figure import Figure

from experiments.writeup.concepts import DIRECT, THROUGH
from experiments.writeup.hypotheses import Depths
from experiments.writeup.material import LINE, MAIN, Material
from lens_report.presentation.figures.style import LINES, band, footnote, layer_axis, legend, panels, styled

Place = tuple[str, str, str]
"""Task, concept, and the label of its line."""
PANELS: dict[str, tuple[Place, ...]] = {
    "existence": (
        ("pope_mini", "existence", "pope_mini"),
        ("clevr_mini", "existence", "clevr_mini"),
        ("ruclevr_mini", "yes or no", "ruclevr_mini, yes or no"),
    ),
    **{
        name: (("clevr_mini", name, "clevr_mini"), ("ruclevr_mini", name, "ruclevr_mini"))
        for name in ("colour", "shape", "size", "material", "count")
    },
    "comparison": (
        ("clevr_mini", "comparison of attributes", "clevr_mini, attributes"),
        ("clevr_mini", "comparison of counts", "clevr_mini, counts"),
    ),
    "relation": (
        ("clevr_mini", f"existence {DIRECT}", "clevr_mini, existence, direct"),
        ("clevr_mini", f"existence {THROUGH}", "clevr_mini, existence, relation"),
    ),
    "strange": (("weird_mini", "strange", "weird_mini"),),
}


@styled
def concept_figure(depths: Depths) -> Figure:
    """Accuracy above shuffled answers by layer, one panel a concept, a line a task of the main run."""
    figure, axes = panels(3, width=3.5, height=2.8, rows=3)
    for place, (panel, (concept, lines)) in enumerate(zip(axes, PANELS.items(), strict=True)):
        for look, (task, kind, label) in zip(LINES, lines, strict=False):
            one = depths.of(MAIN, task).get(kind)
            if one is None:
                continue
            task_run = depths.material.analyses[MAIN, task].task_run
            band(panel, task_run.layers, one.curve, look, f"{label} (n = {int(one.curve.n[-1])})")
            layer_axis(panel, task_run.layers, task_run.n_layers)
        panel.axhline(0, color="#767676", linewidth=1)
        panel.set_title(concept)
        panel.set_ylim(-0.2, 0.85)
        if place < 6:
            panel.set_xlabel("")
        if place % 3 == 0:
            panel.set_ylabel("accuracy above chance")
        legend(panel, loc="upper left", fontsize=7)
    footnote(figure, "Chance: gold answers shuffled within the concept. Bands: pointwise 95 % intervals, by image.")
    return figure


@styled
def training_figure(material: Material) -> Figure:
    """Lens accuracy by layer at each checkpoint."""
    figure, axes = panels(2, width=4.4, height=3.4)
    for panel, task in zip(axes, ("pope_mini", "clevr_mini"), strict=True):
        for line, (name, one) in zip(LINES, material.everywhere(task, LINE), strict=False):
            band(panel, one.task_run.layers, one.curves.accuracy[0].curve, line, name)
            layer_axis(panel, one.task_run.layers, one.task_run.n_layers)
        panel.set_title(task)
        panel.set_ylabel("share of samples in which gold leads")
        panel.set_ylim(0, 1)
        legend(panel, fontsize=7)
    footnote(figure, "Bands: pointwise 95 % intervals, clustered by image.")
    return figure
