"""The definitions of docs/metrics.md once more, in plain Python loops over lists: what the tests compare with."""

from __future__ import annotations

import itertools
import math

import numpy as np

from lens_models.metrics import LayerReadout, Thresholds


def best(row: list[float]) -> int | None:
    order = sorted(range(len(row)), key=lambda c: row[c], reverse=True)
    return None if row[order[0]] == row[order[1]] else order[0]


def share(row: list[float], c: int) -> float:
    return 1.0 / sum(math.exp(other - row[c]) for other in row)


def label_free(layers: LayerReadout, limits: Thresholds) -> dict[str, float | None]:
    scores = layers.cand_scores.tolist()
    index = layers.layer_index.tolist()
    n, pred = layers.n_layers, layers.pred_index
    positions = range(len(index))
    out: dict[str, float | None] = {}
    complete = index[-1] == n
    jsd = layers.jsd_last.tolist()
    prob = [math.exp(value) for value in layers.logprob_pred.tolist()]
    out["settle_depth"] = (
        min((index[i] / n for i in positions if all(jsd[k] <= limits.tau for k in positions if k >= i)), default=None)
        if complete
        else None
    )
    out["overthinking"] = sum(layers.entropy.tolist()) / len(index) * len(set(layers.top1_ids.tolist())) / len(index)
    out["peak_layer"] = next(float(index[i]) for i in positions if prob[i] == max(prob))
    out["late_drop"] = max(prob) - prob[-1] if complete else None
    early = [i for i in positions if 1 <= index[i] <= n / 2]
    out["dola_jsd"] = max((jsd[i] for i in early), default=None)
    out["dola_layer"] = next((float(index[i]) for i in early if jsd[i] == out["dola_jsd"]), None)
    leads = [best(row) for row in scores]
    path = [leads[i] for i in positions if layers.cand_mass[i] > limits.theta and leads[i] is not None]
    out["flips"] = float(sum(a != b for a, b in itertools.pairwise(path))) if path else None
    for name in ("commit_depth", "auc_pred", "max_alt", "final_prob", "final_margin"):
        out[name] = None
    for name in ("commit_depth", "flips", "auc_pred", "final_prob"):
        out[f"vocab_{name}"] = None
    if pred is not None:
        out |= _of_answer(scores, index, n, pred, leads)
    return out


def _of_answer(scores, index, n, pred, leads):
    out = {}
    positions = range(len(index))
    if index[-1] == n:
        steady = [index[i] / n for i in positions if all(leads[k] == pred for k in positions if k >= i)]
        out["commit_depth"] = min(steady, default=None)
        out["final_prob"] = share(scores[-1], pred)
        out["final_margin"] = scores[-1][pred] - max(z for c, z in enumerate(scores[-1]) if c != pred)
    upper = [scores[i] for i in positions if index[i] > n / 2]
    if upper:
        out["auc_pred"] = sum(share(row, pred) for row in upper) / len(upper)
        out["max_alt"] = max(share(row, c) for row in upper for c in range(len(row)) if c != pred)
    return out


def gold_based(layers: LayerReadout, gold: int, correct: bool | None, limits: Thresholds) -> dict[str, float | None]:
    scores = layers.cand_scores.tolist()
    index = layers.layer_index.tolist()
    complete = index[-1] == layers.n_layers
    size = len(index)
    leads = [best(row) == gold for row in scores]
    heavy = [leads[i] and layers.cand_mass[i] > limits.theta for i in range(size)]
    starts = [
        i
        for i in range(size)
        if (i + limits.m <= size and all(heavy[i : i + limits.m])) or (complete and all(heavy[i:]))
    ]
    stable = [i for i in range(size) if all(leads[i:])] if complete else []
    out: dict[str, float | None] = {
        "first_correct_layer": float(index[starts[0]]) if starts else None,
        "emerged": 1.0 if starts else 0.0,
        "never_correct": 0.0 if any(heavy) else 1.0,
        "stable_correct_layer": float(index[stable[0]]) if stable else None,
        "stable_emerged": (1.0 if stable else 0.0) if complete else None,
        "correct_then_lost": None,
        "wrong_then_corrected": None,
    }
    if correct is not None:
        lost = clear_episode(layers, gold, limits)
        mended = any(clear_episode(layers, c, limits) for c in range(layers.n_candidates) if c != gold)
        out["correct_then_lost"] = 1.0 if lost and not correct else 0.0
        out["wrong_then_corrected"] = 1.0 if mended and correct else 0.0
    return out


def clear_episode(layers: LayerReadout, c: int, limits: Thresholds) -> bool:
    length = 0
    for row, mass in zip(layers.cand_scores.tolist(), layers.cand_mass.tolist(), strict=True):
        lead = row[c] - max(z for other, z in enumerate(row) if other != c)
        if lead > limits.delta and mass > limits.theta:
            length += 1
            continue
        if length >= limits.m:
            return True
        length = 0
    return False


def random_layers(rng: np.random.Generator, *, n_candidates: int, ties: bool, subset: bool) -> LayerReadout:
    n_layers = int(rng.integers(1, 13))
    index = np.arange(int(rng.integers(0, 2)), n_layers + 1)
    if subset:
        index = index[np.sort(rng.permutation(index.size)[: int(rng.integers(1, index.size + 1))])]
    scores = rng.normal(0, 2, (index.size, n_candidates))
    if ties:
        scores = np.round(scores)
    jsd = rng.uniform(0, 0.3, index.size)
    jsd[-1] = 0.0 if index[-1] == n_layers else jsd[-1]
    return LayerReadout(
        layer_index=index,
        n_layers=n_layers,
        cand_scores=scores,
        cand_mass=rng.uniform(0, 0.5, index.size),
        logprob_pred=-rng.exponential(2, index.size),
        entropy=rng.uniform(0, 8, index.size),
        jsd_last=jsd,
        top1_ids=rng.integers(0, 5, index.size),
        pred_index=None if rng.random() < 0.1 else int(rng.integers(n_candidates)),
    )
