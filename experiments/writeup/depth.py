"""At which depth what becomes readable; English and Russian; training."""

from __future__ import annotations

import numpy as np

from experiments.writeup.hypotheses import Depths
from experiments.writeup.material import LINE, MAIN, SEEDS, Material
from lens_report import Analysis
from lens_report.presentation.document.blocks import Block, Section, Sentence, Table, paragraph, say
from lens_report.presentation.document.shown import Shown, count, decimal, interval, percent, words
from lens_report.presentation.findings.inputs import pivot_blocks
from lens_report.stats import Estimate
from lens_report.stats.above_chance import AboveChance

MINIS = ("pope_mini", "clevr_mini", "ruclevr_mini", "weird_mini")


def depth_section(depths: Depths) -> Section:
    """Concepts by depth, in the main run and the seeds."""
    rows = [row for name in (MAIN, *SEEDS) for task in MINIS for row in _rows(depths, name, task)]
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
            "leaders would have if the gold answers of the concept were shuffled; what is left is accuracy above "
            "chance. Its half-way depth is where it stays above half of its final value, with an interval over images. "
            "The layer from which it is above chance holds for all later layers, corrected for their number."
        ),
        existence(depths),
        say("Which orders of two concepts hold up in the seeds stands under the hypotheses."),
    )
    return Section("When which concept becomes readable", (*text, Table("concepts", columns, tuple(rows))))


def existence(depths: Depths) -> Sentence | None:
    """The one concept with many samples, in all runs."""
    found = [depths.of(name, "pope_mini").get("existence") for name in (MAIN, *SEEDS)]
    values = [one.halfway.value for one in found if one is not None and one.halfway.value is not None]
    if not values:
        return None
    layers = depths.material.analyses[MAIN, "pope_mini"].task_run.n_layers
    return say(
        "On pope_mini, where every question asks for existence, half of the final accuracy above chance is there "
        "after {low} to {high} of {layers} blocks, over {n} trained models.",
        low=decimal(min(values), 1), high=decimal(max(values), 1), layers=count(layers), n=count(len(values)),
        headline=True,
    )  # fmt: skip


def _rows(depths: Depths, name: str, task: str) -> list[tuple[Shown, ...]]:
    found = depths.of(name, task)
    if not found:
        return []
    layers = depths.material.analyses[name, task].task_run.layers
    return [
        (
            words(name), words(task), words(concept), count(int(one.curve.n[-1])), interval(one.halfway, 2),
            words("never") if one.from_place is None else count(int(layers[one.from_place])),
            interval(_last(one), share=True),
        )
        for concept, one in found.items()
    ]  # fmt: skip


def _last(one: AboveChance) -> Estimate:
    curve = one.curve
    low, high = (float(end[-1]) if np.isfinite(end[-1]) else None for end in (curve.low, curve.high))
    note = "" if low is not None else "too few clusters for an interval"
    return Estimate(float(curve.mean[-1]), low, high, int(curve.n[-1]), int(curve.n_clusters[-1]), note=note)


def language_section(depths: Depths, pictures: tuple[Block, ...]) -> Section:
    """English and Russian side by side, and the English pivot."""
    rows = []
    kinds = {task: depths.of(MAIN, task) for task in ("clevr_mini", "ruclevr_mini")}
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
        (table, *pivot_blocks(depths.material.analyses[MAIN, "ruclevr_mini"]), *pictures),
    )


def training_section(material: Material, pictures: tuple[Block, ...]) -> Section:
    """How the curves form."""
    rows = []
    for task in ("pope_mini", "clevr_mini"):
        for name, one in material.everywhere(task, LINE):
            curve = one.curves.accuracy[0].curve
            emerged = one.emergence
            rows.append(
                (
                    words(task), words(name), interval(one.scores.score, share=True),
                    decimal(float(curve.mean[0]), 3), decimal(_at_half(one), 3), decimal(float(curve.mean[-1]), 3),
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
        ),
        *(_formed(task, material) for task in ("pope_mini", "clevr_mini")),
    )
    return Section("How the curves form during training", (*text, Table("training", columns, tuple(rows)), *pictures))


def _formed(task: str, material: Material) -> Sentence | None:
    """How far the middle of the network is from its end, at the first checkpoint and at the last."""
    line = [one for _, one in material.everywhere(task, LINE)]
    if len(line) < len(LINE):
        return None
    ends = [one.curves.accuracy[0].curve for one in (line[0], line[-1])]
    halves = [_at_half(one) for one in (line[0], line[-1])]
    return say(
        "{task}: at half depth the right answer leads in {half_first} of the samples at the first checkpoint and in "
        "{half_last} at the last, at the last layer in {end_first} and {end_last}.",
        task=words(task), half_first=percent(halves[0]), half_last=percent(halves[1]),
        end_first=percent(float(ends[0].mean[-1])), end_last=percent(float(ends[1].mean[-1])),
    )  # fmt: skip


def _at_half(one: Analysis) -> float:
    return float(np.interp(0.5, one.task_run.depth, one.curves.accuracy[0].curve.mean))
