"""Records of a stub model: every array is noise, which no compression makes smaller than it is in earnest."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from lens_results import HarnessInfo, LensInfo, ModelInfo, RunInfo, SampleRecord, new_run_id

__all__ = ["records", "run_info"]

_VOCABULARY = 151_936
_LAYER_WISE = (
    "logprob_pred", "logprob_gold", "entropy", "cand_entropy", "cand_mass", "kl_last", "jsd_last", "margin_pred",
    "log_odds", "energy", "resid_norm",
)  # fmt: skip
_LABEL_FREE = (
    "commit_depth", "settle_depth", "flips", "overthinking", "auc_pred", "peak_layer", "late_drop", "max_alt",
    "dola_layer", "dola_jsd", "final_prob", "final_margin",
)  # fmt: skip
_GOLD_BASED = (
    "first_correct_layer", "stable_correct_layer", "correct_then_lost", "wrong_then_corrected", "never_correct",
)  # fmt: skip


def run_info(layers: int, topk: int) -> RunInfo:
    """The description of a run of the stub model."""
    return RunInfo(
        run_id=new_run_id(),
        model=ModelInfo("stub", n_layers=layers, hidden_size=1536, vocab_size=_VOCABULARY),
        lens=LensInfo(layer_index=tuple(range(1, layers + 1)), topk=topk),
        harness=HarnessInfo("lmms-eval", "0.7.3"),
    )


def records(count: int, layers: int, topk: int, seed: int = 0) -> Iterator[SampleRecord]:
    """`count` yes/no samples, six to an image, as a run over POPE writes them."""
    rng = np.random.default_rng(seed)
    words = [f" w{number}" for number in range(20_000)]  # more than a run ever meets
    for doc_id in range(count):
        yield SampleRecord(**_fields(rng, doc_id, layers, topk, words))


def _fields(rng: np.random.Generator, doc_id: int, layers: int, topk: int, words: list[str]) -> dict[str, Any]:
    ids = rng.integers(0, len(words), (layers, topk))
    right = bool(rng.integers(2))
    return {
        "task": "stub",
        "doc_id": doc_id,
        "kind": "generate",
        "split": "test",
        "question": f"Is there a {words[doc_id % 97]} in the image? Answer the question using a single word or phrase",
        "response": "Yes" if right else "No",
        "gold": ("yes",),
        "image_sha256": (rng.bytes(32).hex(),),
        "prompt_sha256": rng.bytes(32).hex(),
        "candidates": ("yes", "no"),
        "candidate_token_ids": ((9693, 9454, 14004, 9834), (2152, 2753, 902, 2308)),
        "candidate_method": "first_token",
        "gold_candidate": 0,
        "pred_candidate": int(not right),
        "correct": right,
        "cluster": f"COCO_val2014_{doc_id // 6:012d}",
        "question_type": "adversarial",
        "binary": (0, 1),
        "answer_rule": "first_content",
        "answer_aligned": True,
        "answer_step": 0,
        "answer_token_id": 9454 if right else 2753,
        "n_generated": 2,
        "identity_deviation": float(rng.random()) * 1e-6,
        "identity_argmax": True,
        **{name: rng.normal(size=layers).astype(np.float32) for name in _LAYER_WISE},
        "rank_pred": rng.integers(1, _VOCABULARY, layers),
        "rank_gold": rng.integers(1, _VOCABULARY, layers),
        "cand_scores": rng.normal(size=(layers, 2)).astype(np.float32),
        "topk_ids": ids * 71,
        "topk_logprobs": rng.normal(size=(layers, topk)).astype(np.float32),
        "topk_tokens": tuple(tuple(words[number] for number in row) for row in ids),
        "label_free": {name: float(rng.normal()) for name in _LABEL_FREE},
        "gold_based": {name: float(rng.normal()) for name in _GOLD_BASED},
    }
