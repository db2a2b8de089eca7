"""Tasks with documents that go wrong: odd images, empty questions, odd names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from datasets import Dataset, Features, Image, Value
from odd_pictures import broken_images, odd_images
from tiny_tasks import _BASE, _UTILS

_AS_THEY_ARE = """

def as_it_is(doc):
    return [doc["image"]]
"""


def _row(number: int, image: bytes, question: str = "Is there a red cube in the image?") -> dict[str, Any]:
    return {
        "question_id": str(number), "question": question, "answer": "yes", "image_id": f"scene{number}",
        "image": {"bytes": image, "path": None},
    }  # fmt: skip


def write_fault_tasks(folder: Path) -> Path:
    """Write the tasks and their data into `folder`."""
    plain = odd_images()["grey"]
    tasks = {
        "odd_images": [_row(i, image) for i, image in enumerate(odd_images().values())],
        "empty_question": [_row(0, plain), _row(1, plain, ""), _row(2, plain, " \n")],
        "odd/name": [_row(i, plain) for i in range(2)],
    }
    tasks |= {name: [_row(0, plain), _row(1, image)] for name, image in broken_images().items()}
    names = ("question_id", "question", "answer", "image_id")
    features = Features({name: Value("string") for name in names} | {"image": Image()})
    (folder / "utils.py").write_text(_UTILS + _AS_THEY_ARE)
    for name, rows in tasks.items():
        file = name.replace("/", "_")
        data = folder / f"{file}.parquet"
        Dataset.from_list(rows, features=features).to_parquet(str(data))
        text = f"task: {name}\n" + _BASE.replace("utils.to_visual", "utils.as_it_is")
        (folder / f"{file}.yaml").write_text(text.format(data=data))
    return folder
