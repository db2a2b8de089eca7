"""Records are about the images that the model was shown: no more than `max_images`, resized, converted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from datasets import Dataset, Features, Image, Value
from lm_eval.tasks import TaskManager
from lm_eval_outcome import Evaluate
from PIL import Image as PILImage
from resizing import resizing_works
from transformers import Qwen2VLProcessor

from lens_engine.media import image_digest
from lens_results import load_thumbnails

_UTILS = """
def pictures(doc):
    return [doc["first"].convert("RGBA"), doc["second"]]


def first(doc):
    return [doc["first"]]


def question(doc):
    return "<image>Is there a red cube?" + "<image>" * (len(doc["question"]) > 0) + doc["question"]
"""
_TASK = """
task: {name}
dataset_path: parquet
dataset_kwargs: {{data_files: {{test: {data}}}}}
test_split: test
doc_to_image: !function utils.pictures
doc_to_text: !function utils.question
doc_to_target: answer
{more}
metadata: {{version: 1.0}}
"""
_GENERATE = "output_type: generate_until\ngeneration_kwargs: {max_gen_toks: 3, do_sample: false, temperature: 0.0}"
_CHOOSE = "output_type: multiple_choice\ndoc_to_choice: ['yes', 'no']"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> TaskManager:
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(7)
    noise = [PILImage.fromarray(rng.integers(0, 255, (72, 96, 3), dtype=np.uint8)) for _ in range(6)]
    rows = [
        {"question": f"Or {'a cat' * i}?", "answer": "yes", "first": noise[2 * i], "second": noise[2 * i + 1]}
        for i in range(3)
    ]
    features = Features({"question": Value("string"), "answer": Value("string"), "first": Image(), "second": Image()})
    Dataset.from_list(rows, features=features).to_parquet(str(folder / "rows.parquet"))
    (folder / "utils.py").write_text(_UTILS)
    for name, more in (("two_pictures", _GENERATE), ("two_pictures_choice", _CHOOSE)):
        text = _TASK.format(name=name, data=folder / "rows.parquet", more=more)
        (folder / f"{name}.yaml").write_text(text)
    return TaskManager(include_path=str(folder), include_defaults=False)


@pytest.fixture
def processed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Digests of the images that the model's processor was given, in order."""
    digests: list[str] = []
    process = Qwen2VLProcessor.__call__

    def call(self: Any, images: Any = None, text: Any = None, **kwargs: Any) -> Any:
        flat = [image for own in images or () for image in (own if isinstance(own, list) else [own])]
        digests.extend(image_digest(flat))
        return process(self, images=images, text=text, **kwargs)

    monkeypatch.setattr(Qwen2VLProcessor, "__call__", call)
    yield digests


@pytest.mark.skipif(not resizing_works(), reason="this lm-eval cannot resize images with this Pillow")
@pytest.mark.parametrize("task", ["two_pictures", "two_pictures_choice"])
@pytest.mark.parametrize(
    ("arguments", "n"),
    [("max_images=1,convert_img_format=True,image_max_side=40", 1), ("image_width=48", 2)],
)
def test_digests_are_those_of_what_the_processor_was_given(
    evaluate: Evaluate, pictures: TaskManager, processed: list[str], arguments: str, n: int, task: str
) -> None:
    found = evaluate(task, arguments, task_manager=pictures, batch_size=1)
    for digests in found.run.samples["image_sha256"]:
        assert len(digests) == n
        assert set(digests) <= set(processed)
    shown = {digest for digests in found.run.samples["image_sha256"] for digest in digests}
    assert len(shown) == 3 * n


@pytest.mark.parametrize("chat", [True, False])
def test_answers_with_fewer_images_are_those_of_the_stock_model(
    evaluate: Evaluate, pictures: TaskManager, chat: bool
) -> None:
    settings: dict[str, Any] = {"apply_chat_template": chat, "fewshot_as_multiturn": chat, "task_manager": pictures}
    stock = evaluate("two_pictures", "max_images=1", model="hf-multimodal", output="stock", batch_size=2, **settings)
    ours = evaluate("two_pictures", "max_images=1", batch_size=2, **settings)
    assert ours.texts("two_pictures") == stock.texts("two_pictures")


def test_lent_images_and_thumbnails_are_no_more_than_are_shown(evaluate: Evaluate, pictures: TaskManager) -> None:
    run = evaluate("two_pictures", "max_images=1,lens_controls=shuffled", task_manager=pictures).run
    assert {record.control_status["shuffled"] for record in run.records()} == {"ok"}
    digests = {digest for own in run.samples["image_sha256"] for digest in own}
    assert set(load_thumbnails(run)) == digests
    assert len(digests) == 3
