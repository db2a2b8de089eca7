"""Videos as lmms-eval's tasks give them: a path in the conversation, or a clip of one."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from lmms_eval.api.instance import Instance
from lmms_eval.models import get_model
from made_videos import decoded, open_files_with_pyav, pictures, write_video

from benchmarks.coverage.processors import processor_of
from harness_ext.lmms_eval.samples import LmmsEvalSamples, normalise
from harness_ext.tasks import Tasks
from lens_engine.model_arguments import ModelArguments
from lens_engine.prompts import ProcessorPrompts

QUESTION = {"type": "text", "text": "Is there a red cube in the image?"}


@pytest.fixture
def video(tmp_path: Path) -> str:
    return write_video(tmp_path / "clip.mp4", pictures(8, 64, 64), rate=4)


def instance(content: list[dict[str, Any]]) -> Instance:
    def messages(document: Any) -> list[dict[str, Any]]:
        return [{"role": "user", "content": [*content, QUESTION]}]

    arguments = ("context", messages, {"max_new_tokens": 3}, 0, "task", "test")
    return Instance("generate_until", arguments, 0, {"task": "task", "doc_id": 0, "repeats": 1})


def lens_model(arguments: str = "max_num_frames=4") -> Any:
    model = get_model("hf-multimodal-lens").create_from_arg_string(arguments, {"batch_size": 1})
    model.task_dict = {"task": {"test": [{}]}}
    return model


def test_a_model_answers_about_a_video(video: str) -> None:
    (answer,) = lens_model().generate_until([instance([{"type": "video", "url": video}])])
    assert answer.text.strip()


@pytest.mark.parametrize(
    "content",
    [
        {"url": {"type": "video", "path": "{}", "video_start": 0.5, "video_end": 1.5}},  # as EgoTempo's `doc_to_visual`
        {"url": "{}", "start_time": 0.5, "end_time": 1.5},
    ],
)
def test_a_clip_of_a_video(video: str, content: dict[str, Any]) -> None:
    model = lens_model("max_frames=3")
    url = content["url"]
    content["url"] = video if isinstance(url, str) else {**url, "path": video}
    (request,) = normalise([instance([{"type": "video", **content}])])
    (shown,) = model._maker().shown(request, {})[1].videos
    assert shown.indices == (2, 4, 6)
    assert shown.clip == (0.5, 1.5)
    assert np.array_equal(shown.frames, decoded(video)[[2, 4, 6]])


class Listening:
    """Stands for a model; keeps the inputs that it is given."""

    inputs: dict[str, Any]
    config = SimpleNamespace(max_position_embeddings=None)
    device, dtype = "cpu", torch.float32

    def generate(self, input_ids: torch.Tensor, **arguments: Any) -> torch.Tensor:
        given = {name: value for name, value in arguments.items() if isinstance(value, torch.Tensor)}
        self.inputs = {"input_ids": input_ids, **given}
        return torch.cat([input_ids, input_ids[:, -1:]], dim=1)


def of_the_stock_wrapper(processor: Any, request: Instance) -> dict[str, Any]:
    """What lmms-eval's own `huggingface` model gives its model; the processor may not be handed empty lists."""
    cls = get_model("huggingface")
    wrapper, listening, process = object.__new__(cls), Listening(), type(processor).__call__

    class Lenient(type(processor)):  # type: ignore[misc]
        def __call__(self, *args: Any, audios: Any = (), **kwargs: Any) -> Any:
            return process(self, *args, **{name: value for name, value in kwargs.items() if value != []})

    processor.__class__ = Lenient
    open_files_with_pyav(processor)
    vars(wrapper).update(
        processor=processor, _tokenizer=processor.tokenizer, _model=listening, _device="cpu", device_map="cpu",
        batch_size_per_gpu=1, _rank=0, system_prompt=None, use_cache=True, task_dict={"task": {"test": [{}]}},
        cache_hook=SimpleNamespace(add_partial=lambda *_: None),
    )  # fmt: skip
    wrapper.generate_until([request])
    return listening.inputs


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning:transformers.models")
@pytest.mark.parametrize(
    ("family", "arguments"),
    [
        *((name, {"max_num_frames": 90}) for name in ("qwen2_vl", "qwen2_5_vl", "llava_next_video", "llava_onevision")),
        *((name, {"max_num_frames": 90}) for name in ("video_llava", "internvl", "perception_lm", "video_llama_3")),
        ("qwen3_vl", {"fps": 2}),
    ],
)
def test_the_inputs_are_those_of_the_stock_wrapper(tmp_path: Path, family: str, arguments: dict[str, Any]) -> None:
    """Most families' own settings show all frames of a file; Qwen3-VL's show two a second, evenly spaced."""
    path = write_video(tmp_path / "a.mp4", pictures(90, 48, 32), rate=30)
    request, processors = instance([{"type": "video", "url": path}]), [processor_of(family) for _ in range(2)]
    for processor in processors:
        processor.tokenizer.add_tokens([*"0123456789.:"])  # so that it spells times
    maker = LmmsEvalSamples(processors[0], ModelArguments(**arguments), {"task": {"test": [{}]}}, Tasks({}))
    (asked,) = normalise([request])
    sample = maker.sample(asked)
    inputs = ProcessorPrompts(Listening(), processors[0], use_cache=True, warn=pytest.fail).encode([sample])
    stock = of_the_stock_wrapper(processors[1], request)
    assert set(stock) == set(inputs) >= {"input_ids"}
    assert any("pixel" in name for name in stock)
    for name, value in stock.items():
        assert torch.equal(torch.as_tensor(inputs[name]), value), name
