"""Tasks for lm-eval with documents that go wrong: odd images, empty questions, odd names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from datasets import Dataset, Features, Image, Value
from odd_pictures import broken_images, odd_images

_UTILS = """
def as_it_is(doc):
    return [doc["image"]]


def doc_to_text(doc):
    return doc["question"] if "<image>" in doc["question"] else "<image>" + doc["question"]
"""

_TASK = """
task: {name}
dataset_path: parquet
dataset_kwargs:
  data_files:
    test: {data}
    shots: {shots}
test_split: test
fewshot_split: shots
output_type: generate_until
doc_to_image: !function utils.as_it_is
doc_to_text: !function utils.doc_to_text
doc_to_target: "{{{{answer}}}}"
generation_kwargs: {{until: ["\\n\\n"], max_gen_toks: 4, do_sample: false, temperature: 0.0}}
metric_list:
  - {{metric: exact_match, aggregation: mean, higher_is_better: true}}
metadata: {{version: 1.0}}
"""

_FILTERS = """
filter_list:
  - name: as-it-is
    filter: [{{function: take_first}}]
  - name: never
    filter: [{{function: regex, regex_pattern: "(never said)"}}, {{function: take_first}}]
"""


def write_lm_eval_fault_tasks(folder: Path) -> Path:
    """Write the tasks and their data into `folder`."""
    plain = odd_images()["grey"]
    usable = {name: image for name, image in odd_images().items() if name != "large"}

    def row(image: bytes, question: str = "Is there a red cube in the image?") -> dict[str, Any]:
        return {"question": question, "answer": "yes", "image": {"bytes": image, "path": None}}

    tasks = {
        "plain": [row(plain, f"Is there a red cube in image {i}?" + " Really?" * (i % 3)) for i in range(6)],
        "odd_images": [row(image) for image in usable.values()],
        "empty_question": [row(plain), row(plain, "")],
        "odd/name": [row(plain)],
        "long_before_image": [row(plain, "word " * 90 + "<image> Is there a red cube?") for _ in range(2)],
    }
    tasks["filters"] = tasks["plain"][:2]
    tasks |= {name: [row(plain), row(image)] for name, image in broken_images().items()}
    features = Features({"question": Value("string"), "answer": Value("string"), "image": Image()})
    (folder / "utils.py").write_text(_UTILS)
    for name, rows in tasks.items():
        file = name.replace("/", "_")
        data = folder / f"{file}.parquet"
        Dataset.from_list(rows, features=features).to_parquet(str(data))
        text = _TASK + _FILTERS if name == "filters" else _TASK
        (folder / f"{file}.yaml").write_text(text.format(name=name, data=data, shots=folder / "plain.parquet"))
    return folder
