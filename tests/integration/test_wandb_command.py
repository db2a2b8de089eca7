"""`--wandb_args` of both harnesses: the lens's metrics and figures in the run that the harness opens, here offline."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from command_runner import Command
from PIL import Image
from wandb.proto.wandb_internal_pb2 import Record
from wandb.sdk.internal.datastore import DataStore

COMMANDS = {
    "lmms-eval": ("lmms-eval", "--wandb_args", "project=lens,name=here"),
    "lm-eval": ("lm-eval-lens", "--wandb_args", "project=lens,name=here", "--apply_chat_template"),
}


def logged(run: Path) -> list[dict[str, Any]]:
    """Step by step what a run without a network has kept."""
    steps = []
    with closing(DataStore()) as store:
        store.open_for_scan(str(run))
        while (data := store.scan_data()) is not None:
            record = Record()
            record.ParseFromString(data)
            if record.HasField("history"):
                items = record.history.item
                steps.append({item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items})
    return steps


@pytest.mark.parametrize("harness", COMMANDS)
def test_metrics_and_figures_are_one_step_of_the_harness_s_run(
    harness: str, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    words = ("--model", "hf-multimodal-lens", "--tasks", "pope_mini", "--limit", "12", "--batch_size", "12")
    said = command(*COMMANDS[harness], *words, "--output_path", "out").stdout
    assert "did not reach" not in said
    (run,) = tmp_path.glob("wandb/offline-run-*/*.wandb")
    first, *_ = logged(run)
    assert first["pope_mini/lens_coverage"] == 1
    assert 0 < first["pope_mini/lens_final_prob"] <= 1
    for name in ("accuracy", "log_odds", "uncertainty", "emergence"):
        figure = f"lens/pope_mini/{name}"
        assert first[f"{figure}/caption"]
        with Image.open(run.parent / "files" / first[f"{figure}/path"]) as picture:
            assert picture.size == (first[f"{figure}/width"], first[f"{figure}/height"])
            assert len(set(picture.convert("L").tobytes())) > 10  # something is drawn
