"""A folder of tasks as the users of the MERA fork have it: one folder a task, functions beside the YAML."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

import lens_tasks

MINIS = Path(lens_tasks.__file__).parent / "minis"

_UTILS = """
import io

from PIL import Image


def doc_to_text(doc):
    return doc["instruction"].format(**doc["inputs"])


def doc_to_image(doc):
    return [Image.open(io.BytesIO(image["bytes"])).convert("RGB") for image in [doc["inputs"]["image"]]]


def doc_to_yes_no(doc):
    return ["да", "нет"]


def fail(doc, results):
    return {"exact_match": 1 / 0}
"""

_GENERATE = """
task: {name}
task_alias: {name}
dataset_path: parquet
dataset_kwargs:
  data_files:
    shots: {shots}
    test: {test}
validation_split: shots
test_split: test
output_type: generate_until
doc_to_image: !function utils.{images}
doc_to_text: !function utils.doc_to_text
doc_to_target: "{{{{outputs}}}}"
generation_kwargs:
  until: ["\\n\\n"]
  max_gen_toks: 8
  do_sample: false
  temperature: 0.0
metric_list:
  - metric: exact_match
    aggregation: mean
    higher_is_better: true
    ignore_case: true
    ignore_punctuation: true
metadata:
  version: 1.0
"""

_CHOICE = """
task: {name}
dataset_path: parquet
dataset_kwargs:
  data_files:
    test: {test}
test_split: test
output_type: multiple_choice
doc_to_image: !function utils.doc_to_image
doc_to_text: !function utils.doc_to_text
doc_to_choice: !function utils.doc_to_yes_no
doc_to_target: 0
metric_list:
  - metric: acc
    aggregation: mean
    higher_is_better: true
metadata:
  version: 1.0
"""

_TEXT = """
task: {name}
dataset_path: json
dataset_kwargs:
  data_files:
    test: {test}
test_split: test
output_type: generate_until
doc_to_text: "{{{{question}}}}"
doc_to_target: answer
generation_kwargs:
  until: ["\\n"]
  max_gen_toks: 4
  do_sample: false
  temperature: 0.0
metric_list:
  - metric: exact_match
    aggregation: mean
    higher_is_better: true
metadata:
  version: 1.0
"""


def write_mera_folder(folder: Path, rows: int = 5) -> Path:
    """The tasks ruclevr, weird, private (no answers), failing, choice and text."""
    data = folder / "data"
    data.mkdir(parents=True)
    for name in ("ruclevr", "weird"):
        for split, file in (("test", f"{name}_mini.parquet"), ("shots", f"{name}_mini_shots.parquet")):
            pq.write_table(pq.read_table(MINIS / file).slice(0, rows), data / f"{name}_{split}.parquet")
    secret = pq.read_table(data / "ruclevr_test.parquet")
    column = secret.schema.get_field_index("outputs")
    secret = secret.set_column(column, "outputs", pa.array([""] * secret.num_rows))
    pq.write_table(secret, data / "private_test.parquet")
    (data / "text.jsonl").write_text('{"question": "Is it red?", "answer": "yes"}\n' * 3)
    ruclevr, weird = (
        {split: data / f"{name}_{split}.parquet" for split in ("test", "shots")} for name in ("ruclevr", "weird")
    )
    _task(folder, "ruclevr", _GENERATE, images="doc_to_image", **ruclevr)
    _task(folder, "weird", _GENERATE, images="doc_to_image", **weird)
    _task(folder, "private", _GENERATE, images="doc_to_image", **{**ruclevr, "test": data / "private_test.parquet"})
    _task(folder, "failing", f"{_GENERATE}process_results: !function utils.fail\n", images="doc_to_image", **ruclevr)
    _task(folder, "choice", _CHOICE, test=ruclevr["test"])
    _task(folder, "text", _TEXT, test=data / "text.jsonl")
    return folder


def _task(folder: Path, name: str, template: str, **values: object) -> None:
    own = folder / name
    own.mkdir()
    (own / f"{name}.yaml").write_text(textwrap.dedent(template).format(name=name, **values))
    (own / "utils.py").write_text(_UTILS)
