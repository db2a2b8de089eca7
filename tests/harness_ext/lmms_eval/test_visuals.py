"""What a task shows under `--force_simple`: images, videos or sounds, whatever they come as."""

from __future__ import annotations

import base64
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from lmms_eval.api.instance import Instance
from lmms_eval.api.task import ConfigurableMessagesTask
from lmms_eval.models import get_model
from PIL import Image

from lens_engine.media_kinds import message_parts

PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 56, 3), dtype=np.uint8))


def encoded(kind: str) -> bytes:
    buffer = BytesIO()
    PICTURE.save(buffer, kind)
    return buffer.getvalue()


PNG = encoded("PNG")
WAVE = b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(28)
MP4 = b"\x00\x00\x00\x18ftypmp42" + bytes(64)
M4A = b"\x00\x00\x00\x18ftypM4A " + bytes(64)
MP3 = b"\xff\xf3\x44\xc4" + bytes(64)
WEBM = b"\x1aE\xdf\xa3" + bytes(32)
SOUND = {"array": np.zeros(4), "sampling_rate": 16000, "path": "a.mp4"}


@pytest.mark.parametrize(
    ("visual", "kind"),
    [
        *((f"pictures/a.{e}", "image") for e in ("png", "PNG", "jpg", "JPEG", "gif", "bmp", "tif", "TIFF", "webp")),
        *((f"clips/a.{e}", "video") for e in ("mp4", "MOV", "avi", "mkv", "webm", "mpeg")),
        *((f"sounds/a.{e}", "audio") for e in ("wav", "MP3", "flac", "ogg")),
        *(("https://x.org/a.png?width=3", "image"), ("https://x.org/a.mp4#t=1", "video"), ("https://x.org/a", "video")),
        *((Path("a.b/c.PnG"), "image"), (Path("a.png/clip.mp4"), "video"), ("a.png.mp4", "video"), ("", "video")),
        *(("data:image/png;base64,AAAA", "image"), ("data:audio/wav;base64,AAAA", "audio")),
        *((PICTURE, "image"), (np.zeros((4, 4, 3), np.uint8), "image"), (np.zeros((2, 4, 4, 3), np.uint8), "video")),
        *((PNG, "image"), (encoded("GIF"), "image"), (WAVE, "audio"), (b"ID3" + bytes(8), "audio"), (MP4, "video")),
        *((SOUND, "audio"), ({"bytes": PNG, "path": None}, "image"), ({"bytes": WAVE, "path": "x"}, "audio")),
        *((M4A, "audio"), (MP3, "audio"), (encoded("JPEG"), "image"), (b"FORM\0\0\0\0AIFF", "audio")),
        *((WEBM + b"A_OPUS", "audio"), (WEBM + b"V_VP9" + b"A_OPUS", "video"), (SimpleNamespace(), "video")),
        (SimpleNamespace(get_all_samples=None), "audio"),
        *(({"bytes": None, "path": "a.PNG"}, "image"), ({"type": "image", "url": "a.mp4"}, "image")),
        *(({"url": "a.mp4", "video_start": 1}, "video"), ({"path": "a.wav"}, "audio"), ({"video": "a"}, "video")),
    ],
)
def test_the_kind_follows_from_ending_or_content(visual: object, kind: str) -> None:
    assert [part["type"] for part in message_parts([visual])] == [kind]


def test_a_file_without_an_ending_is_looked_into(tmp_path: Path) -> None:
    for name, content in (("picture", PNG), ("sound", WAVE), ("clip", MP4)):
        (tmp_path / name).write_bytes(content)
    kinds = [part["type"] for part in message_parts([str(tmp_path / name) for name in ("picture", "sound", "clip")])]
    assert kinds == ["image", "audio", "video"]


@pytest.mark.parametrize(("visuals", "n"), [(None, 0), ([], 0), (PICTURE, 1), ([[PICTURE, PICTURE]], 2), ("a.png", 1)])
def test_nothing_one_and_nested_lists_are_taken(visuals: object, n: int) -> None:
    assert len(message_parts(visuals)) == n


@pytest.mark.parametrize(
    "visual", [PICTURE, "a.png", "a.GIF", "a.mp4", "a.wav", "a", {"url": "a.png", "type": "image"}]
)
def test_what_the_harness_decides_for_chat_tasks_is_decided_here(visual: Any) -> None:
    assert message_parts([visual]) == [ConfigurableMessagesTask._visual_to_content(visual)]


def test_an_image_is_answered_alike_whatever_it_comes_as(tmp_path: Path) -> None:
    upper, bare = tmp_path / "picture.PNG", tmp_path / "picture"
    for file in (upper, bare):
        file.write_bytes(PNG)
    address = "data:image/png;base64," + base64.b64encode(PNG).decode()
    forms: list[Any] = [PICTURE, str(upper), upper, str(bare), f"file://{upper}", PNG, {"bytes": PNG, "path": None}]
    forms += [{"bytes": None, "path": str(upper)}, np.asarray(PICTURE), address, [PICTURE]]
    model = get_model("hf-multimodal-lens", True).create_from_arg_string("lens=False", {"batch_size": 4})
    model.task_dict = {"task": {"test": [{"picture": form} for form in forms]}}
    requests = [
        Instance(
            "generate_until",
            ("Is there a red cube?", {"max_new_tokens": 2}, lambda doc: [doc["picture"]], number, "task", "test"),
            0,
            {"task": "task", "doc_id": number, "repeats": 1},
        )
        for number in range(len(forms))
    ]
    seen: list[Any] = []
    prompts = model.opened.engine.prompts
    encode = prompts.encode

    def watched(samples: Any) -> Any:
        seen.extend(np.asarray(image) for each in samples for image in each.media.images)
        return encode(samples)

    prompts.encode = watched
    answers = [answer.text for answer in model.generate_until(requests)]
    assert len(set(answers)) == 1
    assert len(seen) == len(forms)
    assert all(np.array_equal(image, PICTURE) for image in seen)
