"""Each family's processor gives the inputs of its authors' own way from a file, byte for byte."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made_videos import open_files_with_pyav, pictures, write_video

from benchmarks.coverage.processors import processor_of
from lens_models import InputError
from lens_models.encoding import encode_texts, render_chat
from lens_models.video import Video, VideoSampling, open_video, video_arguments

FAMILIES = (
    *(
        "qwen2_vl",
        "qwen2_5_vl",
        "qwen3_vl",
        "qwen2_5_omni_thinker",
        "llava_next_video",
        "llava_onevision",
        "video_llava",
    ),
    *("perception_lm", "internvl", "smolvlm", "glm4v", "glm46v", "video_llama_3", "gemma4"),
)
QUESTION = {"type": "text", "text": "is there a circle"}
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning:transformers.models")


def family(name: str) -> Any:
    """A processor with a tokenizer that spells times."""
    processor = processor_of(name)
    processor.tokenizer.add_tokens([*"0123456789.:", "seconds", "Time"])
    return processor


def opened(path: str, **sampling: Any) -> Video:
    return open_video(path, where="here", sampling=VideoSampling(**sampling))


def ours(processor: Any, videos: Sequence[Video]) -> Any:
    prompt = render_chat(processor, [{"role": "user", "content": [{"type": "video"}] * len(videos) + [QUESTION]}])
    return encode_texts(processor, [prompt], **video_arguments(processor, videos))


def theirs(processor: Any, path: str, choose: Callable[..., Any], **more: Any) -> Any:
    """The inputs of `apply_chat_template` from the file; its frames are those that `choose` takes."""
    open_files_with_pyav(processor)
    processor.video_processor.sample_frames = choose
    content = [{"type": "video", "path": path}, QUESTION]
    return processor.apply_chat_template(
        [{"role": "user", "content": content}], tokenize=True, return_dict=True, return_tensors="pt",
        add_generation_prompt=True, processor_kwargs={"do_sample_frames": True, "padding": True, **more},
    )  # fmt: skip


def equal(one: Any, other: Any) -> None:
    assert set(one) == set(other)
    for name in one:
        assert torch.equal(torch.as_tensor(one[name]), torch.as_tensor(other[name])), name


@pytest.mark.parametrize("name", FAMILIES)
def test_inputs_are_those_of_the_familys_own_way(name: str, tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", pictures(90, 96, 64), rate=Fraction(30000, 1001))
    video = opened(path, max_frames=6)
    more = {"fps": video.sampled_fps} if name == "qwen2_5_omni_thinker" else {}
    equal(ours(family(name), [video]), theirs(family(name), path, lambda **_: np.asarray(video.indices), **more))


def seconds(processor: Any, inputs: Any) -> list[float]:
    """The times in a prompt, as the family writes them."""
    text = processor.tokenizer.decode(inputs["input_ids"][0]).replace(" ", "")
    found = re.findall(r"(?<![0-9.:])(\d\d):(\d\d)(?!:?[0-9])|(?<![0-9.:])(\d+\.\d)(?![0-9])", text)
    return [60 * int(minute) + int(second) if minute else float(decimal) for minute, second, decimal in found]


@pytest.mark.parametrize("rate", [24, Fraction(30000, 1001), 60])
@pytest.mark.parametrize("name", ["qwen3_vl", "video_llama_3", "smolvlm", "glm46v", "gemma4"])
def test_times_in_the_prompt_are_those_of_the_frames(name: str, rate: int | Fraction, tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", pictures(150, 32, 32), rate=rate)
    processor = family(name)
    written = seconds(processor, ours(processor, [opened(path, max_frames=6)]))
    places = np.linspace(0, 149, 6).round()
    true = [float(int(place) / rate) for place in places]
    if name == "qwen3_vl":  # two frames a token, at the time in their middle
        true = [(first + second) / 2 for first, second in zip(true[::2], true[1::2], strict=True)]
    if name == "glm46v":  # two frames a token, at the time of the first
        true = true[::2]
    unit = 1 if name in ("smolvlm", "gemma4") else 0.1
    cut = name in ("smolvlm", "gemma4")  # they cut fractions of a second off, the others round
    assert len(written) == len(true)
    for said, second in zip(written, true, strict=True):
        assert (0 <= second - said < unit) if cut else abs(said - second) <= unit / 2 + 1e-9


@pytest.mark.parametrize("rate", [24, Fraction(30000, 1001), 60])
def test_qwen2_5_vl_counts_in_the_seconds_of_the_file(rate: int | Fraction, tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", pictures(90, 32, 32), rate=rate)
    inputs = ours(family("qwen2_5_vl"), [opened(path, max_frames=6)])
    assert float(inputs["second_per_grid_ts"][0]) == pytest.approx(2 * float(90 / rate) / 6)


def test_times_of_a_clip_and_of_a_variable_rate(tmp_path: Path) -> None:
    processor = family("video_llama_3")
    path = write_video(tmp_path / "a.mp4", pictures(150, 32, 32), rate=30)
    assert seconds(processor, ours(processor, [opened(path, max_frames=3, start=2, end=3)])) == [2.0, 2.5, 3.0]
    uneven = write_video(tmp_path / "b.mkv", pictures(5, 32, 32), stamps=[0, 100, 200, 2000, 3000])
    assert seconds(processor, ours(processor, [opened(uneven)])) == [0.0, 0.1, 0.2, 2.0, 3.0]


def test_of_frames_without_times_nothing_is_said(tmp_path: Path) -> None:
    frames = pictures(4, 32, 32)
    for name in ("qwen3_vl", "video_llama_3", "qwen2_5_vl"):
        processor = family(name)
        prompt = render_chat(processor, [{"role": "user", "content": [{"type": "video"}, QUESTION]}])
        plain = encode_texts(processor, [prompt], videos=[frames], do_sample_frames=False)
        equal(ours(processor, [open_video(frames, where="here")]), plain)
    mixed = [open_video(frames, where="here"), opened(write_video(tmp_path / "a.mp4", frames, rate=10))]
    processor = family("video_llama_3")
    assert seconds(processor, ours(processor, mixed))[4:] == [0.0, 0.1, 0.2, 0.3]


def test_a_processor_with_one_rate_for_all_is_not_told_a_wrong_one(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", pictures(60, 32, 32), rate=30)
    processor = family("qwen2_5_omni_thinker")
    assert video_arguments(processor, [opened(path, fps=2)] * 2)["fps"] == pytest.approx(2)
    with pytest.raises(InputError, match=r"takes one number of frames a second.*shown at 2, 4; use batch_size=1"):
        video_arguments(processor, [opened(path, fps=2), opened(path, fps=4)])
    assert video_arguments(processor, []) == {}
