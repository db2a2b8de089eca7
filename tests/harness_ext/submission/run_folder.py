"""Folders as the harnesses leave them after a run, without running one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

DATE = "2026-03-01T10-20-30.123456"
LMMS_DATE = "20260301_102030"


def sample(doc_id: int, meta_id: int, text: str, **more: Any) -> dict[str, Any]:
    return {
        "doc_id": doc_id,
        "doc": {"instruction": "?", "meta": {"id": meta_id}},
        "resps": [[text]],
        "filtered_resps": [text],
        "filter": "none",
        "lens_coverage": 1.0,
        **more,
    }


def write_run(
    folder: Path, tasks: Mapping[str, list[dict[str, Any]]], *, date: str = DATE, sizes: Mapping[str, int] | None = None
) -> Path:
    """`folder/<model>/` of lm-eval with samples and results of each task."""
    model = folder / "org__model"
    model.mkdir(parents=True, exist_ok=True)
    for task, samples in tasks.items():
        text = "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in samples)
        (model / f"samples_{task}_{date}.jsonl").write_text(text, encoding="utf-8")
    given = {task: len(samples) for task, samples in tasks.items()} if sizes is None else sizes
    n_samples = {task: {"original": size, "effective": size} for task, size in given.items()}
    (model / f"results_{date}.json").write_text(json.dumps({"results": {}, "n-samples": n_samples}))
    (model / "lens_ruclevr_20260301T102030Z-abc.parquet").write_bytes(b"PAR1")
    return folder


def write_lmms_run(folder: Path, task: str, answers: Mapping[int, str], *, with_ids: bool = True) -> Path:
    """`folder/<model>/` of lmms-eval, whose samples have no document."""
    model = folder / "org__model"
    model.mkdir(parents=True)
    lines = []
    for doc_id, (meta_id, text) in enumerate(answers.items()):
        line: dict[str, Any] = {"doc_id": doc_id, "filtered_resps": [text], "input": "?"}
        lines.append(json.dumps(line | ({"lens_meta_id": meta_id} if with_ids else {}), ensure_ascii=False) + "\n")
    (model / f"{LMMS_DATE}_samples_{task}.jsonl").write_text("".join(lines), encoding="utf-8")
    sizes = {task: {"original": len(answers), "effective": len(answers)}}
    (model / f"{LMMS_DATE}_results.json").write_text(json.dumps({"results": {}, "n-samples": sizes}))
    return folder
