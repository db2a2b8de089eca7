"""Runs with known properties, written as real record files."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from lens_models.metrics import LayerReadout, gold_based_scalars, label_free_scalars
from lens_report import Draws
from lens_results import (
    HarnessInfo,
    IdentityInfo,
    LensInfo,
    ModelInfo,
    RecordWriter,
    RunInfo,
    SampleRecord,
    ThumbnailWriter,
    merge,
    merge_thumbnails,
)

WORDS = (
    "the",
    "a",
    " cube",
    " red",
    "ing",
    "在",
    " сфера",
    " 1",
    "\n",
    " of",
    "<img",
    "&amp;",
    " sphere",
    "Ġ",
    " yellow",
)
VOCABULARY = 32_000
KNOWN_OF_READ_ANSWERS = {
    "candidates", "candidate_token_ids", "candidate_method", "gold_candidate", "pred_candidate", "binary", "correct",
    "answer_rule", "answer_aligned", "answer_step", "answer_token_id",
}  # fmt: skip
QUICK = Draws(bootstrap=200, permutations=99, simulations=20)
HOSTILE = (
    "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\"> & {{ 7*7 }} | `x`"
)
"""A text that takes over a page that does not escape it."""


@dataclass(frozen=True)
class Plan:
    """What a synthetic run is like. `hostile` puts markup into texts; `wrong` None draws errors, else forces them."""

    n: int = 240
    layers: int = 12
    per_image: int = 6
    seed: int = 0
    task: str = "pope_mini"
    run_id: str = "20260131T120000Z-00000001"
    model: str = "acme/tiny-vlm"
    candidates: tuple[str, ...] = ("yes", "no")
    ability: float = 1.5
    format_errors: float = 0.0
    failed: float = 0.0
    lost: float = 0.3
    controls: bool = False
    pivots: bool = False
    topk: int = 5
    gold: bool = True
    scored: bool = True
    metric: str = "pope_accuracy"
    all_right: bool = False
    wandering: float = 0.6
    thumbnails: bool = False
    clusters: bool = True
    types: tuple[str, ...] = ("random", "popular", "adversarial")
    questions: dict[int, str] = field(default_factory=dict)
    info: dict[str, Any] = field(default_factory=dict)


def write_run(folder: Path, plan: Plan | None = None, **changes: Any) -> Path:
    """Write a finished run and return its folder."""
    plan = plan or Plan(**changes)
    info = run_info(plan)
    with RecordWriter(folder, info, part_rows=2048, part_seconds=1e9) as writer:
        for record in records(plan):
            writer.append(record)
    merge(folder, info.run_id)
    if plan.thumbnails:
        with ThumbnailWriter(folder, info.run_id) as pictures:
            for image in range(-(-plan.n // plan.per_image)):
                colour = (37 * image % 256, 91 * image % 256, 53 * image % 256)
                pictures.add(digest(plan, image), Image.new("RGB", (160, 120), colour))
        merge_thumbnails(folder, info.run_id)
    return folder


def run_info(plan: Plan) -> RunInfo:
    """The description of a synthetic run."""
    fields: dict[str, Any] = {
        "model": ModelInfo(plan.model, plan.layers, 128, VOCABULARY, dtype="float32", device="cpu"),
        "lens": LensInfo(
            tuple(range(1, plan.layers + 1)),
            topk=plan.topk,
            candidate_rule="logsumexp over the distinct first tokens of the surface variants",
            position_rule="first token of the answer",
            thresholds={"tau": 0.1, "theta": 0.1, "m": 2, "delta": 1.0},
        ),
        "harness": HarnessInfo("lmms-eval", "0.7.3"),
        "identity": IdentityInfo(load_deviation=1.8e-7, load_argmax=True, tolerance=1e-4),
        "generation": {plan.task: {"max_new_tokens": 16, "until": ["\n\n"]}},
        "prompt": {"num_fewshot": {plan.task: 0}},
        "limits": {"limit": None},
        "versions": {"python": "3.11.7", "torch": "2.9.0"},
    }
    return RunInfo(run_id=plan.run_id, created="2026-01-31T12:00:00+00:00", **(fields | plan.info))


def digest(plan: Plan, image: int) -> str:
    """Digest of an image of the run."""
    return hashlib.sha256(f"{plan.task} {image}".encode()).hexdigest()


def records(plan: Plan) -> list[SampleRecord]:
    """The samples of a run."""
    world = _World(plan)
    return [world.record(i) for i in range(plan.n)]


class _World:
    """Paths of candidate scores through the layers: a drift to the final margin, a bridge, an early hump."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        rng = np.random.default_rng(plan.seed)
        n, layers, count = plan.n, plan.layers, len(plan.candidates)
        questions = np.random.default_rng(1234)  # the same documents in every run
        self.gold = questions.integers(0, count, n)
        self.depth = np.arange(1, layers + 1) / layers
        image = np.arange(n) // plan.per_image
        final = plan.ability + 0.7 * rng.normal(size=image.max() + 1)[image] + 1.8 * rng.normal(size=n)
        final = np.abs(final) + 0.01 if plan.all_right else final
        steps = rng.normal(size=(n, layers)).cumsum(axis=1)
        bridge = steps - steps[:, -1:] * self.depth
        hump = np.where((final < 0) & (rng.random(n) < plan.lost), 5.0, 0.0)[:, None]
        margin = final[:, None] * self.depth**1.5 + plan.wandering * bridge
        margin = margin + hump * np.exp(-(((self.depth - 0.6) / 0.12) ** 2))
        margin[:, -1] = final
        self.scores = rng.normal(scale=0.3, size=(n, layers, count)) - (1 + np.arange(count))
        self.scores[:, -1] = -(1 + np.arange(count))
        rows = np.arange(n)
        rest = self.scores.copy()
        rest[rows, :, self.gold] = -np.inf
        self.scores[rows, :, self.gold] = rest.max(axis=2) + margin
        self.mass = 1 / (1 + np.exp(-(self.depth - 0.5) * 14 + 0.5 * rng.normal(size=(n, 1))))
        self.mass = np.clip(self.mass, 1e-4, 0.995)
        self.pred = self.scores[:, -1].argmax(axis=1)
        self.outside = rng.random(n) < plan.format_errors
        self.failed = rng.random(n) < plan.failed
        self.rng = rng

    def record(self, i: int) -> SampleRecord:
        plan, gold = self.plan, int(self.gold[i])
        pred = None if self.outside[i] else int(self.pred[i])
        common = self._common(i, pred)
        if self.failed[i]:
            known = {name: value for name, value in common.items() if name not in KNOWN_OF_READ_ANSWERS}
            return SampleRecord(**known, status="capture_failed", status_reason="no hidden state was caught")
        arrays = self._arrays(i, pred)
        readout = LayerReadout(
            layer_index=np.arange(1, plan.layers + 1),
            n_layers=plan.layers,
            pred_index=pred,
            top1_ids=arrays["topk_ids"][:, 0],
            **{name: arrays[name] for name in ("cand_scores", "cand_mass", "logprob_pred", "entropy", "jsd_last")},
        )
        correct = common["correct"]
        gold_based = gold_based_scalars(readout, gold, correct) if plan.gold else {}
        label_free = label_free_scalars(readout)
        controls = self._controls(i, arrays) if plan.controls else {}
        if controls and pred is not None:
            label_free["visual_gain"] = float(self.rng.normal(1.5))
        return SampleRecord(**common, **arrays, label_free=label_free, gold_based=gold_based, controls=controls)

    def _common(self, i: int, pred: int | None) -> dict[str, Any]:
        plan, gold = self.plan, int(self.gold[i])
        image = i // plan.per_image
        correct = None if pred is None or not plan.gold else pred == gold
        return {
            "task": plan.task,
            "doc_id": i,
            "kind": "generate",
            "split": "test",
            "question": plan.questions.get(i, f"Is there a red metal cube left of small sphere {i}?"),
            "response": "I cannot tell" if pred is None else plan.candidates[pred].capitalize(),
            "gold": (plan.candidates[gold],) if plan.gold else (),
            "image_sha256": (digest(plan, image),),
            "cluster": f"image-{image}" if plan.clusters else None,
            "question_type": plan.types[i % len(plan.types)] if plan.types else None,
            "candidates": plan.candidates,
            "candidate_token_ids": tuple((100 + 2 * c, 101 + 2 * c) for c in range(len(plan.candidates))),
            "candidate_method": "first_token",
            "gold_candidate": gold if plan.gold else None,
            "pred_candidate": pred,
            "binary": (0, 1) if len(plan.candidates) == 2 else None,
            "correct": correct,
            "answer_rule": "first_content",
            "answer_aligned": True,
            "answer_step": 0,
            "answer_token_id": 100 + 2 * (pred or 0),
            "n_generated": 2,
            "identity_deviation": 1e-7,
            "identity_argmax": True,
            "scores": {plan.metric: float(bool(correct)), "pope_f1_score": 0.5} if plan.scored else {},
        }

    def _arrays(self, i: int, pred: int | None) -> dict[str, Any]:
        scores, mass = self.scores[i], self.mass[i]
        q = np.exp(scores - np.logaddexp.reduce(scores, axis=1)[:, None])
        given = pred or 0
        logprob = np.log(mass) + np.log(q[:, given])
        gold = np.log(mass) + np.log(q[:, self.gold[i]])
        others = np.delete(scores, given, axis=1).max(axis=1)
        ids, logprobs, tokens = self._topk(i, mass, q)
        jsd = np.linspace(0.69, 0.0, len(mass)) ** 1.5
        arrays: dict[str, Any] = {
            "logprob_pred": logprob,
            "rank_pred": 1 + np.round(VOCABULARY * np.exp(-12 * np.exp(logprob))),
            "entropy": (1 - mass) * 10.0 - (q * np.log(q)).sum(axis=1) * mass,
            "cand_entropy": -(q * np.log(q)).sum(axis=1),
            "cand_mass": mass,
            "kl_last": 3 * jsd,
            "jsd_last": jsd,
            "energy": -20 - 5 * self.depth,
            "resid_norm": 10 + 90 * self.depth,
            "cand_scores": scores,
            "topk_ids": ids,
            "topk_logprobs": logprobs,
            "topk_tokens": tokens,
        }
        if pred is not None:
            arrays["margin_pred"] = scores[:, given] - others
        if len(self.plan.candidates) == 2:
            arrays["log_odds"] = scores[:, 0] - scores[:, 1]
        if self.plan.gold:
            arrays |= {"logprob_gold": gold, "rank_gold": 1 + np.round(VOCABULARY * np.exp(-12 * np.exp(gold)))}
        if self.plan.pivots:
            arrays["pivot_labels"] = self.plan.candidates
            arrays["pivot_scores"] = scores + 3 * (0.7 - self.depth)[:, None]
        return arrays

    def _topk(self, i: int, mass: Any, q: Any) -> Any:
        """Candidates by probability, then words."""
        k, rows = self.plan.topk, []
        for layer in range(len(mass)):
            found = [
                (float(np.log(mass[layer] * q[layer, c]) - 0.1), 100 + 2 * c, name)
                for c, name in enumerate(self.plan.candidates)
            ]
            for place in range(k):
                word = (i + 3 * layer + place) % len(WORDS)
                left = (1 - mass[layer]) * 0.3 * 0.6**place
                found.append((float(np.log(left)), 500 + word, WORDS[word]))
            rows.append(sorted(found, reverse=True)[:k])
        return (
            np.array([[token for _, token, _ in row] for row in rows]),
            np.array([[logprob for logprob, _, _ in row] for row in rows]),
            tuple(tuple(text for _, _, text in row) for row in rows),
        )

    def _controls(self, i: int, arrays: dict[str, Any]) -> dict[str, Any]:
        found = {}
        for name, keep in (("blank", 0.3), ("shuffled", 0.5)):
            scores = arrays["cand_scores"] * keep + 0.2 * self.rng.normal(size=arrays["cand_scores"].shape)
            found[name] = {"cand_scores": scores, "logprob_pred": arrays["logprob_pred"] - 1.0}
        return found
