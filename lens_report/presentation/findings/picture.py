"""Sentences about where in the picture: no more than intervals and tests corrected over the whole section allow."""

from __future__ import annotations

from collections.abc import Iterator

from lens_report.measures import Analysis, Picture
from lens_report.measures.curves import ALL
from lens_report.measures.picture import (
    ATTENTION,
    BOXES,
    TRACK,
    WORDS,
    Contrast,
    LiftByLayer,
)
from lens_report.measures.picture.contrasts import (
    ABOVE_NULL,
    AUROC,
    CORRELATION,
    DROP,
    HIDDEN_LIFT,
    LIFT,
    NULL_TRACKS,
    NULLS,
    POINTING,
    RANDOM,
    WITHIN_TYPES,
)
from lens_report.measures.picture.other_question import MOST_SHARED
from lens_report.presentation.document.blocks import Block, Sentence, Table, bullets, paragraph, say
from lens_report.presentation.document.shown import count, decimal, interval, listed, named, p_value, percent, words
from lens_report.presentation.findings.by_question import question_blocks
from lens_report.presentation.findings.errors import ranges
from lens_report.presentation.findings.in_boxes import (
    MAPS,
    above,
    correlation_sentence,
    further_sentence,
    hidden_sentence,
    lift_sentence,
    moves_nothing,
    numbers_of,
    verdict,
)
from lens_report.presentation.findings.rules import LEVEL

MASKS = {
    BOXES: "in the boxes of what is asked about",
    TRACK: "in the track of what is asked about",
    ATTENTION: "with the largest values of the attention map",
    WORDS: "with the largest values of the words' map",
}


def picture_blocks(analysis: Analysis) -> tuple[Block, ...]:
    """Maps against boxes, masks, other questions; nothing where no probe of the picture ran."""
    found = analysis.picture
    if found is None:
        return ()
    sentences = [
        *(_drop(one) for one in found.contrasts if one.measure == DROP),
        *(lift_sentence(one) for one in found.contrasts if one.measure == LIFT and one.group == ALL),
        *(further_sentence(one) for one in found.contrasts if one.measure in (POINTING, AUROC) and one.group == ALL),
        *(hidden_sentence(one) for one in found.contrasts if one.measure == HIDDEN_LIFT),
        *(correlation_sentence(one) for one in found.contrasts if one.measure == CORRELATION),
        *_by_verdict(found),
        *(_layers(one) for one in found.by_layer),
        *_moves(found),
        *_other_questions(found),
    ]
    if not sentences:
        why = "No map could be held against a box and no mask was read; the table says why."
        return (*paragraph(say(why, headline=True)), *_unmeasured(found))
    return (
        *bullets(sentences),
        *_table(found),
        *question_blocks(found),
        *_unmeasured(found),
        *paragraph(_family(found)),
    )


def _by_verdict(found: Picture) -> Iterator[Sentence]:
    for one in found.contrasts:
        if one.measure == ABOVE_NULL:
            yield say(
                "Among right answers the lift of the {map} is {right} above that of its null (n = {n_right}), among "
                "wrong ones {wrong} (n = {n_wrong}); {gap_of} {gap}, p {p} after correction: {verdict}.",
                gap_of=words("difference within question types" if one.group == WITHIN_TYPES else "difference"),
                map=words(MAPS[one.of]), right=interval(one.own, 2), n_right=count(one.own.n),
                wrong=interval(one.other, 2), n_wrong=count(one.other.n), gap=interval(one.difference, 2),
                p=p_value(one.p_holm), verdict=verdict(one, "it is higher for right answers", "it is lower for them"),
            )  # fmt: skip


def _layers(one: LiftByLayer) -> Sentence:
    higher = one.own.mean > one.null.mean
    hit = [
        int(layer)
        for layer, p, up in zip(one.layers, one.p_holm, higher, strict=True)
        if up and p is not None and p < LEVEL
    ]
    return say(
        "Layer by layer, the lift of the {map} is above its null at layers: {layers} (of {n} read, p below {level} "
        "after correction for the layers of all maps).",
        map=words(MAPS[one.of]), layers=words(ranges(hit) or "none"), n=count(one.layers.size), level=decimal(LEVEL, 2),
    )  # fmt: skip


def _drop(one: Contrast) -> Sentence:
    others = "as many random ones" if one.against == RANDOM else f"as many in {one.against}"
    return say(
        "Without the image tokens {mask} the log-odds of the answer drop by {own} nats, without {others} by {other}; "
        "difference {gap}, p {p} after correction (n = {n}): {verdict}.",
        **numbers_of(one), mask=words(MASKS[one.of]), others=words(others),
        headline=one.of in (BOXES, TRACK),
        verdict=verdict(
            one, "the answer depends on them more than on the others", "it depends on the others more than on them"
        ),
    )  # fmt: skip


def _moves(found: Picture) -> Iterator[Sentence]:
    """What a map's figures in the boxes and its mask say together, where it beats its null by any of the figures."""
    drops = {one.of: one for one in found.contrasts if one.measure == DROP and one.against == RANDOM}
    for of, name in MAPS.items():
        won = [
            one.measure
            for one in found.contrasts
            if one.of == of
            and one.against in NULLS
            and one.measure in (LIFT, POINTING, AUROC)
            and one.group == ALL
            and above(one)
        ]
        drop = drops.get(of)
        if not won:
            continue
        if drop is None:
            yield say(
                "The {map} beats its null ({by}), but no mask of its largest values was read, so nothing here says "
                "whether the answer depends on them.",
                map=words(name), by=listed(won),
            )  # fmt: skip
        elif moves_nothing(drop):
            yield say(
                "The {map} looks right and moves nothing that could be shown: it beats its null ({by}), but without "
                "the image tokens of its largest values the answer drops no more than without as many random ones "
                "(difference {gap} nats).",
                map=words(name), by=listed(won), gap=interval(drop.difference, 2), headline=True,
            )  # fmt: skip
        elif above(drop):
            yield say(
                "The {map} beats its null ({by}), and the answer depends on the image tokens of its largest values "
                "more than on random ones (difference {gap} nats).",
                map=words(name), by=listed(won), gap=interval(drop.difference, 2), headline=True,
            )  # fmt: skip


def _other_questions(found: Picture) -> Iterator[Sentence]:
    for of, compared in found.other_question.items():
        one = compared.contrast
        if one is not None:
            yield say(
                "In this question's boxes, its own {map} has lift {own}, that of other questions about the same "
                "picture {other}; difference {gap}, p {p} after correction (n = {n}): {verdict}. It is taken from the "
                "stored maps; of the other question's boxes at most {share} lie in this one's.",
                **numbers_of(one), map=words(MAPS[of]), headline=True,
                share=percent(MOST_SHARED),
                verdict=verdict(
                    one,
                    "the map follows the question",
                    "the maps of other questions lie there more than its own",
                    "nothing could be shown of the map following the question",
                ),
            )  # fmt: skip
        if compared.left_out:
            why = "; ".join(f"{reason}: {n}" for reason, n in compared.left_out.items())
            yield say(
                "Not compared with the {map} of another question, because the stored maps do not allow it: {why}.",
                map=words(MAPS[of]), why=words(why),
            )  # fmt: skip


def _table(found: Picture) -> tuple[Block, ...]:
    others = [one.contrast for one in found.other_question.values() if one.contrast is not None]
    columns = ("figure", "of", "answers", "samples", "own", "held against", "other", "own minus other", "p", "p (Holm)")
    rows = tuple(
        (
            words(one.measure), words(_subject(one)), words(one.group), count(one.difference.n), interval(one.own),
            words(one.against), interval(one.other), interval(one.difference), p_value(one.p), p_value(one.p_holm),
        )
        for one in (*found.contrasts, *others)
    )  # fmt: skip
    note = say(
        "Lift: share of the map in the {boxes} over the share of image tokens in them. Pointing: the largest value "
        "lies in a box. AUROC: image tokens in the boxes against those outside. Drop: log-odds of the answer given, in "
        "nats. All with {level} intervals clustered by {picture}, each distinct question about a {picture} once; "
        "paired, but for right against wrong answers.",
        level=percent(0.95), boxes=words("boxes of the track" if found.null == NULL_TRACKS else "boxes"),
        picture=words("video" if found.null == NULL_TRACKS else "picture"),
    )  # fmt: skip
    return (Table("picture", columns, rows, (note,)),)


def _subject(one: Contrast) -> str:
    return f"mask {MASKS[one.of]}" if one.measure == DROP else MAPS[one.of]


def _unmeasured(found: Picture) -> tuple[Block, ...]:
    if not found.unmeasured:
        return ()
    rows = tuple((named(one.probe), named(one.status), count(one.n), words(one.reason)) for one in found.unmeasured)
    note = say("What was not measured, over all samples of the task, with the most frequent reason.")
    return (Table("picture_not_measured", ("probe or mask", "status", "samples", "reason"), rows, (note,)),)


def _family(found: Picture) -> Sentence:
    kinds = [
        f"{one.measure} of {one.of} against {one.against} ({one.group})" for one in found.contrasts if one.p is not None
    ]
    others = (one.contrast for one in found.other_question.values())
    kinds += [f"lift of {one.of} against {one.against}" for one in others if one is not None and one.p is not None]
    detectors = found.hallucination.detectors if found.hallucination else ()
    kinds += [f"AUROC of {one.column.split('.', 1)[-1]} for absent objects" for one in detectors if one.p is not None]
    return say(
        "Holm's correction is over all {n} tests of this section: {kinds}. The layers, and the table by "
        "question type, are corrected by themselves.",
        n=count(found.n_tests), kinds=words("; ".join(kinds) or "none"),
    )  # fmt: skip
