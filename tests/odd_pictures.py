"""Images that real data sets have and that a processor may not expect, and files that are no images."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image as PILImage


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
