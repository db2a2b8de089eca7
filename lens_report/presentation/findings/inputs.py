"""Sentences about the image, about English equivalents by layer, and about two runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from lens_report.measures import Analysis, RunComparison
from lens_report.measures.curves import ALL
from lens_report.presentation.document.blocks import Block, Sentence, Table, bullets, paragraph, say
from lens_report.presentation.document.shown import count, interval, named, p_value, percent, words
from lens_report.presentation.findings.errors import ranges
from lens_report.presentation.findings.rules import LEVEL
from lens_report.stats import Estimate


def control_blocks(analysis: Analysis) -> tuple[Block, ...]:
    """What the controls say."""
    if analysis.controls is None:
        return paragraph(
            say(
                "No control was run, so nothing here says whether the readouts depend on the image. Add "
                "lens_controls=blank+shuffled to the model's arguments."
            )
        )
    scale = "log-odds" if analysis.controls.scale == "log_odds" else "log-probability"
    sentences = []
    for control in analysis.controls.controls:
        for group, estimate in control.final_gain.items():
            apart = estimate.low is not None and estimate.excludes_zero
            unsure = "the set is too small for an interval" if estimate.low is None else "no difference could be shown"
            sentences.append(
                say(
                    "Own image minus {control}, {group}: the {scale} of the answer given at the last layer differs by "
                    "{gain} nats (n = {n}); {verdict}.",
                    control=words(control.name), group=words(group), scale=words(scale), gain=interval(estimate, 2),
                    n=count(estimate.n), verdict=words("the interval is apart from zero" if apart else unsure),
                    headline=group == ALL,
                )
            )  # fmt: skip
    return bullets(sentences)


def pivot_blocks(analysis: Analysis) -> tuple[Block, ...]:
    """Whether the layers favour English."""
    found = analysis.pivot
    if found is None:
        return ()
    gap, ahead = found.gap.curve, found.ahead.curve
    above = [int(layer) for layer, low in zip(found.layers, gap.low, strict=True) if np.isfinite(low) and low > 0]
    peak = int(np.nanargmax(ahead.mean))
    return paragraph(
        say(
            "In {n} samples the English equivalent of the answer scores higher than the answer itself, on average and "
            "with the pointwise interval above zero, at layers: {layers}.",
            n=count(found.n), layers=words(ranges(above) or "none"), headline=True,
        ),
        say(
            "It is ahead most often at layer {layer}, in {share} of samples, and at the last layer in {last}.",
            layer=count(int(found.layers[peak])), share=percent(float(ahead.mean[peak])),
            last=percent(float(ahead.mean[-1])),
        ),
        say(
            "{n} samples whose candidates were scored as whole sequences are left out: their log-probabilities do "
            "not compare with logits.",
            n=count(found.n_sequences),
        )
        if found.n_sequences
        else None,
    )  # fmt: skip


def comparison_blocks(found: list[RunComparison]) -> tuple[Block, ...]:
    """Differences of runs in words and a table."""
    if not found:
        return ()
    columns = (
        "task", "first run", "second run", "score", "shared samples", "first", "second", "second minus first", "p",
        "only second right", "only first right", "other gold", "runs also differ in",
    )  # fmt: skip
    rows = tuple(
        (
            named(one.task), named(one.first), named(one.second), words(one.score), count(one.result.difference.n),
            percent(one.result.mean_a), percent(one.result.mean_b), interval(one.result.difference, share=True),
            p_value(one.result.p_value), count(one.result.b_higher), count(one.result.a_higher), count(one.relabelled),
            words(", ".join(one.differs) or "nothing"),
        )
        for one in found
    )  # fmt: skip
    sentences = [sentence for one in found for sentence in (_difference(one), *_reservations(one))]
    return (*bullets(sentences), Table("comparisons", columns, rows))


def _difference(one: RunComparison) -> Sentence:
    result = one.result
    names: dict[str, Any] = {"task": named(one.task), "a": named(one.first), "b": named(one.second)}
    if result.difference.value is None or result.p_value is None:
        why = words(result.difference.note)
        return say("{task}: {a} and {b} cannot be compared sample by sample: {why}.", why=why, **names)
    if result.p_value < LEVEL:
        above, below, by = ("b", "a", result.difference)
        if result.difference.value < 0:
            above, below, by = ("a", "b", _negated(result.difference))
        return say(
            "{task}: {above} scores higher than {below} on the {n} samples that both have, by {difference} "
            "(percentage points, p {p}).",
            task=names["task"], above=names[above], below=names[below], n=count(by.n),
            difference=interval(by, share=True), p=p_value(result.p_value), headline=True,
        )  # fmt: skip
    return say(
        "{task}: no difference between {a} and {b} could be shown on the {n} samples that both have: {difference} "
        "(p {p}).",
        n=count(result.difference.n), difference=interval(result.difference, share=True), p=p_value(result.p_value),
        headline=True, **names,
    )  # fmt: skip


def _reservations(one: RunComparison) -> Iterator[Sentence]:
    """What stands between the difference of two runs and a difference of their models."""
    names = {"task": named(one.task), "a": named(one.first), "b": named(one.second)}
    if one.relabelled:
        yield say(
            "{task}: {n} samples have other gold answers in {a} than in {b} and are left out.",
            n=count(one.relabelled), headline=True, **names,
        )  # fmt: skip
    if one.differs:
        yield say(
            "{task}: {a} and {b} also differ in {aspects}, so their difference is not that of two models alone.",
            aspects=words(", ".join(one.differs)), headline=True, **names,
        )  # fmt: skip
    yield from _of_one_checkpoint(one, names)


def _of_one_checkpoint(one: RunComparison, names: Mapping[str, Any]) -> Iterator[Sentence]:
    """Two runs of one checkpoint: what ran it, which answers are equal, and what can differ between their numbers."""
    found = one.one_checkpoint
    if found is None:
        return
    yield say(
        "{task}: {a} ({first}) and {b} ({second}) ran one checkpoint; {equal} of {n} answers are the same text.",
        first=words(found.first), second=words(found.second), equal=count(found.equal), n=count(found.n), **names,
    )  # fmt: skip
    if found.parts:
        yield say(
            "{task}: what computed their numbers differs in {parts} (docs/fingerprint.md), so they agree within "
            "rounding at best{defined}.",
            parts=words(", ".join(found.parts)), task=names["task"],
            defined=words("" if "lens" in one.differs else "; what is read of each layer is defined alike"),
        )  # fmt: skip


def _negated(estimate: Estimate) -> Estimate:
    """The same difference the other way round."""
    value, low, high = (None if end is None else -end for end in (estimate.value, estimate.high, estimate.low))
    return replace(estimate, value=value, low=low, high=high)
