"""Problems that the runs show, what can be done about each, and what that costs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from experiments.writeup.hypotheses import Depths
from experiments.writeup.material import MAIN, Material
from lens_report import Analysis
from lens_report.measures.abstention import KEPT
from lens_report.presentation.document.blocks import Section, Table, paragraph, say
from lens_report.presentation.document.shown import Shown, count, decimal, interval, percent, words
from lens_report.presentation.findings.rules import verdicts

Row = tuple[str, Shown, str, str, str]


def remedy_section(material: Material, depths: Depths) -> Section:
    """A table: problem, evidence, remedy, its strength, its weakness."""
    columns = ("problem", "seen here", "remedy", "what speaks for it", "what speaks against it")
    rows = tuple(
        (words(problem), seen, *(words(text) for text in rest)) for problem, seen, *rest in _rows(material, depths)
    )
    text = paragraph(
        say(
            "Each problem was met in these runs, and the figures beside it are theirs. Remedies that could be tested "
            "on the records were; the others say what they would need."
        )
    )
    return Section("Problems and remedies", (*text, Table("remedies", columns, rows)))


def _rows(material: Material, depths: Depths) -> Iterator[Row]:
    main = material.of(MAIN)
    yield (
        "Early layers hardly speak of the candidates, so who leads there says little.",
        _early_mass(main),
        "Read from the layer on at which the candidates have most of the probability; or train an affine map for each "
        "layer (tuned lens).",
        "The first is free, and the records hold the mass of every layer.",
        "The threshold is a choice; tuned maps must be trained for each model and may read what the model does not "
        "use.",
    )
    yield (
        "A strict score counts form as ignorance.",
        _forms(main["ruclevr_mini"]),
        "Report a lenient score and the share of format errors beside the benchmark's own.",
        "Nothing is run again; errors of form leave the list of wrong answers that lens metrics are tested on.",
        "A lenient rule can credit an answer that names the right word in passing.",
    )
    if ("prompt_bare", "ruclevr_mini_direct") in material.analyses:
        yield (
            "Without the chat template there is no answer to read.",
            _bare(material.analyses["prompt_bare", "ruclevr_mini_direct"]),
            "Use the template that the model was trained in; keep a status for every sample that was not read.",
            "The share that was read stands in every table, so that a silent gap cannot pass for a result.",
            "A status does not bring the answer back.",
        )
    yield (
        "Readouts of the layers rank errors, yet hardly beyond what the last layer says.",
        _ranking(material),
        "Take the final confidence for abstaining and as the baseline of any new metric.",
        "It costs nothing, and the gain of each metric over it is tested in every report.",
        "It says nothing about confident errors.",
    )
    yield (
        "Contrasting layers breaks more answers than it fixes.",
        _dola(main["clevr_mini"]),
        "Judge a contrast on held-out samples of the same task before it is switched on.",
        "The records suffice; no model runs.",
        "Candidates alone are compared, where a decoder in the model chooses among all tokens.",
    )
    yield (
        "The order in which concepts become readable stays open.",
        _spread(depths),
        "Ask more questions of each kind: the width of an interval falls with the square root of their number.",
        "The question generator makes as many as are wanted, with the answers known by construction.",
        "On real benchmarks the number of questions is given.",
    )


def _fact(template: str, **values: Shown) -> Shown:
    """A sentence made from numbers as the cell of a table."""
    return Shown([value.value for value in values.values()], say(template, **values).text)


def _early_mass(main: dict[str, Analysis]) -> Shown:
    mass = {task: one.curves.mass[0].curve.mean for task, one in main.items() if one.curves.mass}
    task = min(mass, key=lambda name: float(mass[name][0]))
    return _fact(
        "{task}: the candidates have {first} of the probability after the first block and {last} after the last",
        task=words(task), first=decimal(float(mass[task][0])), last=decimal(float(mass[task][-1])),
    )  # fmt: skip


def _forms(one: Analysis) -> Shown:
    scores = one.scores.by_name
    return _fact(
        "{task}: strict {strict}, lenient {lenient}",
        task=words(one.task_run.task), strict=interval(scores.get("exact_match"), share=True),
        lenient=interval(scores.get("exact_match_lenient"), share=True),
    )  # fmt: skip


def _bare(one: Analysis) -> Shown:
    return _fact(
        "{task}: read out in {coverage} of {n} samples",
        task=words(one.task_run.task), coverage=interval(one.overview.coverage, share=True), n=count(one.overview.n),
    )  # fmt: skip


def _ranking(material: Material) -> Shown:
    found = [one.prediction for one in material.analyses.values() if one.prediction.ranking]
    associated = sum(bool(verdicts(one).associated) for one in found)
    adding = sum(bool(verdicts(one).adding) for one in found)
    abstained = material.analyses[MAIN, "clevr_mini"].abstentions
    base = abstained.scores[0].curve
    place = int(np.abs(base.coverage - KEPT).argmin())
    return _fact(
        "of {n} runs and tasks some metric ranks errors in {a}, and adds to final confidence in {b}; clevr_mini: "
        "{all} of the answers wrong, {kept} of those kept when the least confident are given up",
        n=count(len(found)), a=count(associated), b=count(adding),
        all=percent(abstained.n_wrong / abstained.n), kept=percent(float(base.risk[place])),
    )  # fmt: skip


def _dola(one: Analysis) -> Shown:
    result = next(each.result for each in one.decoders.outcomes if each.name == "DoLa contrast")
    if result is None:
        return words("could not be computed")
    return _fact(
        "{task}: accuracy {gap} against the final layer, {fixed} fixed, {broken} broken",
        task=words(one.task_run.task), gap=interval(result.difference, share=True), fixed=count(result.b_higher),
        broken=count(result.a_higher),
    )  # fmt: skip


def _spread(depths: Depths) -> Shown:
    found = depths.difference(MAIN, task="clevr_mini", first="existence", second="colour")
    if found is None:
        return words("could not be computed")
    return _fact(
        "clevr_mini, colour minus existence: {gap} layers over {n} questions",
        gap=interval(found[0], 2), n=count(found[0].n),
    )  # fmt: skip
