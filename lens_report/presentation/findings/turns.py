"""Sentences and the table by turn of a dialogue."""

from __future__ import annotations

from collections.abc import Iterator

from lens_report.measures import Analysis, Turns
from lens_report.presentation.document.blocks import Block, Sentence, Table, bullets, paragraph, say
from lens_report.presentation.document.shown import Shown, count, decimal, interval, p_value, percent, words
from lens_report.presentation.findings.rules import LEVEL
from lens_report.stats import AfterWrong
from lens_report.stats.results import MIN_CLUSTERS


def turn_blocks(analysis: Analysis) -> tuple[Block, ...]:
    """What there is by turn; nothing for a task without dialogues."""
    found = analysis.turns
    if found is None:
        return ()
    first = say(
        "The {n} questions belong to dialogues: {dialogues}. Each question is asked after the one before it; intervals "
        "are clustered by dialogue.",
        n=count(found.n), dialogues=count(found.n_dialogues),
    )  # fmt: skip
    return (*paragraph(first, _shown(found)), *bullets(list(_claims(found))), _table(found))


def differs_after_wrong(after: AfterWrong) -> bool:
    """Whether answers after a wrong one may be said to be right more or less often than by the order of the answers."""
    return after.p_value is not None and after.p_value < LEVEL


def _shown(found: Turns) -> Sentence | None:
    if found.shown is None:
        return say("Which earlier answers a prompt holds was not recorded.")
    return say(
        "Of the questions with an earlier neighbour, {share} were shown an earlier answer of the model.",
        share=percent(found.shown),
    )


def _claims(found: Turns) -> Iterator[Sentence]:
    after = found.after
    if after is None:
        yield say("What is right is not known, so nothing can be said about answers after a wrong one.", headline=True)
        return
    yield say(
        "After a wrong answer, {wrong} of the next ones are right ({n_wrong} of them), after a right one {right} "
        "({n_right}).",
        wrong=percent(after.after_wrong), right=percent(after.after_right),
        n_wrong=count(after.n_wrong), n_right=count(after.n_right),
    )  # fmt: skip
    if after.difference.value is None or after.by_order is None:
        yield say(
            "Within dialogues the two cannot be compared: {why}.",
            why=words(after.difference.note or "no other order of the answers has both kinds"), headline=True,
        )  # fmt: skip
        return
    values = {"gap": interval(after.difference), "expected": decimal(after.by_order), "p": p_value(after.p_value)}
    if differs_after_wrong(after):
        more = after.difference.value > after.by_order
        yield say(
            "Within dialogues, answers after a wrong one are right more often than the order of the answers would make "
            "them: difference {gap}, in other orders {expected} on average, p {p}."
            if more
            else "Within dialogues, answers after a wrong one are right less often than the order of the answers would "
            "make them: difference {gap}, in other orders {expected} on average, p {p}.",
            headline=True,
            **values,
        )
    else:
        yield say(
            "It was not shown that a wrong answer goes along with the next one: difference within dialogues {gap}, in "
            "other orders {expected} on average, p {p}.",
            headline=True,
            **values,
        )
    if found.depth_after is not None and found.depth_after.value is not None:
        yield say(
            "Commit depth after a wrong answer minus after a right one, within dialogues: {gap}.",
            gap=interval(found.depth_after),
        )


def _table(found: Turns) -> Table:
    columns = ("turn", "questions", "read", "right", "commit depth", "final probability")
    rows = tuple(
        (
            _span(one.first, one.last), count(one.n), interval(one.read, share=True), interval(one.right, share=True),
            interval(one.depth), interval(one.probability),
        )
        for one in found.groups
    )  # fmt: skip
    note = say(
        "Turns are numbered as in the documents. Commit depth and final probability are means over the answers that "
        "were read. A trend over the dialogue, and neighbours that are hard for the same reason, make answers after a "
        "wrong one differ as well: only a run in which the model is not shown its own answers can tell. With fewer "
        "dialogues than {least} there are no intervals; p-values are about other orders of the same answers.",
        least=count(MIN_CLUSTERS),
    )
    return Table("turns", columns, rows, (note,))


def _span(first: int, last: int) -> Shown:
    return count(first) if first == last else Shown([first, last], f"{first}–{last}")
