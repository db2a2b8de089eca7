"""Sentences about where the answer appears, settles and is lost."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lens_report.measures import Analysis
from lens_report.measures.curves import RIGHT, WRONG, GroupCurve
from lens_report.presentation.document.blocks import Block, Sentence, paragraph, say
from lens_report.presentation.document.shown import count, decimal, interval, percent, words
from lens_report.stats import EmergenceCurve, Estimate


def layer_blocks(analysis: Analysis) -> tuple[Block, ...]:
    """Curves in words."""
    return paragraph(*_accuracy(analysis), *_uncertainty(analysis))


def emergence_blocks(analysis: Analysis) -> tuple[Block, ...]:
    """By which layer the right answer was there."""
    found = analysis.emergence
    if found is None:
        return paragraph(say("No sample has a gold answer that was read, so nothing can be said about its emergence."))
    return paragraph(
        _emerged(found.first, "for a while, with candidate mass above the threshold", headline=False),
        _against_shuffled(found.first, found.shuffled),
        _emerged(found.stable, "up to the last layer", headline=True),
    )


def lost_blocks(analysis: Analysis) -> tuple[Block, ...]:
    """Lost beside corrected, never one without the other."""
    found = analysis.emergence
    if found is not None and not analysis.task_run.closed:
        return paragraph(
            say("The candidates are not known beforehand, so nothing can be said about lost and corrected answers.")
        )
    if found is None or ("all" not in found.lost and "all" not in found.corrected):
        return paragraph(say("No sample has both a verdict and a gold answer that was read."))
    lost, corrected = found.lost.get("all"), found.corrected.get("all")
    return paragraph(
        say(
            "Of {wrong} wrong answers, the right one had led clearly before and was lost in {lost}; of {right} right "
            "answers, a wrong one had led clearly before and was corrected in {corrected}.",
            wrong=count(lost.n if lost else 0), lost=interval(lost, share=True),
            right=count(corrected.n if corrected else 0), corrected=interval(corrected, share=True), headline=True,
        ),
        _apart(lost, corrected),
    )  # fmt: skip


def _accuracy(analysis: Analysis) -> Iterator[Sentence]:
    curves = analysis.curves
    if not curves.accuracy:
        yield say("No sample has a gold answer that was read, so there is no accuracy by layer.")
        return
    curve = curves.accuracy[0].curve
    among = "the candidates" if analysis.task_run.among_candidates else "all tokens"
    yield say(
        "Among {among}, gold leads in {last} of {n} samples at layer {layer}, the last one read, and in {first} at "
        "layer {start}.",
        among=words(among), last=percent(float(curve.mean[-1])), n=count(int(curve.n[-1])),
        layer=count(int(curves.layers[-1])), first=percent(float(curve.mean[0])), start=count(int(curves.layers[0])),
    )  # fmt: skip
    if curves.mass:
        theta = analysis.task_run.threshold("theta", 0.1)
        above = np.flatnonzero(curves.mass[0].curve.mean > theta)
        if above.size and above[0] == 0:
            yield say(
                "On average the candidates have more than {theta} of the probability from the first layer read on.",
                theta=decimal(theta, 2),
            )
        elif above.size:
            yield say(
                "On average the candidates have more than {theta} of the probability from layer {layer} on; before it, "
                "who leads says little.",
                theta=decimal(theta, 2), layer=count(int(curves.layers[above[0]])),
            )  # fmt: skip
        else:
            yield say(
                "On average the candidates never have more than {theta} of the probability, so who leads says little "
                "at any layer.",
                theta=decimal(theta, 2),
            )


def _uncertainty(analysis: Analysis) -> Iterator[Sentence]:
    last = {line.group: line for line in analysis.curves.entropy}
    if RIGHT in last and WRONG in last:
        right, wrong = _at_end(last[RIGHT]), _at_end(last[WRONG])
        yield say(
            "At the last layer the entropy is {wrong} nats in wrong answers and {right} in right ones.",
            wrong=interval(wrong, 2), right=interval(right, 2),
        )  # fmt: skip


def _at_end(line: GroupCurve) -> Estimate:
    curve = line.curve
    low, high = (None if not np.isfinite(end[-1]) else float(end[-1]) for end in (curve.low, curve.high))
    note = "" if low is not None else "too few clusters for an interval"
    return Estimate(float(curve.mean[-1]), low, high, int(curve.n[-1]), int(curve.n_clusters[-1]), note=note)


def _emerged(curve: EmergenceCurve, how: str, *, headline: bool) -> Sentence:
    share, n = interval(curve.emerged, share=True), count(curve.emerged.n)
    if curve.median.value is None:
        return say(
            "The right answer led {how} in {share} of {n} samples; with less than half there is no median layer.",
            how=words(how), share=share, n=n, headline=headline,
        )  # fmt: skip
    return say(
        "The right answer led {how} in {share} of {n} samples; half of them all had it by layer {median}.",
        how=words(how), share=share, n=n, median=interval(curve.median, 0), headline=headline,
    )  # fmt: skip


def _against_shuffled(first: EmergenceCurve, shuffled: EmergenceCurve | None) -> Sentence | None:
    if shuffled is None or shuffled.emerged.value is None:
        return None
    share = interval(shuffled.emerged, share=True)
    order = _order(first.emerged, shuffled.emerged)
    if order is None:
        return say("With gold answers shuffled among the samples the share is {share}.", share=share)
    if order == 0:
        return say(
            "With gold answers shuffled among the samples the share is {share}: the intervals overlap, so such leads "
            "cannot be told from chance.",
            share=share,
        )
    more = "more" if order > 0 else "fewer"
    return say(
        "With gold answers shuffled among the samples the share is {share}: {more} samples than by chance have it.",
        share=share, more=words(more),
    )  # fmt: skip


def _apart(lost: Estimate | None, corrected: Estimate | None) -> Sentence:
    order = None if lost is None or corrected is None else _order(lost, corrected)
    if order is None:
        return say("There are too few answers of one kind to set the two shares against each other.")
    if order == 0:
        return say("The intervals overlap: the two cannot be told apart here.")
    if order > 0:
        return say("The intervals do not overlap: a clear lead that turns over is associated with wrong answers.")
    return say("The intervals do not overlap: a clear lead that turns over is associated with right answers.")


def _order(a: Estimate, b: Estimate) -> int | None:
    """1 when a's interval lies above b's, -1 below, 0 when they overlap, None when one is missing."""
    if a.low is None or a.high is None or b.low is None or b.high is None:
        return None
    return int(a.low > b.high) - int(a.high < b.low)
