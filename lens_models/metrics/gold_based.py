"""Scalars that look at the gold answer; they describe and may never be ranked as predictors of error.

Definitions and formulas: docs/metrics.md. "Leads" means: strictly the highest score among the candidates. A single
candidate (an open task answered with the gold answer itself) leads where its mass is above theta; what would need
another candidate is None there, not 0.
"""

from __future__ import annotations

import numpy as np

from lens_models.metrics.arrays import Bools
from lens_models.metrics.candidates import runs, start_of_last_run
from lens_models.metrics.layers import LayerReadout
from lens_models.metrics.registry import names
from lens_models.metrics.thresholds import Thresholds

__all__ = ["first_lead", "gold_based_scalars"]


def gold_based_scalars(
    layers: LayerReadout,
    gold_index: int | None,
    correct: bool | None,
    thresholds: Thresholds | None = None,
) -> dict[str, float | None]:
    """All gold-based metrics of one sample.

    Args:
        layers: The readout of the answer position.
        gold_index: Which candidate is the gold answer; None when the task has no gold or it is no candidate.
        correct: Whether the answer given is the gold answer; None when that cannot be said.
        thresholds: Cut-offs; the defaults when None.

    Returns:
        Metric name -> value, with the names of the ``gold_based`` entries of ``METRICS`` in their order; None where
        the metric is not defined for this sample.

    Raises:
        ValueError: ``gold_index`` is not the index of a candidate.
    """
    limits = thresholds or Thresholds()
    values: dict[str, float | None] = dict.fromkeys(names("gold_based", "layers"))
    if gold_index is None:
        return values
    if not 0 <= gold_index < layers.n_candidates:
        raise ValueError(f"gold_index is None or below {layers.n_candidates} candidates, found {gold_index}")
    if not layers.readable or not np.all(np.isfinite(layers.cand_mass)):
        return values
    values |= _emergence(layers, gold_index, limits)
    if correct is not None and layers.candidates_fixed and layers.n_candidates > 1:
        values["correct_then_lost"] = float(not correct and _had_clear_lead(layers, [gold_index], limits))
        wrong = [index for index in range(layers.n_candidates) if index != gold_index]
        values["wrong_then_corrected"] = float(correct and _had_clear_lead(layers, wrong, limits))
    return values


def first_lead(leads: Bools, m: int, *, has_last: bool) -> int | None:
    """Position at which a candidate leads first for ``m`` recorded layers in a row: bool [layers].

    A run that reaches the last block of the model counts whatever its length: no later layer is left to end it.
    """
    for start, stop in runs(leads):
        if stop - start >= m or (has_last and stop == leads.size):
            return start
    return None


def _emergence(layers: LayerReadout, gold: int, limits: Thresholds) -> dict[str, float | None]:
    heavy = layers.heavy(limits.theta)
    leads = layers.leaders == gold if layers.n_candidates > 1 else heavy
    first = first_lead(leads & heavy, limits.m, has_last=layers.has_last)
    values: dict[str, float | None] = {
        "first_correct_layer": _layer(layers, first),
        "emerged": float(first is not None),
        "never_correct": float(not np.any(leads & heavy)),
    }
    if layers.has_last:
        stable = start_of_last_run(leads)
        values |= {"stable_correct_layer": _layer(layers, stable), "stable_emerged": float(stable is not None)}
    return values


def _had_clear_lead(layers: LayerReadout, candidates: list[int], limits: Thresholds) -> bool:
    """Whether one of ``candidates`` led clearly, with mass, for m layers in a row, and not up to the last layer."""
    clear = (layers.margins > limits.delta) & layers.heavy(limits.theta)[:, None]
    return any(
        stop - start >= limits.m and stop < clear.shape[0]
        for index in candidates
        for start, stop in runs(clear[:, index])
    )


def _layer(layers: LayerReadout, position: int | None) -> float | None:
    return None if position is None else float(layers.layer_index[position])
