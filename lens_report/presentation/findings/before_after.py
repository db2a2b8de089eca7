"""Sentences about the same questions before and after something was shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lens_report.measures import BeforeAfter
from lens_report.presentation.document.blocks import Block, Sentence, Table, bullets, say
from lens_report.presentation.document.shown import count, interval, named, p_value, percent, words
from lens_report.presentation.findings.rules import LEVEL

__all__ = ["before_after_blocks"]


def before_after_blocks(found: Sequence[BeforeAfter]) -> tuple[Block, ...]:
    """What was learnt and lost, in words and a table."""
    if not found:
        return ()
    columns = (
        "run", "before", "after", "score", "questions", "right before", "right after", "after minus before", "p",
        "gain", "learnt of those wrong before", "lost of those right before", "other gold",
    )  # fmt: skip
    rows = tuple(
        (
            named(one.run), named(one.before), named(one.after), words(one.score),
            count(one.comparison.difference.n), percent(one.comparison.mean_a), percent(one.comparison.mean_b),
            interval(one.comparison.difference, share=True), p_value(one.comparison.p_value),
            interval(one.gain, share=True), interval(one.learnt, share=True), interval(one.lost, share=True),
            count(one.relabelled),
        )
        for one in found
    )  # fmt: skip
    note = say(
        "The gain is (after − before) / (one hundred − before), of the share of right answers in per cent: VideoMMMU's "
        "Δknowledge. Its interval is that of a ratio, clustered."
    )
    sentences = [sentence for one in found for sentence in _sentences(one)]
    return (*bullets(sentences), Table("before_after", columns, rows, (note,)))


def _sentences(one: BeforeAfter) -> Iterator[Sentence]:
    if one.comparison.difference.value is None:
        yield say("{after} and {before} share no judged questions.", after=named(one.after), before=named(one.before))
        return
    p = one.comparison.p_value
    shown = "the difference cannot be tested" if p is None else "no difference could be shown"
    if p is not None and p < LEVEL:
        shown = "more is right after" if one.comparison.difference.value > 0 else "more is wrong after"
    yield say(
        "{run}: from {before} to {after} the share of right answers goes from {a} to {b} on {n} questions, a gain of "
        "{gain}; {verdict} (p {p}). {learnt} of what was wrong became right, {lost} of what was right became wrong.",
        run=named(one.run), before=named(one.before), after=named(one.after), a=percent(one.comparison.mean_a),
        b=percent(one.comparison.mean_b), n=count(one.comparison.difference.n), gain=interval(one.gain, share=True),
        verdict=words(shown), p=p_value(p), learnt=percent(one.learnt.value), lost=percent(one.lost.value),
        headline=True,
    )  # fmt: skip
    layers = one.layers
    if layers is not None and layers.depth.n:
        yield say(
            "{run}: of the questions that became right, the right answer already led in some layer before in {held} "
            "(n = {n}); after, it leads to the end from relative depth {depth} on, against {known} where the answer "
            "was right both times. Questions are sorted by their answers here, so this describes and proves nothing.",
            run=named(one.run), held=interval(layers.held_before, share=True), n=count(layers.held_before.n),
            depth=interval(layers.depth, 2), known=interval(layers.depth_known, 2),
        )  # fmt: skip
