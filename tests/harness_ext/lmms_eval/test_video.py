"""Videos as lmms-eval's tasks give them: a path in the conversation, or a clip of one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lmms_eval.api.instance import Instance
from lmms_eval.models import get_model
from made_videos import decoded, pictures, write_video

from harness_ext.lmms_eval.samples import normalise

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
