"""lm-eval sorts a batch and resizes pictures; image tokens are still those of each row's own pictures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar

import numpy as np
import pytest
from datasets import Dataset, Features, Image, Value
from lm_eval.tasks import TaskManager
from lm_eval_outcome import Evaluate
from PIL import Image as PILImage
from resizing import resizing_works

from lens_models.probes import PROBES, Batch
from lens_models.probes.protocol import Answered

_UTILS = """
def pictures(doc):
    return [doc["first"], doc["second"]][: doc["shown"]]


def question(doc):
    return "<image>" * doc["shown"] + doc["question"]
"""
_TASK = """
task: unlike_pictures
dataset_path: parquet
dataset_kwargs: {{data_files: {{test: {data}}}}}
test_split: test
doc_to_image: !function utils.pictures
doc_to_text: !function utils.question
doc_to_target: answer
output_type: generate_until
generation_kwargs: {{max_gen_toks: 2, do_sample: false, temperature: 0.0}}
metadata: {{version: 1.0}}
"""
_SHAPES = [((64, 96), (48, 48)), ((96, 48), (96, 96)), ((48, 96), (40, 80))]


class Looks:
    """Keeps what it is given."""

    name: ClassVar[str] = "looks"
    needs_image_tokens: ClassVar[bool] = True
    seen: ClassVar[list[Batch]] = []

    def __init__(self, lens: Any, batch: Batch) -> None:
        self.seen.append(batch)

    def attach(self, parts: Any) -> AbstractContextManager[Any]:
        return nullcontext()

    def on_step(self, step: Any) -> None:
        pass

    def result(self, answered: Answered) -> Any:
        return {}


@pytest.fixture
def looking(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Batch]]:
    monkeypatch.setitem(PROBES, "looks", Looks)
    Looks.seen.clear()
    yield Looks.seen
    Looks.seen.clear()


@pytest.fixture(scope="module")
def unlike(tmp_path_factory: pytest.TempPathFactory) -> TaskManager:
    folder = tmp_path_factory.mktemp("unlike")
    rng = np.random.default_rng(7)
    noise = [
        [PILImage.fromarray(rng.integers(0, 255, (*shape, 3), dtype=np.uint8)) for shape in own] for own in _SHAPES
    ]
    rows = [
        {"question": "Is it?" + " And a cat?" * i, "answer": "yes", "shown": 1 + i % 2, "first": a, "second": b}
        for i, (a, b) in enumerate(noise)
    ]
    features = Features({"question": Value("string"), "answer": Value("string"), "shown": Value("int32"),
                         "first": Image(), "second": Image()})  # fmt: skip
    Dataset.from_list(rows, features=features).to_parquet(str(folder / "rows.parquet"))
    (folder / "utils.py").write_text(_UTILS)
    (folder / "unlike_pictures.yaml").write_text(_TASK.format(data=folder / "rows.parquet"))
    return TaskManager(include_path=str(folder), include_defaults=False)


@pytest.mark.parametrize("arguments", ["", "image_max_side=64"])
def test_each_row_has_the_tokens_of_its_own_pictures(
    evaluate: Evaluate, unlike: TaskManager, looking: list[Batch], arguments: str
) -> None:
    """The grids that the processor gave the model are the judge."""
    if arguments and not resizing_works():
        pytest.skip("this lm-eval cannot resize images with this Pillow")
    given = ",".join(filter(None, ("lens_probes=looks", arguments)))
    evaluate("unlike_pictures", given, task_manager=unlike, batch_size=3)
    (batch,) = [each for each in looking if len(each.inputs["input_ids"]) == 3]
    grids = iter((batch.inputs["image_grid_thw"][:, 1:] // 2).tolist())
    for row, tokens in enumerate(batch.image_tokens):
        assert tokens.problem is None
        assert tokens.boxes is not None
        ids = batch.inputs["input_ids"][row, tokens.positions]
        assert len(set(ids.tolist())) == 1, "all are the image token"
        for image in range(int(tokens.image.max()) + 1):
            own = tokens.boxes[tokens.image == image]
            shape = [len(set(np.round(own[:, axis], 3).tolist())) for axis in (1, 0)]
            assert shape == next(grids)
    assert next(grids, None) is None
