from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lens_results import HarnessInfo, IdentityInfo, LensInfo, ModelInfo, RunInfo, SampleRecord, new_run_id

LAYERS = 28
MakeRecord = Callable[..., SampleRecord]
MakeInfo = Callable[..., RunInfo]


def build_record(doc_id: int = 0, task: str = "pope_mini", layers: int = LAYERS, **changes: Any) -> SampleRecord:
    """A full binary record: incompressible noise in every array, two controls, all scalars."""
    rng = np.random.default_rng([doc_id, *task.encode()])

    def noise(*shape: int) -> Any:
        return rng.normal(size=shape).astype(np.float32)

    ids = rng.integers(0, 151_936, (layers, 5))
    names = "logprob_gold entropy cand_entropy cand_mass kl_last jsd_last margin_pred log_odds energy resid_norm"
    scalars = "commit_depth settle_depth flips overthinking auc_pred peak_layer late_drop max_alt dola_jsd final_prob"
    fields: dict[str, Any] = {
        "kind": "generate",
        "split": "test",
        "question": f"Is there a red metal cube to the left of the small sphere number {doc_id} in the image?",
        "response": "Yes",
        "gold": ("yes",),
        "image_sha256": (rng.bytes(32).hex(),),
        "videos": ({"sha256": rng.bytes(32).hex(), "times": (0.0, 0.5), "fps": 29.97, "start": None},),
        "sounds": ({"sha256": rng.bytes(32).hex(), "rate": 16_000, "duration": 1.5},),
        "prompt_sha256": rng.bytes(32).hex(),
        "candidates": ("yes", "no"),
        "candidate_token_ids": ((9693, 9454, 14004, 9834), (2152, 2753, 902, 2308)),
        "candidate_method": "first_token",
        "gold_candidate": 0,
        "pred_candidate": int(rng.integers(2)),
        "cluster": f"image-{doc_id // 6}",
        "question_type": "adversarial",
        "binary": (0, 1),
        "answer_rule": "first_content_token",
        "answer_aligned": True,
        "answer_step": 0,
        "answer_token_id": 9454,
        "n_generated": 2,
        "identity_deviation": 1e-6 * (1 + doc_id),
        "identity_argmax": True,
        **{name: noise(layers) for name in names.split()},
        "logprob_pred": noise(layers),
        "rank_pred": rng.integers(1, 151_936, layers),
        "rank_gold": rng.integers(1, 151_936, layers),
        "cand_scores": noise(layers, 2),
        "pivot_labels": ("yes", "no"),
        "pivot_scores": noise(layers, 2),
        "topk_ids": ids,
        "topk_logprobs": noise(layers, 5),
        "topk_tokens": tuple(tuple(f"tok{i}" for i in row) for row in ids),
        "controls": {
            name: {"cand_scores": noise(layers, 2), "logprob_pred": noise(layers)} for name in ("blank", "shuffled")
        },
        "control_source": {"shuffled": doc_id + 100},
        "label_free": {name: float(rng.normal()) for name in scalars.split()},
        "gold_based": {"first_correct_layer": 3.0, "stable_correct_layer": None, "correct_then_lost": 0.0},
    }
    fields["correct"] = fields["pred_candidate"] == 0
    return SampleRecord(task=task, doc_id=doc_id, **(fields | changes))


def build_info(run_id: str | None = None, layers: int = LAYERS, **changes: Any) -> RunInfo:
    fields: dict[str, Any] = {
        "model": ModelInfo(name_or_path="lens_tiny", n_layers=layers, hidden_size=128, vocab_size=2048),
        "lens": LensInfo(layer_index=tuple(range(1, layers + 1)), topk=5, thresholds={"tau": 0.1, "theta": 0.2}),
        "harness": HarnessInfo("lmms-eval", "0.7.3"),
        "identity": IdentityInfo(load_deviation=1e-6, load_argmax=True, tolerance=1e-4),
        "generation": {"pope_mini": {"max_new_tokens": 16, "until": ["\n"]}},
    }
    return RunInfo(run_id=run_id or new_run_id(), **(fields | changes))
