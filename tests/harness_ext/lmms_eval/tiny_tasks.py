"""Small tasks of every request type, written as lmms-eval's users write them: YAML, utils.py, Parquet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset, Features, Image, Value
from PIL import Image as PILImage

_UTILS = """
def to_visual(doc):
    return [doc["image"].convert("RGB")]


def two_visuals(doc):
    return [doc["image"].convert("RGB"), doc["image"].convert("RGB").rotate(90)]


def no_visual(doc):
    return []


def to_text(doc, lmms_eval_specific_kwargs=None):
    return doc["question"]


def score(doc, results):
    return {"exact": float(results[0].strip().lower() == doc["answer"])}


def rounds_text(doc, lmms_eval_specific_kwargs=None, previous_output=None, round_idx=None, previous_round_info=None):
    if round_idx is None or round_idx == 0:
        return doc["question"]
    done = round_idx >= 2
    return None, "Are you sure?", done, previous_output, {"rounds": round_idx}


def rounds_score(doc, results):
    return {"rounds": float(len(results[0]))}
"""

_BASE = """
dataset_path: parquet
dataset_kwargs:
  data_files:
    test: {data}
test_split: test
output_type: generate_until
doc_to_visual: !function utils.to_visual
doc_to_text: !function utils.to_text
doc_to_target: answer
generation_kwargs: {{max_new_tokens: 4, temperature: 0}}
process_results: !function utils.score
metric_list:
  - {{metric: exact, aggregation: mean, higher_is_better: true}}
metadata: {{version: 1.0}}
"""

_FILTERS = """
filter_list:
  - name: as-it-is
    filter: [{{function: take_first}}]
  - name: never
    filter: [{{function: regex, regex_pattern: "(never said)"}}, {{function: take_first}}]
"""

_TASKS = {
    "tiny_yes_no": "task: tiny_yes_no\n" + _BASE,
    "tiny_two_images": "task: tiny_two_images\n" + _BASE.replace("utils.to_visual", "utils.two_visuals"),
    "tiny_text": "task: tiny_text\n" + _BASE.replace("utils.to_visual", "utils.no_visual"),
    "tiny_long": "task: tiny_long\n" + _BASE.replace("max_new_tokens: 4", "max_new_tokens: 24"),
    "tiny_sampled": "task: tiny_sampled\n" + _BASE.replace("temperature: 0", "temperature: 0.8, do_sample: true"),
    "tiny_beams": "task: tiny_beams\n" + _BASE.replace("temperature: 0", "temperature: 0, num_beams: 3"),
    "tiny_open": "task: tiny_open\n" + _BASE.replace("doc_to_target: answer", "doc_to_target: caption"),
    "tiny_private": "task: tiny_private\n" + _BASE.replace("doc_to_target: answer", "doc_to_target: blank"),
    "tiny_rounds": "task: tiny_rounds\n"
    + _BASE.replace("output_type: generate_until", "output_type: generate_until_multi_round")
    .replace("utils.to_text", "utils.rounds_text")
    .replace("utils.score", "utils.rounds_score")
    .replace("metric: exact", "metric: rounds"),
    "tiny_choice": "task: tiny_choice\n"
    + _BASE.replace("output_type: generate_until", "output_type: multiple_choice\ndoc_to_choice: ['yes', 'no way']")
    .replace("doc_to_target: answer", "doc_to_target: choice")
    .replace("generation_kwargs: {{max_new_tokens: 4, temperature: 0}}\n", "")
    .replace("process_results: !function utils.score\n", "")
    .replace("metric: exact", "metric: acc"),
    "tiny_no_yes": "task: tiny_no_yes\n"
    + _BASE.replace("output_type: generate_until", "output_type: multiple_choice\ndoc_to_choice: ['no', 'yes']")
    .replace("generation_kwargs: {{max_new_tokens: 4, temperature: 0}}\n", "")
    .replace("process_results: !function utils.score\n", "")
    .replace("metric: exact", "metric: acc"),
    "tiny_filters": "task: tiny_filters\n" + _BASE + _FILTERS,
    "tiny_broken": "task: tiny_broken\n" + _BASE.replace("{data}", "{broken}"),
}


def rows(n: int = 8) -> list[dict[str, Any]]:
    """Questions of different lengths on images of different sizes."""
    rng = np.random.default_rng(3)
    things = ("red cube", "small green metal sphere to the left of the purple cylinder", "cat")
    return [
        {
            "question_id": str(i),
            "question": f"Is there a {things[i % 3]} in the image?",
            "answer": "yes" if i % 2 else "no",
            "caption": f"a picture of {things[i % 3]}",
            "blank": "",
            "choice": i % 2,
            "image_id": f"scene{i // 4}",
            "image": PILImage.fromarray(rng.integers(0, 255, (40 + 8 * (i % 3), 64, 3), dtype=np.uint8)),
        }
        for i in range(n)
    ]


def write_tasks(folder: Path, documents: Sequence[dict[str, Any]] | None = None) -> Path:
    """Write the tasks and their data, `rows()` or other documents, into `folder`."""
    features = Features(
        {name: Value("string") for name in ("question_id", "question", "answer", "caption", "blank", "image_id")}
        | {"choice": Value("int64"), "image": Image()}
    )
    data, broken = folder / "rows.parquet", folder / "broken.parquet"
    Dataset.from_list(list(documents or rows()), features=features).to_parquet(str(data))
    damaged = rows(3)
    damaged[1]["image"] = {"bytes": b"this is no image", "path": None}
    Dataset.from_list(damaged, features=features).to_parquet(str(broken))
    (folder / "utils.py").write_text(_UTILS)
    for name, text in _TASKS.items():
        (folder / f"{name}.yaml").write_text(text.format(data=data, broken=broken))
    return folder
