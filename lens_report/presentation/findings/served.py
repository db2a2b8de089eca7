"""Sentences about a run behind a server: what it gave, and of how many answers that says something for certain."""

from __future__ import annotations

from collections import Counter

import numpy as np

from lens_report.measures import Analysis
from lens_report.measures.columns import numbers
from lens_report.measures.task_run import OUTPUT
from lens_report.presentation.document.blocks import Block, Sentence, bullets, say
from lens_report.presentation.document.shown import count, named

_MOST = 3
"""Reasons that are named, the most frequent ones."""


def served_blocks(analysis: Analysis) -> tuple[Block, ...]:
    """What is missing and why; nothing for a run with layers."""
    task_run = analysis.task_run
    if task_run.has_layers:
        return ()
    model = task_run.run.info.model
    told = task_run.read_out
    return bullets(
        [
            say(
                "The model answered behind a server ({api}, {url}), which gives no layers: whatever is read by layer "
                "is absent from this part of the report.",
                api=named(model.model_class or "api not recorded"),
                url=named(str(model.extra.get("url") or "address not recorded")),
                headline=True,
            ),
            *_reasons(Counter(task_run.frame["status_reason"][~told].dropna())),
            *_shares(analysis),
        ]
    )  # fmt: skip


def _reasons(reasons: Counter[str]) -> list[Sentence]:
    return [say("{n} samples are without: {why}.", n=count(n), why=named(why)) for why, n in reasons.most_common(_MOST)]


def _shares(analysis: Analysis) -> list[Sentence]:
    task_run = analysis.task_run
    closed = task_run.closed_rows & task_run.read_out
    if not closed.any():
        return []
    known = np.array([own is not None for own in task_run.probe(OUTPUT, "shares")])
    margin = "label_free.final_margin"
    margins = np.isfinite(numbers(task_run.frame[margin])) if margin in task_run.frame else np.zeros(known.size, bool)
    return [
        say(
            "Shares of the candidates are known for certain in {known} of the {n} samples that have candidates and "
            "log-probabilities, the margin in {margins}: a server lists a few tokens, and in the others the rest could "
            "change the figure.",
            known=count(int((known & closed).sum())), n=count(int(closed.sum())),
            margins=count(int((margins & closed).sum())),
        )
    ]  # fmt: skip
