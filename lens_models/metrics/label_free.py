"""Scalars that never look at the gold answer; only these may be ranked as predictors of error.

Definitions and formulas: docs/metrics.md. A value that is not defined is None, never 0 or NaN. What is read of the
candidates and what is read of the whole vocabulary, where there are no candidates to look at, have names of their own.
"""

from __future__ import annotations

from math import isfinite

import numpy as np

from lens_models.metrics.arrays import Floats, Ints
from lens_models.metrics.candidates import NOBODY, log_odds, start_of_last_run
from lens_models.metrics.layers import LayerReadout
from lens_models.metrics.registry import names
from lens_models.metrics.thresholds import Thresholds

__all__ = [
    "dola_jsd",
    "dola_layer",
    "final_log_odds",
    "final_margin",
    "label_free_scalars",
    "late_drop",
    "max_alt",
    "overthinking",
    "peak_layer",
    "settle_depth",
    "visual_gain",
    "visual_gain_by_layer",
]


def label_free_scalars(layers: LayerReadout, thresholds: Thresholds | None = None) -> dict[str, float | None]:
    """All label-free metrics of one sample that follow from its layers (``visual_gain`` needs a second readout).

    Args:
        layers: The readout of the answer position.
        thresholds: Cut-offs; the defaults when None.

    Returns:
        Metric name -> value, with the names of the ``label_free`` entries of ``METRICS`` that follow from layers;
        None where the metric is not defined for this sample.
    """
    limits = thresholds or Thresholds()
    open_task = not _uses_candidates(layers)
    values: dict[str, float | None] = dict.fromkeys(names("label_free", "layers"))
    values |= {
        "settle_depth": settle_depth(layers, limits.tau),
        "overthinking": overthinking(layers),
        "peak_layer": peak_layer(layers),
        "late_drop": late_drop(layers),
        "dola_layer": dola_layer(layers),
        "dola_jsd": dola_jsd(layers),
    }
    values |= _of_vocabulary(layers) if open_task else _of_candidates(layers, limits)
    return {name: value if value is not None and isfinite(value) else None for name, value in values.items()}


def _of_candidates(layers: LayerReadout, limits: Thresholds) -> dict[str, float | None]:
    """What needs candidates that may be looked at without the gold answer."""
    if not _comparable(layers):
        return {}
    line = layers.leaders
    held = line[layers.heavy(limits.theta) & (line != NOBODY)]
    mass_known = layers.sequences or bool(np.all(np.isfinite(layers.cand_mass)))
    answer = layers.pred_index
    share = None if answer is None else layers.shares[:, answer]
    return {
        "commit_depth": _committed(layers, line, answer),
        "flips": float(np.count_nonzero(np.diff(held))) if mass_known and held.size else None,
        "auc_pred": _upper_mean(layers, share),
        "max_alt": max_alt(layers),
        "final_prob": _at_end(layers, share),
        "final_margin": final_margin(layers),
    }


def _of_vocabulary(layers: LayerReadout) -> dict[str, float | None]:
    """The same of the whole vocabulary: its leader is the top-1 token, its share p."""
    unread = bool(np.isnan(layers.logprob_pred).any())
    share = None if unread else np.exp(layers.logprob_pred.astype(np.float64))
    return {
        "vocab_commit_depth": _committed(layers, layers.top1_ids, layers.pred_token),
        "vocab_flips": float(np.count_nonzero(np.diff(layers.top1_ids))),
        "vocab_auc_pred": _upper_mean(layers, share),
        "vocab_final_prob": _at_end(layers, share),
    }


def _committed(layers: LayerReadout, line: Ints, answer: int | None) -> float | None:
    """Smallest depth from which ``answer`` leads in every layer up to the last; ``line`` int [layers], who leads."""
    if answer is None or not layers.has_last:
        return None
    start = start_of_last_run(line == answer)
    return None if start is None else float(layers.depth[start])


def _upper_mean(layers: LayerReadout, share: Floats | None) -> float | None:
    upper = layers.upper_half
    return None if share is None or not upper.any() else float(share[upper].mean())


def _at_end(layers: LayerReadout, share: Floats | None) -> float | None:
    return None if share is None or not layers.has_last else float(share[-1])


def settle_depth(layers: LayerReadout, tau: float) -> float | None:
    """Smallest depth from which JSD(p_l, p_L) <= tau in every layer up to the last."""
    if not layers.has_last or not np.all(np.isfinite(layers.jsd_last)):
        return None
    start = start_of_last_run(layers.jsd_last <= tau)
    return None if start is None else float(layers.depth[start])


def overthinking(layers: LayerReadout) -> float | None:
    """Mean entropy in nats times the share of distinct top-1 tokens among the recorded layers."""
    if not np.all(np.isfinite(layers.entropy)):
        return None
    return float(layers.entropy.mean() * np.unique(layers.top1_ids).size / layers.top1_ids.size)


def peak_layer(layers: LayerReadout) -> float | None:
    """Layer in which p_l(answer given) is highest; the earliest in a tie."""
    if np.isnan(layers.logprob_pred).any():
        return None
    return float(layers.layer_index[int(np.argmax(layers.logprob_pred))])


def late_drop(layers: LayerReadout) -> float | None:
    """p_l(answer given) at its peak minus p at the last layer, in [0, 1]."""
    if np.isnan(layers.logprob_pred).any() or not layers.has_last:
        return None
    prob = np.exp(layers.logprob_pred.astype(np.float64))
    return float(prob.max() - prob[-1])


def max_alt(layers: LayerReadout) -> float | None:
    """Highest q_l of any candidate but the answer given, over the upper half of the layers."""
    upper = layers.upper_half
    if not _comparable(layers) or layers.pred_index is None or not upper.any():
        return None
    return float(np.delete(layers.shares, layers.pred_index, axis=1)[upper].max())


def dola_layer(layers: LayerReadout) -> float | None:
    """Block of the lower half with the highest JSD to the last layer; the earliest in a tie."""
    lower = layers.lower_half
    if not lower.any() or not np.all(np.isfinite(layers.jsd_last[lower])):
        return None
    return float(layers.layer_index[lower][int(np.argmax(layers.jsd_last[lower]))])


def dola_jsd(layers: LayerReadout) -> float | None:
    """Highest JSD to the last layer among the blocks of the lower half, in nats."""
    lower = layers.lower_half
    return float(layers.jsd_last[lower].max()) if lower.any() else None


def final_margin(layers: LayerReadout) -> float | None:
    """z_L(answer given) minus the highest other candidate at the last layer, in nats."""
    if not _comparable(layers) or layers.pred_index is None or not layers.has_last:
        return None
    return float(layers.margins[-1, layers.pred_index])


def final_log_odds(layers: LayerReadout) -> float | None:
    """log q_L / (1 - q_L) of the answer given, in nats: what ``visual_gain`` compares between two images."""
    if not _comparable(layers) or layers.pred_index is None or not layers.has_last:
        return None
    value = float(log_odds(layers.cand_scores, layers.pred_index)[-1])
    return value if isfinite(value) else None


def visual_gain(with_image: float | None, with_blank: float | None) -> float | None:
    """Final log-odds of the answer given with its image minus with a blank image of the same size, in nats.

    Args:
        with_image: ``final_log_odds`` of the run itself.
        with_blank: ``final_log_odds`` of the same answer read with the blank image.

    Returns:
        The difference; None when either is missing.
    """
    if with_image is None or with_blank is None or not isfinite(with_image - with_blank):
        return None
    return with_image - with_blank


def visual_gain_by_layer(with_image: LayerReadout, with_other: LayerReadout) -> Floats | None:
    """Log-odds of the answer given with its image minus with another image, at each layer, in nats.

    Args:
        with_image: the readout of the run itself.
        with_other: the same answer at the same layers, read with a blank image or with another document's.

    Returns:
        float [layers]; None where the candidates may not be looked at, or the answer is none of them.
    """
    if not (_comparable(with_image) and _comparable(with_other)) or with_image.pred_index is None:
        return None
    own, other = (log_odds(each.cand_scores, with_image.pred_index) for each in (with_image, with_other))
    with np.errstate(invalid="ignore"):  # a candidate of no probability at all in both
        gain = own - other
    return gain if np.all(np.isfinite(gain)) else None


def _comparable(layers: LayerReadout) -> bool:
    """Whether there are two or more candidates that may be looked at without knowing the gold answer."""
    return _uses_candidates(layers) and layers.n_candidates >= 2 and layers.readable


def _uses_candidates(layers: LayerReadout) -> bool:
    return layers.candidates_fixed and layers.n_candidates > 0
