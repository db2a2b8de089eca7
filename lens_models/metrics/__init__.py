"""Scalar metrics of one sample's layers: pure functions of numpy arrays, label-free and gold-based apart.

Example::

    layers = LayerReadout(layer_index=np.arange(1, 29), n_layers=28, cand_scores=scores, ...)
    label_free_scalars(layers)                               # {"commit_depth": 0.71, "flips": 2.0, ...}
    gold_based_scalars(layers, gold_index=0, correct=False)  # {"first_correct_layer": 12.0, ...}

Every metric is defined in docs/metrics.md and listed in ``METRICS``.
"""

from __future__ import annotations

from lens_models.metrics.gold_based import gold_based_scalars
from lens_models.metrics.label_free import final_log_odds, label_free_scalars, visual_gain, visual_gain_by_layer
from lens_models.metrics.layers import LayerReadout
from lens_models.metrics.registry import METRICS, Metric, Namespace, names
from lens_models.metrics.steps import steps_gold_based, steps_label_free
from lens_models.metrics.thresholds import Thresholds

__all__ = [
    "METRICS",
    "LayerReadout",
    "Metric",
    "Namespace",
    "Thresholds",
    "final_log_odds",
    "gold_based_scalars",
    "label_free_scalars",
    "names",
    "steps_gold_based",
    "steps_label_free",
    "visual_gain",
    "visual_gain_by_layer",
]
