"""Checkpoints whose processors want the images of a batch by prompt, in lm-eval."""

from __future__ import annotations

from pathlib import Path

import pytest
import transformers
from datasets import Dataset
from lm_eval.tasks import TaskManager
from lm_eval_outcome import Evaluate
from packaging.version import Version
from processors import checkpoint

_UTILS = """
import numpy as np
from PIL import Image


def pictures(doc):
    random = np.random.default_rng(doc["seed"])
    return [Image.fromarray(random.integers(0, 255, (40, 48, 3), dtype=np.uint8)) for _ in range(doc["images"])]


def question(doc):
    return "<image>" * doc["images"] + doc["question"]
"""
_TASK = """
task: mixed
dataset_path: parquet
dataset_kwargs: {{data_files: {{test: {data}}}}}
test_split: test
output_type: generate_until
doc_to_image: !function utils.pictures
doc_to_text: !function utils.question
doc_to_target: "yes"
generation_kwargs: {{max_gen_toks: 3, do_sample: false, temperature: 0.0}}
metadata: {{version: 1.0}}
"""
pytestmark = [
    pytest.mark.skipif(
        Version(transformers.__version__) < Version("5"),
        reason="transformers 4 maps no Gemma 3 to AutoModelForVision2Seq, and its Mllama needs an image",
    ),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning:transformers"),
]


@pytest.fixture
def mixed(tmp_path: Path) -> TaskManager:
    rows = [{"seed": i, "images": i % 3, "question": "is there a red cube" + " in" * i} for i in range(6)]
    Dataset.from_list(rows).to_parquet(str(tmp_path / "rows.parquet"))
    (tmp_path / "utils.py").write_text(_UTILS)
    (tmp_path / "mixed.yaml").write_text(_TASK.format(data=tmp_path / "rows.parquet"))
    return TaskManager(include_path=str(tmp_path), include_defaults=False)


@pytest.mark.parametrize("family", ["gemma3", "mllama"])
def test_documents_with_none_one_and_two_images_share_batches(
    evaluate: Evaluate, mixed: TaskManager, tmp_path: Path, family: str
) -> None:
    model = f"pretrained={checkpoint(family, tmp_path / family)}"
    with_images = {"mixed": [1, 2, 4, 5]}  # over the others the stock model stops
    stock = evaluate("mixed", model, model="hf-multimodal", task_manager=mixed, samples=with_images, output="stock")
    alone = evaluate("mixed", f"{model},lens=False", task_manager=mixed, batch_size=1, output="alone")
    assert [alone.texts("mixed")[number] for number in with_images["mixed"]] == stock.texts("mixed")
    for size, lens in ((2, True), (3, False)):
        found = evaluate("mixed", f"{model},lens={lens}", task_manager=mixed, batch_size=size, output=f"b{size}")
        assert found.texts("mixed") == alone.texts("mixed")
    assert len(set(alone.texts("mixed"))) > 1
