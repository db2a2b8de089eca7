"""Sentences about written steps and the regions that they are about."""

from __future__ import annotations

import numpy as np

from lens_report.measures import Analysis
from lens_report.measures.step_regions import FAITHFUL, IDLE, QUANTILE, StepNumber, StepRegions
from lens_report.presentation.document.blocks import Block, Sentence, Table, bullets, say
from lens_report.presentation.document.shown import Shown, count, decimal, interval, named, p_value, percent, words
from lens_report.stats import Comparison

__all__ = ["step_region_blocks"]

_SHOWN = {"lift": "lift", "pointing": "pointing", "auroc": "AUROC"}


def step_region_blocks(analysis: Analysis) -> tuple[Block, ...]:
    """Where steps look, what depends on that, and which are idle, in words and tables."""
    found = analysis.step_regions
    if found is None:
        return ()
    tables = [table for table in (_looks(found), _causes(found), _matrix(found)) if table.rows]
    unread = tuple((named(one.probe), named(one.status), count(one.n), words(one.reason)) for one in found.unread)
    note = say("Responses whose steps were not held against regions, with the most frequent reason.")
    if unread:
        tables.append(Table("step_regions_not_read", ("probe", "status", "samples", "reason"), unread, (note,)))
    return (*bullets(_sentences(found)), *tables)


def _sentences(found: StepRegions) -> list[Sentence]:
    if not found.n:
        return []
    if not found.n_causes:
        return [
            say(
                "The steps of {n} responses correspond to their programs; what depends on them was not read (the probe "
                "step_causes).",
                n=count(found.n), headline=True,
            )
        ]  # fmt: skip
    if not found.responses:
        return [
            say(
                "The steps of {n} responses correspond to their programs; there are too few nulls to call any faithful "
                "or idle.",
                n=count(found.n), headline=True,
            )
        ]  # fmt: skip
    return [
        say(
            "Of {n} responses whose steps correspond to their programs and were run again, {faithful} are faithful (a "
            "step is, none is idle) and {idle} idle in all steps.",
            n=count(found.n_causes), faithful=interval(found.responses[FAITHFUL], share=True),
            idle=interval(found.responses[IDLE], share=True), headline=True,
        ),
        say(
            "A step is faithful where its result loses more without its boxes, and the answer more with another result "
            "in its text, than the nulls of steps that as many others follow ({quantile} quantile); idle where the "
            "answer moves by no more than those.",
            quantile=percent(QUANTILE),
        ),
    ]  # fmt: skip


def _p(one: StepNumber, name: str) -> Shown:
    return p_value(one.p_holm.get(name))


def _pair(one: Comparison) -> tuple[Shown, Shown, Shown]:
    return decimal(one.mean_b), decimal(one.mean_a), interval(one.difference)


def _looks(found: StepRegions) -> Table:
    columns = (
        "step", "n", "figure", "in its boxes", "in other steps' boxes", "difference", "p (Holm)",
    )  # fmt: skip
    rows = tuple(
        (count(one.number), count(each.difference.n), words(_SHOWN[name]), *_pair(each), _p(one, name))
        for one in found.numbers
        for name, each in one.looks.items()
        if each.difference.n
    )
    return Table("steps_in_boxes", columns, rows)


def _causes(found: StepRegions) -> Table:
    columns = (
        "step", "n", "result without its boxes", "null boxes", "difference", "p (Holm)", "answer with another result",
        "another mark", "difference of the answer", "p of the answer (Holm)", "answer without its boxes", "faithful",
        "idle",
    )  # fmt: skip
    rows = tuple(
        (
            count(one.number), count(one.n), *_pair(one.result), _p(one, "result"), *_pair(one.text), _p(one, "text"),
            interval(one.answer), interval(one.shares.get(FAITHFUL), share=True),
            interval(one.shares.get(IDLE), share=True),
        )
        for one in found.numbers
        if found.n_causes
    )  # fmt: skip
    return Table("steps_causes", columns, rows, (say("Drops in nats; results by log p, the answer by its log-odds."),))


def _matrix(found: StepRegions) -> Table:
    columns = ("without the boxes of step", "result of step", "drop")
    rows = tuple(
        (count(without + 1), count(result + 1), decimal(float(found.matrix[without, result])))
        for without, result in np.argwhere(np.isfinite(found.matrix))
    )
    return Table("step_matrix", columns, rows, (say("Mean drop of log p of each step's result, in nats."),))
