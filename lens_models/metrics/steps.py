"""Scalars of a written chain of thought, from the answers that are forced after each of its steps.

Definitions and formulas: docs/metrics.md.
"""

from __future__ import annotations

import numpy as np

from lens_models.metrics.arrays import Floats

__all__ = ["steps_gold_based", "steps_label_free"]


def steps_label_free(forced: Floats, final: int) -> dict[str, float | None]:
    """What the forced answers say of the steps.

    Args:
        forced: `[steps + 1, candidates]`, log-probabilities of the candidates in nats: without any step, after the
            first one, and so on.
        final: The candidate that the response answers.

    Returns:
        Metric name -> value, with the names of the ``label_free`` entries of ``METRICS`` that follow from steps. The
        first two are None where the answer forced after the last step is another one than was given.
    """
    answers = forced.argmax(axis=1)
    n = len(answers) - 1
    others = np.flatnonzero(answers != final)
    commit = int(others[-1]) + 1 if len(others) else 0
    committed = commit <= n
    return {
        "commit_step": float(commit) if committed else None,
        "steps_after_commit": float(n - commit) if committed else None,
        "flips_over_steps": float((answers[1:] != answers[:-1]).sum()),
        "answer_without_thinking": float(answers[0] == final),
        "written_steps": float(n),
    }


def steps_gold_based(forced: Floats, gold: int | None) -> dict[str, float | None]:
    """Whether the answer forced without any step is right; nothing without a right candidate."""
    return {} if gold is None else {"right_without_thinking": float(forced[0].argmax() == gold)}
