"""What a task's visuals are: images, videos or sounds, as the parts of a message."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from PIL import Image

from lens_models.audio import is_sound

__all__ = ["kind_of", "message_parts"]

_IMAGES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp")
_SOUNDS = (".wav", ".mp3", ".m4a", ".aac", ".flac", ".ogg", ".opus")
_SOUND_BEGINS = (b"ID3", b"fLaC", b"OggS", b"#!AMR", b"caff")
_MATROSKA = b"\x1aE\xdf\xa3"
_KINDS = ("image", "video", "audio")


def message_parts(visuals: object) -> list[dict[str, Any]]:
    """One part of a message for each visual that a task's `doc_to_visual` gives, in order.

    lmms-eval decides by the ending of a path, in any case, and takes for a video what it does not know; that is done
    here too. Where there is no ending that it knows, and for `.webm`, the content decides. Samples with their rate and
    torchcodec's `AudioDecoder` are sounds, which lmms-eval takes for a video or refuses. A list in a list is taken for
    its members.
    """
    return [{"type": kind_of(visual), "url": _content(visual)} for visual in _flat(visuals)]


def _flat(visuals: object) -> Iterator[object]:
    if visuals is None:
        return
    for each in visuals if isinstance(visuals, list | tuple) else ():
        yield from _flat(each)
    if not isinstance(visuals, list | tuple):
        yield visuals


def kind_of(visual: object) -> str:
    """What a visual is: image, video or audio; see `message_parts`."""
    if isinstance(visual, Mapping):
        return _kind_of_mapping(visual)
    if isinstance(visual, Image.Image):
        return "image"
    if isinstance(visual, np.ndarray):
        return "video" if visual.ndim == 4 else "image"
    if isinstance(visual, bytes):
        return _kind_of_bytes(visual)
    if is_sound(visual):
        return "audio"
    return _kind_of_path(os.fspath(visual)) if isinstance(visual, str | os.PathLike) else "video"


def _kind_of_mapping(visual: Mapping[str, Any]) -> str:
    if visual.get("type") in _KINDS:
        return str(visual["type"])
    if "array" in visual and "sampling_rate" in visual:
        return "audio"
    found = _named(visual)
    if isinstance(visual.get("bytes"), bytes):
        return (_by_ending(str(found)) if found else None) or _kind_of_bytes(visual["bytes"])
    return "video" if found is None else kind_of(found)


def _kind_of_path(path: str) -> str:
    if path.startswith("data:"):
        kind = path[len("data:") :].partition("/")[0]
        return kind if kind in _KINDS else "video"
    known = _by_ending(path)
    if known is None and Path(path).is_file():
        with Path(path).open("rb") as file:
            return _kind_of_bytes(file.read(_HEAD))
    return known or "video"


def _by_ending(path: str) -> str | None:
    ending = Path(urlsplit(path).path if "://" in path else path).suffix.lower()
    return "image" if ending in _IMAGES else "audio" if ending in _SOUNDS else None


_HEAD = 2**16
_WHOLE = {"array", "video_start", "video_end", "fps", "nframes", "max_frames"}


def _kind_of_bytes(content: bytes) -> str:
    if _begins_as_sound(content):
        return "audio"
    try:
        with Image.open(BytesIO(content)):
            return "image"
    except (OSError, SyntaxError, ValueError):  # what Pillow raises for what is no image
        return "video"


def _begins_as_sound(content: bytes) -> bool:
    if content.startswith(_SOUND_BEGINS) or (content[:4], content[8:12]) in (
        (b"RIFF", b"WAVE"),
        (b"FORM", b"AIFF"),
    ):
        return True
    if content[4:12] == b"ftypM4A ":
        return True
    if content.startswith(_MATROSKA):  # its tracks are named by their codecs
        return b"A_" in content[:_HEAD] and b"V_" not in content[:_HEAD]
    return len(content) > 1 and content[0] == 0xFF and content[1] & 0xE0 == 0xE0  # a frame of MPEG audio


def _content(visual: Any) -> Any:
    """What is read later: the path or the content of a mapping that holds only that, and not also what part of it."""
    if isinstance(visual, os.PathLike):
        return os.fspath(visual)
    if not isinstance(visual, Mapping) or _WHOLE & visual.keys():
        return visual
    return visual["bytes"] if isinstance(visual.get("bytes"), bytes) else _named(visual) or visual


def _named(visual: Mapping[str, Any]) -> Any:
    return visual.get("url") or visual.get("path") or next((visual[kind] for kind in _KINDS if visual.get(kind)), None)
