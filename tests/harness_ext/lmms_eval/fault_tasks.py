"""Tasks with documents that go wrong: odd images, empty questions, odd names."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset, Features, Image, Value
from PIL import Image as PILImage
from tiny_tasks import _BASE, _UTILS

_AS_THEY_ARE = """

def as_it_is(doc):
    return [doc["image"]]
"""


def encoded(image: PILImage.Image, kind: str, **options: Any) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def odd_images() -> dict[str, bytes]:
    """Kind -> an image that real data sets have and that a processor may not expect."""
    noise = np.random.default_rng(1).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    picture = PILImage.fromarray(noise)
    wide = PILImage.fromarray(noise[..., 0].astype(np.uint16) * 257)
    palette = picture.quantize(16)
    palette.info["transparency"] = 3
    return {
        "one pixel": encoded(PILImage.new("RGB", (1, 1), "red"), "PNG"),
        "one grey pixel": encoded(PILImage.new("L", (1, 1), 9), "PNG"),
        "three pixels": encoded(PILImage.new("RGB", (1, 3), "red"), "PNG"),
        "cmyk": encoded(picture.convert("CMYK"), "JPEG"),
        "16 bit": encoded(wide, "PNG"),
        "16 bit tiff": encoded(wide, "TIFF"),
        "palette": encoded(palette, "PNG"),
        "transparent": encoded(picture.convert("RGBA"), "PNG"),
        "grey": encoded(picture.convert("L"), "PNG"),
        "black and white": encoded(picture.convert("1"), "PNG"),
        "animated": encoded(palette, "GIF", save_all=True, append_images=[palette.rotate(90), palette.rotate(180)]),
        "large": encoded(PILImage.new("RGB", (3000, 2000), "blue"), "PNG"),
    }


def bomb(side: int = 20_000) -> bytes:
    """A small file that claims to be an image of 400 million pixels."""
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def broken_images() -> dict[str, bytes]:
    """Task -> an image that cannot be used."""
    whole = odd_images()
    return {
        "truncated": whole["cmyk"][:-900],
        "corrupt": b"\x89PNG\r\n\x1a\n" + bytes(60),
        "bomb": bomb(),
        "sliver": encoded(PILImage.new("RGB", (1, 900), "red"), "PNG"),
    }


def _row(number: int, image: bytes, question: str = "Is there a red cube in the image?") -> dict[str, Any]:
    return {
        "question_id": str(number), "question": question, "answer": "yes", "image_source": f"scene{number}",
        "image": {"bytes": image, "path": None},
    }  # fmt: skip


def write_fault_tasks(folder: Path) -> Path:
    """Write the tasks and their data into `folder`."""
    plain = odd_images()["grey"]
    tasks = {
        "odd_images": [_row(i, image) for i, image in enumerate(odd_images().values())],
        "empty_question": [_row(0, plain), _row(1, plain, ""), _row(2, plain, " \n")],
        "odd/name": [_row(i, plain) for i in range(2)],
    }
    tasks |= {name: [_row(0, plain), _row(1, image)] for name, image in broken_images().items()}
    names = ("question_id", "question", "answer", "image_source")
    features = Features({name: Value("string") for name in names} | {"image": Image()})
    (folder / "utils.py").write_text(_UTILS + _AS_THEY_ARE)
    for name, rows in tasks.items():
        file = name.replace("/", "_")
        data = folder / f"{file}.parquet"
        Dataset.from_list(rows, features=features).to_parquet(str(data))
        text = f"task: {name}\n" + _BASE.replace("utils.to_visual", "utils.as_it_is")
        (folder / f"{file}.yaml").write_text(text.format(data=data))
    return folder
