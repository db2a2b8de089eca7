"""A document is decoded once, however many choices or rounds there are about it."""

from __future__ import annotations

from typing import Any

from harness_ext.lmms_eval.samples import LmmsEvalSamples
from harness_ext.samples import HarnessRequest
from harness_ext.tasks import Tasks
from lens_engine.model_arguments import ModelArguments
from lens_models import load_model


class Split:
    """Documents that take long to decode."""

    def __init__(self) -> None:
        self.decoded = 0

    def __getitem__(self, number: int) -> dict[str, str]:
        self.decoded += 1
        return {"question": f"Is it {number}?"}


def messages(document: Any, **_: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"type": "text", "text": document["question"]}]}]


def test_choices_and_rounds_share_a_document() -> None:
    loaded, split = load_model(device="cpu"), Split()
    maker = LmmsEvalSamples(loaded.processor, ModelArguments(), {"t": {"test": split}}, Tasks())
    asked = [
        HarnessRequest(("t", 3, index, 0), "?", "test", continuation=continuation, messages=messages)
        for index, continuation in enumerate((" yes", " no", " maybe"))
    ]
    choices = maker.choices(asked)
    assert split.decoded == 1
    assert [sample.key for sample in choices.samples] == [request.key for request in asked]
    assert all("Is it 3?" in sample.prompt for sample in choices.samples)
    document = maker.document(asked[0])
    maker.sample(asked[0], document, kind="multi_round")
    assert split.decoded == 2
