"""Lift of the maps by question type, and which of them hold in most videos or pictures."""

from __future__ import annotations

from collections.abc import Iterator

from lens_report.measures import Picture
from lens_report.measures.picture import QuestionLift
from lens_report.measures.picture.contrasts import NULL_TRACKS, OTHER_OBJECTS
from lens_report.presentation.document.blocks import Block, Sentence, Table, bullets, say
from lens_report.presentation.document.shown import Shown, count, interval, listed, named, p_value, words
from lens_report.presentation.findings.in_boxes import MAPS, OWN, above
from lens_report.stats.results import MIN_CLUSTERS

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
    return above(one.contrast) and (one.above.low or 0) > _MOST


def _patterns(found: Picture) -> Iterator[Sentence]:
    clusters = _clusters(found)
    kinds = dict.fromkeys((one.contrast.of, one.contrast.against) for one in found.by_question.rows)
    for of, against in kinds:
        own = [one for one in found.by_question.rows if (one.contrast.of, one.contrast.against) == (of, against)]
        held = [one.question for one in own if is_pattern(one)]
        if held:
            yield say(
                "For {k} of {n} question types, the {map} is denser in the {place} of what is asked about than in "
                "{null} in most {clusters}: {names}.",
                n=count(len(own)), map=words(MAPS[of]), place=words(OWN[against]), null=words(_named(against)),
                clusters=words(clusters), k=count(len(held)), names=listed(held), headline=True,
            )  # fmt: skip
        else:
            yield say(
                "For none of {n} question types could be shown that the {map} is denser in the {place} of what is "
                "asked about than in {null} in most {clusters}.",
                n=count(len(own)), map=words(MAPS[of]), place=words(OWN[against]), null=words(_named(against)),
                clusters=words(clusters),
            )  # fmt: skip
    if found.by_question.left_out:
        yield say(
            "Question types of fewer than {least} {clusters} are not in the table: {names}.",
            least=count(MIN_CLUSTERS), clusters=words(clusters), names=listed(list(found.by_question.left_out)),
        )  # fmt: skip


def _table(found: Picture) -> Table:
    clusters = _clusters(found)
    columns = (
        "question type", "map", "samples", clusters, "lift", "held against", "other", "lift minus other", "p",
        "p (Holm)", f"{clusters} in which it is above", "in most",
    )  # fmt: skip
    note = say(
        "Lift of the map in what is asked about, and what it is held against; intervals clustered by {cluster}, paired "
        "tests, Holm's correction over all rows. Above: share of the {clusters} in which the mean lift is above the "
        "other. In most: the difference holds, and the interval of that share lies above one half.",
        cluster=words(clusters.removesuffix("s")), clusters=words(clusters),
    )  # fmt: skip
    return Table("lift_by_question", columns, tuple(_row(one) for one in found.by_question.rows), (note,))


def _row(one: QuestionLift) -> tuple[Shown, ...]:
    held = one.contrast
    return (
        named(one.question), words(MAPS[held.of]), count(held.difference.n), count(held.difference.n_clusters),
        interval(held.own, 2), words(held.against), interval(held.other, 2), interval(held.difference, 2),
        p_value(held.p), p_value(held.p_holm), interval(one.above, share=True),
        words("shown" if is_pattern(one) else "not shown"),
    )  # fmt: skip


def _named(against: str) -> str:
    return "the tracks of other objects" if against == OTHER_OBJECTS else against


def _clusters(found: Picture) -> str:
    return "videos" if found.null == NULL_TRACKS else "pictures"
