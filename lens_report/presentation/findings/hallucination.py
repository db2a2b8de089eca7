"""Sentences and the table about answers "yes" where the object is absent."""

from __future__ import annotations

from collections.abc import Iterator

from lens_report.measures import Analysis
from lens_report.measures.picture import Detector, Hallucination
from lens_report.presentation.document.blocks import Block, Sentence, Table, bullets, paragraph, say
from lens_report.presentation.document.shown import Shown, count, interval, listed, named, p_value, percent, words
from lens_report.presentation.findings.rules import LEVEL


def hallucination_blocks(analysis: Analysis) -> tuple[Block, ...]:
    """The table; nothing where no probe of the picture ran or the task is not all of one yes-or-no form."""
    found = analysis.picture.hallucination if analysis.picture else None
    if found is None:
        return ()
    answer, n, absent = named(found.positive), count(found.n), count(found.n_absent)
    if found.why_none:
        return paragraph(
            say(
                'Of {n} answers "{answer}", {absent} are about what is absent (the other answer is right); nothing can '
                "be said about telling them apart: {why}.",
                answer=answer, n=n, absent=absent, why=words(found.why_none), headline=True,
            )
        )  # fmt: skip
    first = say(
        'Of {n} answers "{answer}" in {clusters} clusters, {absent} are about what is absent: the other answer is '
        "right. Each figure is ranked by whether it tells these from the rest.",
        answer=answer, n=n, absent=absent, clusters=count(found.n_clusters),
    )  # fmt: skip
    return (*paragraph(first), *bullets(list(_claims(found))), _table(found))


def beats(one: Detector) -> bool:
    """Whether a figure may be said to tell absent objects better than the best baseline."""
    gap = one.over_best
    return gap is not None and (gap.low or 0) > 0 and one.p_holm is not None and one.p_holm < LEVEL


def _claims(found: Hallucination) -> Iterator[Sentence]:
    best = next((one for one in found.baselines if one.column == found.best), None)
    if best is None:
        yield say("No confidence was recorded, so there is nothing to compare with.")
        return
    name, auroc = _name(best.column), interval(best.auroc)
    better = [one for one in found.detectors if beats(one)]
    for one in better:
        yield say(
            "{name} tells absent objects better than the best baseline, {best}: AUROC {auroc} against {best_auroc}, "
            "difference {gap}, p {p} after correction.",
            name=_name(one.column), auroc=interval(one.auroc), gap=interval(one.over_best), p=p_value(one.p_holm),
            best=name, best_auroc=auroc, headline=True,
        )  # fmt: skip
    if not better:
        yield say(
            "No figure of the picture was shown to tell absent objects better than the best baseline, {best} (AUROC "
            "{best_auroc}); tried: {names}.",
            best=name, best_auroc=auroc, headline=True,
            names=listed([_name(one.column).text for one in found.detectors]),
        )  # fmt: skip


def _table(found: Hallucination) -> Table:
    columns = (
        "figure",
        "expected with absent objects",
        "samples",
        "AUROC",
        "minus the best baseline",
        "p (Holm)",
        "note",
    )
    rows = tuple(
        (
            words(_name(one.column).text + (" (baseline)" if one in found.baselines else "")),
            words("high" if one.higher_means_absent else "low"), count(one.auroc.n), interval(one.auroc),
            interval(one.over_best), p_value(one.p_holm), words(one.auroc.note),
        )
        for one in (*found.baselines, *found.detectors)
    )  # fmt: skip
    note = say(
        "AUROC by chance is one half; below it a figure points the other way than fixed beforehand. The best baseline "
        "is chosen on the same answers, which favours it. Intervals: clustered DeLong, {level}; the differences "
        "are paired.",
        level=percent(0.95),
    )
    return Table("absent_objects", columns, rows, (note,))


def _name(column: str) -> Shown:
    return words(column.split(".", 1)[-1])
