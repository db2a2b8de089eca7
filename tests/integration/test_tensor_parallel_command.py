"""MERA's command for tensor parallelism: two processes hold one model, and give the run of one process, once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_runner import run_alone
from plain_model import lens_tiny_bounds

from lens_results import Run, load

pytestmark = [pytest.mark.end_to_end, pytest.mark.slow]
MODEL = "pretrained=lens_tiny,dtype=float32,lens_probes=attention+image_tokens,lens_controls=blank"
ASKED = ("--device", "cpu", "--tasks", "pope_mini,ruclevr_mini", "--limit", "5", "--apply_chat_template")
LAUNCH = ("accelerate", "launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1")
LAUNCH += ("--mixed_precision", "no", "--dynamo_backend", "no", "-m", "harness_ext.lm_eval")


def words(model_args: str, folder: str) -> tuple[str, ...]:
    return (
        "--model",
        "hf-multimodal-lens",
        "--model_args",
        model_args,
        *ASKED,
        "--output_path",
        folder,
        "--log_samples",
    )


def answers(folder: Path) -> dict[str, list[Any]]:
    found = {}
    for path in folder.rglob("samples_*.jsonl"):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        task = path.name.removeprefix("samples_").rpartition("_")[0]
        assert task not in found, "the files of a task are written once"
        found[task] = [line["filtered_resps"] for line in sorted(lines, key=lambda line: line["doc_id"])]
    return found


def test_two_processes_with_one_model_give_the_run_of_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_alone(tmp_path, "lm-eval-lens", *words(MODEL, "one"))
    monkeypatch.setenv("HARNESS_TENSOR_PARALLEL", "1")
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")
    run_alone(tmp_path, *LAUNCH, *words(f"{MODEL},tp_plan=auto", "two"))
    assert answers(tmp_path / "two") == answers(tmp_path / "one")
    for name in ("results_*.json", "lens_pope_mini_*.parquet", "lens_ruclevr_mini_*.parquet", "lens_thumbnails_*"):
        assert len(list((tmp_path / "two").rglob(name))) == 1, name
    assert not list(tmp_path.rglob(".lens_parts"))
    one, two = load(tmp_path / "one"), load(tmp_path / "two")
    _same(one, two)
    identity = two.info.identity
    assert identity.load_argmax and identity.run_argmax
    assert max(identity.load_deviation, identity.run_deviation) <= identity.tolerance
    assert two.info.control_cost["blank"]["samples"] == one.info.control_cost["blank"]["samples"] == 10
    assert two.info.fingerprint["arguments"]["tp_plan"] == "auto", "comparisons say that the arithmetic is another"


def _same(one: Run, two: Run) -> None:
    for column in ("task", "doc_id", "response", "status", "answer_step", "correct", "pred_candidate"):
        assert one.samples[column].tolist() == two.samples[column].tolist(), column
    assert (two.samples["status"] == "ok").sum() >= 8
    for name in ("entropy", "jsd_last", "logprob_pred", "cand_scores"):
        np.testing.assert_allclose(one.stack(name), two.stack(name), **lens_tiny_bounds())
    assert "attention" in one.probes, "so that its absence below means something"
    assert "attention" not in two.probes, "a process has a part of the heads, whose mean is none over all"
    why = "the heads of Qwen2VLForConditionalGeneration are split over 2 processes"
    assert all(why in status for status in two.samples["probe_status.attention"])
    maps = [name for name in one.probes["image_tokens"] if name.startswith("map ") and "near" not in name]
    assert maps and set(maps) <= set(two.probes["image_tokens"])
    for name in maps:
        for own, other in zip(*(run.probe("image_tokens", name) for run in (one, two)), strict=True):
            assert (own is None) == (other is None)
            if own is not None and other is not None:
                np.testing.assert_allclose(own, other, **lens_tiny_bounds())
