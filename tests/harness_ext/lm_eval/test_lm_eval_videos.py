"""Videos under lm-eval as the MERA fork gives them: answers are those of the model called by hand with these frames."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from datasets import Dataset
from hearing_checkpoint import seeing_checkpoint
from lm_eval.api.instance import Instance
from lm_eval.tasks import TaskManager
from lm_eval_outcome import Evaluate
from made_videos import decoded, pictures, write_video
from mera_media_folder import VIDEO, write_media_tasks
from packaging.version import Version
from PIL import Image

from harness_ext.lm_eval.model import HFMultimodalLens
from lens_models import InputError, LensArgumentError, load_model
from lens_models.encoding import render_chat
from lens_models.loading import resolve_pretrained
from lens_models.video import VideoSampling, open_video

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning:transformers"),
]
OLD = Version(transformers.__version__) < Version("5")
FAMILIES = ("qwen2_vl",) if OLD else ("qwen2_vl", "llava_next_video", "llava_onevision")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_media_tasks(tmp_path_factory.mktemp("tasks"))


@pytest.fixture(scope="module")
def tasks(folder: Path) -> TaskManager:
    return TaskManager(include_path=str(folder), include_defaults=False)


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    if OLD:  # no processor of a family is built there; the bundled model is of this one
        return {"qwen2_vl": Path(resolve_pretrained("lens_tiny_video"))}
    return {family: seeing_checkpoint(family, tmp_path_factory.mktemp(family)) for family in FAMILIES}


def by_hand(folder: Path, text: str, parts: Sequence[str], **media: Any) -> str:
    """The model's own words to a conversation: the prompt, cut where media stand, with these media."""
    loaded = load_model(str(folder), device="cpu")
    first, *rest = text.split("<video>")
    content = [{"type": "text", "text": first}, *({"type": kind} for kind in parts)]
    content += [{"type": "text", "text": part} for part in rest]
    prompt = render_chat(loaded.processor, [{"role": "user", "content": content}])
    inputs = loaded.processor(text=[prompt], return_tensors="pt", **media)
    with torch.inference_mode():
        said = loaded.model.generate(**inputs, max_new_tokens=4, do_sample=False)
    return str(loaded.tokenizer.decode(said[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True))


def documents(folder: Path, task: str) -> list[tuple[str, np.ndarray[Any, Any]]]:
    """Prompt and all frames of each document."""
    found = []
    for number, doc in enumerate(Dataset.from_parquet(str(folder / task / "data.parquet"))):
        video = doc["inputs"]["video"]
        path = folder / task / f"again{number}.mp4"
        path.write_bytes(video if isinstance(video, bytes) else Path(video).read_bytes())
        found.append((doc["instruction"].format(**doc["inputs"]), decoded(str(path))))
    return found


@pytest.mark.parametrize("family", FAMILIES)
def test_answers_about_videos_are_those_of_the_model(
    evaluate: Evaluate, tasks: TaskManager, folder: Path, checkpoints: dict[str, Path], family: str
) -> None:
    """`commonvideoqa` gives `datasets`' decoder with its file, `realvideoqa` a path; three of six frames are shown."""
    model = f"pretrained={checkpoints[family]},max_num_frames=3"
    found = evaluate("commonvideoqa,realvideoqa", model, task_manager=tasks, batch_size=1)
    for task in ("commonvideoqa", "realvideoqa"):
        for (text, frames), said in zip(documents(folder, task), found.texts(task), strict=True):
            assert len(frames) == 6
            shown = frames[[0, 2, 5]]
            assert said == by_hand(checkpoints[family], text, ["video"], videos=[shown], do_sample_frames=False)
    assert [video["frames"] for record in found.run.records() for video in record.videos] == [3] * 6
    assert {video["times"] for record in found.run.records() for video in record.videos} == {(0.0, 0.5, 1.25)}


@pytest.mark.parametrize("batch_size", [2, 3])
def test_batches_and_runs_without_the_lens_answer_the_same(
    evaluate: Evaluate, tasks: TaskManager, checkpoints: dict[str, Path], batch_size: int
) -> None:
    model = f"pretrained={checkpoints['qwen2_vl']},nframes=2"
    alone = evaluate("ruhhh_video", model, task_manager=tasks, batch_size=1, output="alone")
    found = evaluate("ruhhh_video", f"{model},lens={batch_size == 2}", task_manager=tasks, batch_size=batch_size)
    assert found.texts("ruhhh_video") == alone.texts("ruhhh_video")


@pytest.mark.parametrize("chat", [True, False])
def test_videos_as_images(
    evaluate: Evaluate, tasks: TaskManager, folder: Path, checkpoints: dict[str, Path], chat: bool
) -> None:
    """What MERA's flag of that name does, as a model argument; and requests in which the fork has done it.

    Without a chat template nothing stands between the images, which Qwen2-VL takes for one.
    """
    path = checkpoints[FAMILIES[0 if chat else -1]]
    if OLD and not chat:
        pytest.skip("transformers 4 builds no processor of another family here")
    model = f"pretrained={path},replace_videos_with_images_amount=2"
    found = evaluate(
        "commonvideoqa", model, task_manager=tasks, batch_size=1, apply_chat_template=chat, fewshot_as_multiturn=chat
    )
    (text, frames), *_ = documents(folder, "commonvideoqa")
    images = [Image.fromarray(frame) for frame in frames[[0, 5]]]
    if chat:
        assert found.texts("commonvideoqa")[0] == by_hand(path, text, ["image"] * 2, images=images)
    record = next(iter(found.run.records()))
    assert (len(record.image_sha256), record.videos) == (2, ())
    lens = HFMultimodalLens(str(path), device="cpu", batch_size=1)
    prompt = lens.apply_chat_template([{"role": "user", "content": text}]) if chat else text
    arguments = (prompt, {"until": ["\n\n"], "max_gen_toks": 4}, {"visual": images})
    done = Instance("generate_until", {}, arguments, 0, metadata=("commonvideoqa", 0, 1))
    assert lens.recorded([done], True) == found.texts("commonvideoqa")[:1]


class VideoDecoder:
    """As torchcodec's: frames by number, `[n, 3, height, width]`, with the times at which they begin."""

    def __init__(self, path: str) -> None:
        self.frames = decoded(path)
        end = 2.0 + len(self.frames) / 4
        self.metadata = SimpleNamespace(begin_stream_seconds=2.0, end_stream_seconds=end, average_fps=4.0)

    def __len__(self) -> int:
        return len(self.frames)

    def get_frames_at(self, indices: list[int]) -> SimpleNamespace:
        chosen = torch.from_numpy(self.frames[indices]).permute(0, 3, 1, 2)
        return SimpleNamespace(data=chosen, pts_seconds=torch.tensor([2.0 + place / 4 for place in indices]))


def _content(path: str) -> bytes:
    return Path(path).read_bytes()


FORMS: dict[str, Callable[[str], Any]] = {
    "a path": lambda path: path,
    "LOAD_BYTES": _content,
    "LOAD_BASE64": lambda path: {"url": f"data:video/mp4;base64,{base64.b64encode(_content(path)).decode()}"},
    "LOAD_FILES": lambda path: {"type": "video", "video": path},
    "datasets undecoded": lambda path: {"bytes": _content(path), "path": None},
    "datasets' decoder": lambda path: SimpleNamespace(_hf_encoded={"bytes": _content(path), "path": None}),
    "datasets' decoder of a file": lambda path: SimpleNamespace(_hf_encoded={"bytes": None, "path": path}),
    "torchcodec's decoder": VideoDecoder,
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_video_shows_the_same_frames(tmp_path: Path, form: str) -> None:
    path = write_video(tmp_path / "a.mp4", pictures(9), rate=4)
    video = open_video(FORMS[form](path), where="it", sampling=VideoSampling(max_frames=4))
    assert np.array_equal(video.frames, decoded(path)[[0, 3, 5, 8]])
    assert (video.indices, video.times) == ((0, 3, 5, 8), (0.0, 0.75, 1.25, 2.0))
    assert (video.fps, video.n_source, video.duration) == (4.0, 9, 2.25)


def test_a_prompt_without_a_place_for_its_video_is_named(tmp_path: Path, checkpoints: dict[str, Path]) -> None:
    path = write_video(tmp_path / "a.mp4", pictures(3, 64, 64), rate=4)
    model = HFMultimodalLens(str(checkpoints["qwen2_vl"]), device="cpu", batch_size=1)
    for text, video, said in (
        ("Is there", path, "the request has 1 videos, and its prompt 0 <video>"),
        ("<video> Is there", str(tmp_path / "none.mp4"), "video 0: the video .* is not there"),
    ):
        arguments = (text, {"max_gen_toks": 2}, {"visual": [], "video": [video]})
        request = Instance("generate_until", {}, arguments, 0, metadata=("mine", 7, 1))
        with pytest.raises(InputError, match=f"task mine, document 7.*{said}"):
            model.recorded([request], True)


def test_a_prompt_about_images_may_name_a_video(checkpoints: dict[str, Path]) -> None:
    model = HFMultimodalLens(str(checkpoints["qwen2_vl"]), device="cpu", batch_size=1)
    arguments = ("<image> Is it <video> ?", {"max_gen_toks": 2}, {"visual": [Image.new("RGB", (64, 64), "red")]})
    request = Instance("generate_until", {}, arguments, 0, metadata=("mine", 7, 1))
    (asked,) = model.maker.asked([request])
    prompt, media = model.maker.shown(asked, {})
    assert (prompt, len(media.images)) == (f"{model.image_token} Is it <video> ?", 1)


def test_a_wrong_number_of_frames_is_named() -> None:
    with pytest.raises(LensArgumentError, match="nframes='no' is not a number"):
        HFMultimodalLens(device="cpu", nframes="no")


def test_all_video_data_sets_are_tried() -> None:
    assert VIDEO == ("commonvideoqa", "realvideoqa", "ruhhh_video")
