"""At which depth what becomes readable; what appears and disappears; English and Russian; training."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from experiments.writeup.concepts import depth_by_concept
from experiments.writeup.material import DRAWS, LINE, MAIN, PROMPTS, SEEDS, Material
from lens_report.document.blocks import Block, Section, Table, paragraph, say
from lens_report.document.shown import Shown, count, decimal, interval, words
from lens_report.figures.style import LINES, band, footnote, layer_axis, legend, panels, styled
from lens_report.findings.inputs import pivot_blocks
from lens_report.findings.layers import lost_blocks
from lens_report.stats import Estimate
from lens_report.stats.above_chance import AboveChance

MINIS = ("pope_mini", "clevr_mini", "ruclevr_mini", "weird_mini")


def depth_section(material: Material, pictures: tuple[Block, ...]) -> Section:
    """Concepts by depth, in the main run and the seeds."""
    rows = []
    for name, task in ((MAIN, task) for task in MINIS):
        rows += _rows(material, name, task)
    for name in SEEDS:
        for task in ("pope_mini", "clevr_mini"):
            if (name, task) in material.analyses:
                rows += _rows(material, name, task)
    columns = (
        "run",
        "task",
        "concept",
        "samples",
        "half-way depth (layers)",
        "above chance from layer",
        "at the last layer",
    )
    text = paragraph(
        say(
            "For each concept the accuracy of the leading candidate is compared, layer by layer, with what the same "
            "leaders would have if the gold answers of the concept were dealt out anew; what is left is accuracy above "
            "chance. Its half-way depth is where it stays above half of its final value, with an interval over images. "
            "The layer from which it is above chance holds for all later layers, corrected for their number."
        ),
        say("Which orders of two concepts hold up in the seeds stands under the listed hypotheses."),
    )
    return Section("When which concept becomes readable", (*text, Table("concepts", columns, tuple(rows)), *pictures))


def _rows(material: Material, name: str, task: str) -> list[tuple[Shown, ...]]:
    subject = material.analyses[name, task].subject
    found = depth_by_concept(subject, n_draws=DRAWS.bootstrap)
    return [
        (
            words(name), words(task), words(concept), count(int(one.curve.n[-1])), interval(one.halfway, 2),
            words("never") if one.from_place is None else count(int(subject.layers[one.from_place])),
            interval(_last(one), share=True),
        )
        for concept, one in found.items()
    ]  # fmt: skip


def _last(one: AboveChance) -> Estimate:
    curve = one.curve
    low, high = (float(end[-1]) if np.isfinite(end[-1]) else None for end in (curve.low, curve.high))
    note = "" if low is not None else "too few clusters for an interval"
    return Estimate(float(curve.mean[-1]), low, high, int(curve.n[-1]), int(curve.n_clusters[-1]), note=note)


@styled
def concept_figure(material: Material) -> Figure:
    """Accuracy above shuffled answers by layer, a line a concept, one panel a task."""
    figure, axes = panels(2, width=4.4, height=3.4, rows=2)
    for panel, task in zip(axes, MINIS, strict=True):
        subject = material.analyses[MAIN, task].subject
        found = depth_by_concept(subject, n_draws=200)
        for place, (concept, one) in enumerate(found.items()):
            band(panel, subject.layers, one.curve, LINES[place % len(LINES)], concept)
        panel.axhline(0, color="#767676", linewidth=1)
        panel.set_title(task)
        panel.set_ylabel("accuracy above shuffled answers")
        layer_axis(panel, subject.layers, subject.n_layers)
        legend(panel, fontsize=7)
    footnote(figure, "Bands: pointwise 95 % intervals, clustered by image.")
    return figure


def lost_section(material: Material) -> Section:
    """Correct then lost, always beside wrong then corrected."""
    sections = tuple(Section(task, lost_blocks(one)) for task, one in material.of(MAIN).items())
    return Section("What appears and disappears again", (), sections)


def language_section(material: Material, pictures: tuple[Block, ...]) -> Section:
    """English and Russian side by side, and the English pivot."""
    rows = []
    kinds = {
        task: depth_by_concept(material.analyses[MAIN, task].subject, n_draws=DRAWS.bootstrap)
        for task in ("clevr_mini", "ruclevr_mini")
    }
    for concept in kinds["ruclevr_mini"]:
        if concept in kinds["clevr_mini"]:
            english, russian = kinds["clevr_mini"][concept], kinds["ruclevr_mini"][concept]
            rows.append(
                (
                    words(concept), interval(_last(english), share=True), interval(_last(russian), share=True),
                    interval(english.halfway, 2), interval(russian.halfway, 2),
                )
            )  # fmt: skip
    columns = ("concept", "English, above chance", "Russian, above chance", "English, half-way", "Russian, half-way")
    note = say(
        "The two sets ask about different pictures with questions of their own, so a row compares two tasks and not "
        "one question in two languages."
    )
    table = Table("languages", columns, tuple(rows), (note,))
    return Section(
        "English and Russian",
        (table, *pivot_blocks(material.analyses[MAIN, "ruclevr_mini"]), *pictures),
    )


def training_section(material: Material, pictures: tuple[Block, ...]) -> Section:
    """How the curves form."""
    rows = []
    for task in ("pope_mini", "clevr_mini"):
        for name, one in material.everywhere(task, LINE):
            curve = one.curves.accuracy[0].curve
            half = float(np.interp(0.5, one.subject.depth, curve.mean))
            emerged = one.emergence
            rows.append(
                (
                    words(task), words(name), interval(one.scores.score, share=True),
                    decimal(float(curve.mean[0]), 3), decimal(half, 3), decimal(float(curve.mean[-1]), 3),
                    interval(emerged.stable.median if emerged else None, 0),
                )
            )  # fmt: skip
    columns = (
        "task", "checkpoint", "score", "gold leads at the first layer", "at half depth", "at the last layer",
        "median layer from which it leads to the end",
    )  # fmt: skip
    text = paragraph(
        say(
            "The main line of training in order: existence and queries in English, all families in both languages, the "
            "vision tower trained along, and the bundled model. One seed was followed; that the same would be seen in "
            "another is not shown."
        )
    )
    return Section("How the curves form during training", (*text, Table("training", columns, tuple(rows)), *pictures))


@styled
def training_figure(material: Material) -> Figure:
    """Lens accuracy by layer at each checkpoint."""
    figure, axes = panels(2, width=4.4, height=3.4)
    for panel, task in zip(axes, ("pope_mini", "clevr_mini"), strict=True):
        for line, (name, one) in zip(LINES, material.everywhere(task, LINE), strict=False):
            band(panel, one.subject.layers, one.curves.accuracy[0].curve, line, name)
            layer_axis(panel, one.subject.layers, one.subject.n_layers)
        panel.set_title(task)
        panel.set_ylabel("share of samples in which gold leads")
        panel.set_ylim(0, 1)
        legend(panel, fontsize=7)
    footnote(figure, "Bands: pointwise 95 % intervals, clustered by image.")
    return figure


def prompt_section(material: Material) -> Section:
    """Bare, chat and reasoning prompts on the same questions."""
    rows = []
    for name in PROMPTS:
        for task, one in material.of(name).items():
            scores = one.scores.by_name
            curve = one.curves.accuracy[0].curve if one.curves.accuracy else None
            rows.append(
                (
                    words(name), words(task), interval(scores.get("exact_match"), share=True),
                    interval(scores.get("exact_match_lenient"), share=True),
                    interval(one.overview.format_errors, share=True), interval(one.overview.coverage, share=True),
                    decimal(float(curve.mean[-1]) if curve is not None else None, 3),
                )
            )  # fmt: skip
    columns = (
        "prompt",
        "task",
        "strict score",
        "lenient score",
        "no candidate named",
        "read out",
        "gold leads at the last layer",
    )
    text = paragraph(
        say(
            "One instruction for all questions: without the chat template, within it, and asking for reasoning first. "
            "The model was trained within the template alone. The strict score wants nothing but the answer, so an "
            "instruction that asks for reasoning cannot earn it."
        )
    )
    return Section("The same questions under three prompts", (*text, Table("prompts", columns, tuple(rows))))
