"""A long run: what grows with the samples is what the harness and the table need of each, and no more."""

from __future__ import annotations

import gc
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from datasets import Dataset, Features, Image, Value
from lmms_eval.tasks import TaskManager
from lmms_eval_outcome import Evaluate
from odd_pictures import odd_images
from tiny_tasks import _BASE, _UTILS
from transformers import AutoConfig, Qwen2VLForConditionalGeneration

from lens_models.loading import resolve_pretrained

SAMPLES = 20_000
BATCH = 50
SETTLED = 4_000  # samples after which caches, thread pools and the allocator have what they keep
KIB_A_SAMPLE = 4.0  # 3.2 with answers and the values of the table; an image is 12


@dataclass(frozen=True)
class Held:
    """What the process holds at one moment."""

    samples: int
    resident: int
    files: int
    threads: int


class Watch:
    """Looks at this process every thousand samples."""

    def __init__(self) -> None:
        self.process = psutil.Process()
        self.seen: list[Held] = []
        self.samples = 0

    def count(self, batch: int) -> None:
        if self.samples % 1000 == 0:
            gc.collect()
            resident, files = self.process.memory_info().rss, self.process.num_fds()
            self.seen.append(Held(self.samples, resident, files, self.process.num_threads()))
        self.samples += batch


def write_stub(folder: Path) -> Path:
    """The bundled model with two layers and random weights."""
    source = Path(resolve_pretrained("lens_tiny"))
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    config = json.loads((source / "config.json").read_text())
    config["text_config"] |= {"num_hidden_layers": 2, "layer_types": ["full_attention"] * 2}
    config["vision_config"]["depth"] = 1
    (folder / "config.json").write_text(json.dumps(config))
    torch.manual_seed(0)
    Qwen2VLForConditionalGeneration(AutoConfig.from_pretrained(folder)).save_pretrained(folder)
    return folder


def write_task(folder: Path) -> Path:
    folder.mkdir()
    image = {"bytes": odd_images()["grey"], "path": None}
    names = ("question_id", "question", "answer", "image_id")
    features = Features({name: Value("string") for name in names} | {"image": Image()})
    rows = [
        {"question_id": str(i), "question": f"Is there a red cube in picture {i}?", "answer": "yes", "image": image,
         "image_id": f"scene{i // 6}"}
        for i in range(SAMPLES)
    ]  # fmt: skip
    data = folder / "soak.parquet"
    Dataset.from_list(rows, features=features).to_parquet(str(data))
    (folder / "utils.py").write_text(_UTILS)
    text = _BASE.replace("max_new_tokens: 4", "max_new_tokens: 2").format(data=data)
    (folder / "soak.yaml").write_text(f"task: soak\n{text}")
    return folder


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.skipif(os.name != "posix", reason="open files are counted as POSIX systems have them")
def test_a_long_run_holds_on_to_nothing(evaluate: Evaluate, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    manager = TaskManager(
        "ERROR",
        include_path=str(write_task(tmp_path / "tasks")),
        include_defaults=False,
        model_name="hf-multimodal-lens",
    )
    watch = Watch()
    generate = Qwen2VLForConditionalGeneration.generate

    def counted(self: Any, **arguments: Any) -> Any:
        watch.count(arguments["input_ids"].shape[0])
        return generate(self, **arguments)

    monkeypatch.setattr(Qwen2VLForConditionalGeneration, "generate", counted)
    stub = write_stub(tmp_path / "stub")
    outcome = evaluate("soak", f"pretrained={stub}", task_manager=manager, batch_size=BATCH)
    assert outcome.run.samples["doc_id"].tolist() == list(range(SAMPLES))
    for held in watch.seen:
        print(f"{held.samples:6} samples: {held.resident / 2**20:7.1f} MiB, {held.files} files, {held.threads} threads")
    settled, end = (held for held in watch.seen if held.samples in (SETTLED, SAMPLES - 1000))
    growth = (end.resident - settled.resident) / (end.samples - settled.samples)
    print(f"{growth / 1024:.2f} KiB a sample")
    assert growth <= KIB_A_SAMPLE * 1024
    assert end.files <= settled.files
    assert end.threads <= settled.threads
