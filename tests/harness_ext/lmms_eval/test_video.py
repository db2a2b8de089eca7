"""Videos as lmms-eval's tasks give them: a path in the conversation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from lmms_eval.api.instance import Instance
from lmms_eval.models import get_model

from lens_models import InputError
from lens_models.video import open_video, sample_places


@pytest.fixture
def video(tmp_path: Path) -> str:
    """Two seconds of eight frames, from black to white."""
    path = str(tmp_path / "fade.mp4")
    with av.open(path, "w") as container:
        stream = container.add_stream("mpeg4", rate=4)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for i in range(8):
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 30 * i, dtype=np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def test_frames_are_evenly_spaced_over_the_whole_video(video: str) -> None:
    assert sample_places(8, 4) == [0, 2, 5, 7]
    assert sample_places(3, 4) == [0, 1, 2]
    frames = open_video(video, where="here", max_frames=4)
    assert frames.shape == (4, 64, 64, 3)
    assert np.all(np.diff(frames.mean(axis=(1, 2, 3))) > 0)
    assert len(open_video(video, where="here", fps=1)) == 2


def test_what_is_no_video_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"this is no video")
    with pytest.raises(InputError, match=r"task t, video 0: the video .*broken\.mp4 cannot be read"):
        open_video(str(broken), where="task t, video 0")
    with pytest.raises(InputError, match="expected the path of a video, found int"):
        open_video(3, where="task t, video 0")


def test_a_model_answers_about_a_video(video: str) -> None:
    model = get_model("hf-multimodal-lens").create_from_arg_string("max_num_frames=4", {"batch_size": 1})
    model.task_dict = {"task": {"test": [{}]}}
    content = [{"type": "video", "url": video}, {"type": "text", "text": "Is there a red cube in the image?"}]

    def messages(document: Any) -> list[dict[str, Any]]:
        return [{"role": "user", "content": content}]

    arguments = ("context", messages, {"max_new_tokens": 3}, 0, "task", "test")
    metadata = {"task": "task", "doc_id": 0, "repeats": 1}
    (answer,) = model.generate_until([Instance("generate_until", arguments, 0, metadata)])
    assert answer.text.strip()
