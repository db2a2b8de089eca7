"""Sentences and a table about runs under interventions, by task."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lens_report.measures.effects import Effect
from lens_report.presentation.document.blocks import Block, Sentence, Table, bullets, say
from lens_report.presentation.document.shown import (
    Shown,
    count,
    decimal,
    interval,
    named,
    p_value,
    percent,
    words,
)
from lens_report.presentation.findings.rules import LEVEL

__all__ = ["effect_blocks", "remarks"]

_COLUMNS = (
    "task", "run", "intervention", "samples", "base", "with it", "difference", "p (Holm)", "corrected", "broken",
    "recovers what was lost", "positions ×", "head products ×", "time ×", "remarks",
)  # fmt: skip


def effect_blocks(effects: Sequence[Effect]) -> tuple[Block, ...]:
    """What helps and what harms, task by task, and the table; nothing where there are no effects."""
    if not effects:
        return ()
    said = [sentence for one in effects for sentence in _said(one)]
    table = Table("effects", _COLUMNS, tuple(_cells(one) for one in effects), (_note(len(effects)),))
    return (*bullets([*said, *_without_gain(effects)]), table)


def _without_gain(effects: Sequence[Effect]) -> Iterator[Sentence]:
    """The tasks on which nothing that was tried is shown to help."""
    for task in dict.fromkeys(one.comparison.task for one in effects):
        tried = [one for one in effects if one.comparison.task == task]
        tested = [one for one in tried if one.p_holm is not None]
        if tested and not any(_raises(one) for one in tested):
            yield say(
                "{task}: none of the {n} changes that were tried and tested is shown to help.",
                task=named(task), n=count(len(tested)), headline=True,
            )  # fmt: skip


def _raises(one: Effect) -> bool:
    return one.p_holm is not None and one.p_holm < LEVEL and (one.comparison.result.difference.value or 0) > 0


def _cells(one: Effect) -> tuple[Shown, ...]:
    result = one.comparison.result
    return (
        named(one.comparison.task), named(one.comparison.second), words(one.changes or "none named"),
        count(result.difference.n), percent(result.mean_a), percent(result.mean_b),
        interval(result.difference, share=True), p_value(one.p_holm), count(result.b_higher), count(result.a_higher),
        interval(one.recovered, share=True), decimal(one.cost.positions, 2), decimal(one.cost.head_products, 2),
        decimal(one.cost.seconds, 2), words("; ".join(remarks(one))),
    )  # fmt: skip


def remarks(one: Effect) -> Iterator[str]:
    """What is to be said of an effect beside its numbers."""
    if one.chosen_among is not None:
        yield f"best of {one.chosen_among} on other samples"
    if one.comparison.differs:
        yield f"also differs in {', '.join(one.comparison.differs)}"
    if one.comparison.result.difference.note:
        yield one.comparison.result.difference.note


def _said(one: Effect) -> Iterator[Sentence]:
    result = one.comparison.result
    if one.p_holm is None or one.p_holm >= LEVEL or result.difference.value is None:
        return
    verb = "raises" if result.difference.value > 0 else "lowers"
    yield say(
        "{task}: {changes} {verb} the score by {difference} (percentage points, p {p} after Holm): {corrected} "
        "corrected, {broken} broken.",
        task=named(one.comparison.task), changes=named(one.changes or one.comparison.second), verb=words(verb),
        difference=interval(result.difference, share=True), p=p_value(one.p_holm),
        corrected=count(result.b_higher), broken=count(result.a_higher), headline=True,
    )  # fmt: skip


def _note(tried: int) -> Sentence:
    return say(
        "Paired by sample, clustered by picture; p is corrected for all {tried} comparisons of this table. Corrected: "
        "wrong in the base and right with it. Recovers what was lost: among the base's errors, the share corrected "
        "where the right answer led clearly in some layer and was lost, minus the share where it was not. Costs of an "
        "answer are multiples of the base's: positions through the decoder and residual vectors times the output "
        "embedding are counted and the same everywhere; time depends on the machine and on what else it did.",
        tried=count(tried),
    )
