"""Lift of the maps by question type, and which of them hold in most videos or pictures."""

from __future__ import annotations

from collections.abc import Iterator

from lens_report.measures import Picture
from lens_report.measures.picture import ATTENTION, NEAR, RELATIVE, WORDS, QuestionLift
from lens_report.measures.picture.contrasts import NULL_TRACKS
from lens_report.presentation.document.blocks import Block, Sentence, Table, bullets, say
from lens_report.presentation.document.shown import Shown, count, interval, listed, p_value, words
from lens_report.presentation.findings.rules import LEVEL
from lens_report.stats.results import MIN_CLUSTERS

NAMES = {ATTENTION: "attention", RELATIVE: "relative attention", WORDS: "words", NEAR: "nearness"}
_MOST = 0.5


def question_blocks(found: Picture) -> tuple[Block, ...]:
    """Sentences and a table; nothing for a task without several question types."""
    rows = found.by_question.rows
    if not rows and not found.by_question.left_out:
        return ()
    return (*bullets(list(_patterns(found))), *((_table(found),) if rows else ()))


def is_pattern(one: QuestionLift) -> bool:
    """Whether the map may be said to lie in what is asked about in most videos: denser than in its null on average, by
    interval and corrected test, and so in more than half of the videos, by the interval of their share."""
    difference = one.null.difference
    denser = (difference.low or 0) > 0 and one.null.p_holm is not None and one.null.p_holm < LEVEL
    return denser and (one.above.low or 0) > _MOST


def _patterns(found: Picture) -> Iterator[Sentence]:
    clusters = _clusters(found)
    for of, name in NAMES.items():
        own = [one for one in found.by_question.rows if one.null.of == of]
        held = [one.question for one in own if is_pattern(one)]
        if held:
            yield say(
                "Of {n} question types, the {map} map is denser than in {null} in most {clusters} for {k}: {names}.",
                n=count(len(own)), map=words(name), null=words(found.null), clusters=words(clusters),
                k=count(len(held)), names=listed(held), headline=True,
            )  # fmt: skip
        elif own:
            yield say(
                "For none of {n} question types could be shown that the {map} map is denser than in {null} in most "
                "{clusters}.",
                n=count(len(own)), map=words(name), null=words(found.null), clusters=words(clusters),
            )  # fmt: skip
    if found.by_question.left_out:
        yield say(
            "Question types of fewer than {least} {clusters} are not in the table: {names}.",
            least=count(MIN_CLUSTERS), clusters=words(clusters), names=listed(list(found.by_question.left_out)),
        )  # fmt: skip


def _table(found: Picture) -> Table:
    clusters = _clusters(found)
    columns = (
        "question type", "map", "samples", clusters, "lift", found.null, "lift minus null", "p", "p (Holm)",
        "minus other objects", f"{clusters} above null", "in most",
    )  # fmt: skip
    note = say(
        "Lift of the map in what is asked about, beside that of its null; intervals clustered by {cluster}, paired "
        "tests, Holm's correction over all rows. Above null: share of the {clusters} in which the mean lift is above "
        "that of the null. In most: the difference holds, and the interval of that share lies above one half.",
        cluster=words(clusters.removesuffix("s")), clusters=words(clusters),
    )  # fmt: skip
    return Table("lift_by_question", columns, tuple(_row(one) for one in found.by_question.rows), (note,))


def _row(one: QuestionLift) -> tuple[Shown, ...]:
    null = one.null
    return (
        words(one.question), words(NAMES[null.of]), count(null.difference.n), count(null.difference.n_clusters),
        interval(null.own, 2), interval(null.other, 2), interval(null.difference, 2), p_value(null.p),
        p_value(null.p_holm), interval(one.other.difference if one.other else None, 2), interval(one.above, share=True),
        words("yes" if is_pattern(one) else "not shown"),
    )  # fmt: skip


def _clusters(found: Picture) -> str:
    return "videos" if found.null == NULL_TRACKS else "pictures"
