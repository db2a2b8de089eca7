from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from clevr_questions import ANSWERS, PROGRAMS
from PIL import Image

MERA = Path(__file__).parents[1] / "data" / "mera"


def _mera_record(dataset: str) -> dict[str, Any]:
    for entry in json.loads((MERA / "records.json").read_text(encoding="utf-8")):
        if entry["dataset"] == dataset:
            record: dict[str, Any] = entry["record"]
            record["inputs"]["image"] = {"bytes": None, "path": str(MERA / record["inputs"]["image"])}
            return record
    raise AssertionError(dataset)


@pytest.fixture
def ruclevr_doc() -> dict[str, Any]:
    """A real record of MERA-evaluation/ruCLEVR, its image as `datasets` hands it over undecoded."""
    return _mera_record("ruCLEVR")


@pytest.fixture
def weird_doc() -> dict[str, Any]:
    """A real record of MERA-evaluation/WEIRD."""
    return _mera_record("WEIRD")


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """A tiny folder in the layout of the official release: two images, five questions."""
    root = tmp_path / "CLEVR_v1.0"
    (root / "questions").mkdir(parents=True)
    (root / "images" / "val").mkdir(parents=True)
    for index in range(2):
        Image.new("RGBA", (48, 32), (index, 0, 0, 255)).save(root / "images" / "val" / f"CLEVR_val_{index:06d}.png")
    questions = [
        {
            "question_index": index,
            "image_index": index % 2,
            "image_filename": f"CLEVR_val_{index % 2:06d}.png",
            "split": "val",
            "question": f"Question {index}?",
            "answer": ANSWERS[family],
            "question_family_index": 40 + index,
            "program": program,
        }
        for index, (family, program) in enumerate(PROGRAMS.items())
    ]
    path = root / "questions" / "CLEVR_val_questions.json"
    path.write_text(json.dumps({"info": {"version": "1.0"}, "questions": questions}), encoding="utf-8")
    return root
