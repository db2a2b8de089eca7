"""Sentences about whether the lens predicts errors. Nothing is claimed that a corrected test does not allow."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lens_report.measures import Analysis, Prediction
from lens_report.measures.predictors import Predictor
from lens_report.presentation.document.blocks import Block, Sentence, Table, bullets, paragraph, say
from lens_report.presentation.document.shown import Shown, count, decimal, interval, listed, p_value, percent, words
from lens_report.presentation.findings.rules import LEVEL, covers, is_associated, short, verdicts
from lens_report.stats import Estimate


def error_blocks(analysis: Analysis) -> tuple[Block, ...]:
    """The forest plot in words and numbers."""
    found = analysis.prediction
    if found.ranking is None:
        why = say("Nothing can be said about errors here: {why}.", why=words(found.why_none), headline=True)
        return paragraph(why)
    return (
        *paragraph(_asked(found), _words(found.ranking.power.statement)),
        *paragraph(_baseline(found), *_gains(found)),
        _table(found),
        *paragraph(*_walk(found)),
    )


def layer_error_blocks(analysis: Analysis) -> tuple[Block, ...]:
    """The margin as a predictor at each layer."""
    tests, layers = analysis.prediction.by_layer, analysis.prediction.layers
    hit = [int(layer) for layer, test in zip(layers, tests, strict=True) if _below(test.p_adjusted)]
    if not any(test.observed is not None for test in tests):
        return ()
    names = words(ranges(hit) or "none")
    sentences = [
        say(
            "Read at a single layer, the margin of the answer given is associated with errors at layers: {layers} (of "
            "{n} tested, p below {level} after correction for all layers).",
            layers=names, n=count(len(tests)), level=decimal(LEVEL, 2),
        )
    ]  # fmt: skip
    best = analysis.prediction.best_layer
    if best is not None and best.chosen is not None and best.auroc.value is not None:
        sentences.append(
            say(
                "Its best layer ({chosen}), chosen on other samples than those it is judged on, ranks errors there "
                "with AUROC {auroc}.",
                chosen=count(int(layers[best.chosen])), auroc=interval(best.auroc),
            )
        )  # fmt: skip
    return paragraph(*sentences)


def stratum_blocks(analysis: Analysis) -> tuple[Block, ...]:
    """Whether the association survives within the kinds of samples."""
    sentences = [
        _within(title, name, found.within)
        for title, metrics in analysis.prediction.strata.items()
        for name, found in metrics.items()
    ]
    return bullets(sentences)


def not_found_blocks(analysis: Analysis) -> tuple[Block, ...]:
    """What was not found, as its own list."""
    found = analysis.prediction
    if found.ranking is None:
        return ()
    rules = verdicts(found)
    turned = [short(one) for one in found.ranking.predictors if is_associated(one) and _below_chance(one)]
    sentences = [
        say("No association with errors and no gain could be shown for: {names}.", names=listed(list(rules.not_shown))),
        say(
            "Associated with errors alone, without a shown gain over final confidence: {names}.",
            names=listed([name for name in rules.associated if name not in rules.adding]),
        ),
    ]
    if turned:
        sentences.append(
            say("Associated in the direction opposite to the one listed beforehand: {names}.", names=listed(turned))
        )
    if rules.untested:
        sentences.append(
            say(
                "Not testable on top of final confidence with these samples: {names}.",
                names=listed(list(rules.untested)),
            )
        )
    if found.absent:
        absent = [name.split(".", 1)[-1] for name in found.absent]
        sentences.append(say("Listed beforehand but without a value in this task: {names}.", names=listed(absent)))
    return bullets(sentences)


def ranges(layers: list[int]) -> str:
    """`4, 7-12` for 4, 7, 8, ..., 12."""
    runs: list[list[int]] = []
    for layer in layers:
        if runs and layer == runs[-1][-1] + 1:
            runs[-1].append(layer)
        else:
            runs.append([layer])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def _asked(found: Prediction) -> Sentence:
    dropped = "; ".join(f"{reason}: {n}" for reason, n in found.dropped.items())
    left = f" Left out: {dropped}." if dropped else ""
    repeated = f" Repeated questions counted once: {found.n_repeated}." if found.n_repeated else ""
    return say(
        "Questions about errors use {n} answers in {groups} clusters, {wrong} of them wrong ({share}).{left}{repeated}",
        n=count(found.n), groups=count(found.n_groups), wrong=count(found.n_wrong),
        share=percent(found.n_wrong / found.n), left=Shown(left, left), repeated=Shown(repeated, repeated),
    )  # fmt: skip


def _words(text: str) -> Sentence:
    return say("{text}", text=words(text))


def _baseline(found: Prediction) -> Sentence:
    ranked = found.ranking.predictors if found.ranking else ()
    one = next(one for one in ranked if one.column == found.confidence)
    name, auroc = words(short(one)), interval(one.association.auroc)
    if one.association.auroc.value is None:
        why = words(one.association.auroc.note)
        return say("The final confidence ({name}) cannot be ranked against errors: {why}.", name=name, why=why)
    if one.association.auroc.low is None:
        why = words(one.association.auroc.note)
        return say(
            "The final confidence ({name}) has AUROC {auroc} for errors, {why}; the set is too small for a claim.",
            name=name, auroc=auroc, why=why, headline=True,
        )  # fmt: skip
    if is_associated(one):
        return say(
            "Low final confidence ({name}) is associated with errors: AUROC {auroc}.",
            name=name, auroc=auroc, headline=True,
        )  # fmt: skip
    return say(
        "No association of final confidence ({name}) with errors could be shown: AUROC {auroc}, permutation p "
        "{p} after correction.",
        name=name, auroc=auroc, p=p_value(one.p_null_holm), headline=True,
    )  # fmt: skip


def _gains(found: Prediction) -> Iterator[Sentence]:
    ranked = found.ranking.predictors if found.ranking else ()
    rules = verdicts(found)
    for one in ranked:
        if short(one) in rules.adding and one.gain is not None:
            yield say(
                "On top of final confidence, {name} is associated with errors: gain in AUROC {gain}, regression p {p} "
                "after correction for all listed metrics.",
                name=words(short(one)), gain=interval(one.gain.delta), p=p_value(one.p_increment_holm), headline=True,
            )  # fmt: skip
    if rules.adding or not rules.listed:
        return
    gained = [(short(one), one.gain.delta) for one in ranked if short(one) in rules.listed and one.gain is not None]
    known = [(name, delta) for name, delta in gained if delta.value is not None]
    if not known:
        yield say(
            "None of the {n} listed metrics could be tested on top of final confidence: the set is too small.",
            n=count(len(rules.listed)), headline=True,
        )  # fmt: skip
        return
    name, delta = max(known, key=lambda pair: pair[1].value or 0.0)
    yield say(
        "No gain over final confidence was shown for any of the {n} listed metrics; the largest estimate is that of "
        "{name}, {gain} in AUROC.",
        n=count(len(rules.listed)), name=words(name), gain=interval(delta), headline=True,
    )  # fmt: skip


def _walk(found: Prediction) -> Iterator[Sentence]:
    for name, test in found.walk.items():
        if test.observed is None or test.null_low is None or test.null_high is None:
            continue
        span = Shown([test.null_low, test.null_high], f"{test.null_low:.3f} to {test.null_high:.3f}")
        inside = test.null_low <= test.observed <= test.null_high
        yield say(
            "Recomputed from the margins alone, {name} has AUROC {auroc}; random walks with the same final margins "
            "have {span}, which {verdict}.",
            name=words(name), auroc=decimal(test.observed), span=span,
            verdict=words("accounts for it" if inside else "does not account for it"),
        )  # fmt: skip


def _table(found: Prediction) -> Table:
    ranked = found.ranking.predictors if found.ranking else ()
    columns = (
        "metric", "AUROC", "gain over confidence", "regression p (Holm)", "permutation p (Holm)", "AUPRC", "Spearman",
        "point-biserial", "note",
    )  # fmt: skip
    note = say(
        "Metrics are turned so that high values are expected to go with errors; AUPRC by chance is the share of "
        "errors, {share}. Intervals are {level} intervals clustered by image or pair.",
        share=percent(found.n_wrong / found.n), level=percent(0.95),
    )  # fmt: skip
    return Table("predictors", columns, tuple(_line(one, one.column == found.confidence) for one in ranked), (note,))


def _line(one: Predictor, baseline: bool) -> tuple[Shown, ...]:
    what = one.association
    kind = " (baseline)" if baseline else " (null)" if one.column.startswith("null.") else ""
    notes = dict.fromkeys(
        note for note in (what.auroc.note, one.increment.note if one.increment else "") if note
    )  # fmt: skip
    return (
        words(short(one) + kind),
        interval(what.auroc),
        interval(one.gain.delta) if one.gain else interval(None),
        p_value(one.p_increment_holm),
        p_value(one.p_null_holm),
        interval(what.auprc),
        interval(what.spearman),
        interval(what.point_biserial),
        words("; ".join(notes)),
    )


def _within(title: str, name: str, estimate: Estimate) -> Sentence:
    metric = words(name.split(".", 1)[-1])
    if estimate.value is None or estimate.low is None:
        return say(
            "{metric} within the same {title}: no interval ({why}).",
            metric=metric, title=words(title), why=words(estimate.note),
        )  # fmt: skip
    tells = "is still apart from chance" if not covers(estimate, 0.5) else "cannot be told from chance"
    return say(
        "{metric} within the same {title}: AUROC {auroc}, which {tells}.",
        metric=metric, title=words(title), auroc=interval(estimate), tells=words(tells),
    )  # fmt: skip


def _below_chance(one: Predictor) -> bool:
    value = one.association.auroc.value
    return value is not None and value < 0.5


def _below(p: float | None) -> bool:
    return p is not None and not np.isnan(p) and p < LEVEL
