"""Errors and confidence, errors of form under several prompts, errors of knowledge, and failures of the method."""

from __future__ import annotations

from experiments.writeup.material import MAIN, PROMPTS, Material
from lens_report import Analysis
from lens_report.presentation.document.blocks import Block, Section, Table, paragraph, say
from lens_report.presentation.document.shown import Shown, count, decimal, interval, listed, words
from lens_report.presentation.findings.rules import verdicts


def prediction_section(material: Material, pictures: tuple[Block, ...]) -> Section:
    """Does anything predict errors beyond final confidence, in any run?"""
    rows: list[tuple[Shown, ...]] = []
    adding = tested = 0
    for (name, task), one in material.analyses.items():
        found = one.prediction
        if found.ranking is None:
            rows.append((words(name), words(task), count(found.n), count(found.n_wrong), *[words("–")] * 3))
            continue
        verdict = verdicts(found)
        tested += 1
        adding += bool(verdict.adding)
        base = next((each for each in found.ranking.predictors if each.column == found.confidence), None)
        rows.append(
            (
                words(name), words(task), count(found.n), count(found.n_wrong),
                interval(base.association.auroc if base else None), listed(list(verdict.associated)),
                listed(list(verdict.adding)),
            )
        )  # fmt: skip
    columns = (
        "run", "task", "samples asked", "wrong", "AUROC of final confidence", "metrics associated with errors",
        "metrics that add to final confidence",
    )  # fmt: skip
    text = paragraph(
        say(
            "A metric adds to final confidence when the interval of its cross-fitted gain in AUROC lies above zero and "
            "its regression is significant after Holm's correction over the metrics of that run and task. That was so "
            "for at least one metric in {adding} of {tested} combinations of run and task; with so many combinations "
            "a single one is no finding.",
            adding=count(adding), tested=count(tested),
        )
    )  # fmt: skip
    return Section(
        "Does any readout predict errors beyond final confidence?",
        (*text, Table("prediction", columns, tuple(rows)), *pictures),
    )


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


def format_section(material: Material) -> Section:
    """Format errors against knowledge errors where prompts differ."""
    rows = []
    for task in ("weird_mini", "ruclevr_mini"):
        one = material.analyses[MAIN, task]
        scores = one.scores.by_name
        rows.append(
            (
                words(task), interval(scores.get("exact_match"), share=True),
                interval(scores.get("exact_match_lenient"), share=True),
                interval(one.overview.format_errors, share=True), count(one.overview.n_wrong),
            )
        )  # fmt: skip
    columns = (
        "task",
        "strict score",
        "lenient score",
        "answers that name no candidate",
        "wrong answers among the candidates",
    )
    text = paragraph(
        say(
            "The strict score is what the benchmark reports. What lies between it and the lenient one is form: the "
            "answer named was right. Questions about errors leave both format errors and such answers out of the wrong "
            "ones."
        )
    )
    return Section("Errors of form and errors of knowledge", (*text, Table("formats", columns, tuple(rows))))


def mass_section(material: Material) -> Section:
    """Where the method itself fails: early layers, positions that were not found."""
    rows = []
    for name in (MAIN, *PROMPTS):
        for task, one in material.of(name).items():
            mass = one.curves.mass[0].curve.mean if one.curves.mass else None
            shares = (decimal(float(mass[place]) if mass is not None else None, 3) for place in (0, 2, 4, -1))
            status = listed([f"{status}: {number}" for status, number in one.overview.status.items()])
            rows.append((words(name), words(task), *shares, status))
    columns = (
        "run", "task", "mass, first layer", "mass, third layer", "mass, fifth layer", "mass, last layer",
        "status of samples",
    )  # fmt: skip
    missed = sum(_missed(one) for one in material.analyses.values())
    text = paragraph(
        say(
            "Where all candidates together have little probability, which of them leads says little: the readout is "
            "not about the question there. A sample in whose answer no position could be found carries a status, "
            "takes no part above, and is counted here; over all runs these are {missed} of {n} samples, {bare} of "
            "them from the prompt without the chat template.",
            missed=count(missed), bare=count(sum(_missed(one) for one in material.of("prompt_bare").values())),
            n=count(sum(one.overview.n for one in material.analyses.values())),
        )
    )  # fmt: skip
    return Section("Where the method itself fails", (*text, Table("mass", columns, tuple(rows))))


def _missed(one: Analysis) -> int:
    """Samples without a readout."""
    return sum(number for status, number in one.overview.status.items() if status != "ok")
