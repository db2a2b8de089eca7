from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import BatchFeature

from lens_models import InputError
from lens_models.encoding import encode_texts, open_image, render_chat
from lens_models.example_input import example_image, example_inputs


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def gradient(size: int = 16) -> np.ndarray[Any, Any]:
    return np.linspace(0, 255, size * size).reshape(size, size).astype(np.uint8)


GREY = Image.fromarray(gradient())
COLOUR = Image.merge("RGB", [GREY, GREY.rotate(90), GREY.rotate(180)])


def test_an_rgb_image_is_itself() -> None:
    assert open_image(COLOUR, where="here") is COLOUR


@pytest.mark.parametrize("as_what", ["path", "string", "bytes"])
def test_paths_and_bytes_are_opened(as_what: str, tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    path.write_bytes(encoded(COLOUR))
    source = {"path": path, "string": str(path), "bytes": path.read_bytes()}[as_what]
    assert np.array_equal(open_image(source, where="here"), COLOUR)


@pytest.mark.parametrize("mode", ["L", "1", "P", "RGBA", "LA", "CMYK", "YCbCr", "HSV"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    image = COLOUR.convert(mode)
    opened = open_image(image, where="here")
    assert opened.mode == "RGB"
    assert np.array_equal(opened, image.convert("RGB"))


def test_a_palette_with_transparency_loses_no_colour() -> None:
    image = COLOUR.quantize(8)
    image.info["transparency"] = bytes([0, 128, *[255] * 6])
    assert np.array_equal(open_image(encoded(image), where="here"), COLOUR.quantize(8).convert("RGB"))


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_greys_are_scaled_not_clipped(kind: str) -> None:
    wide = Image.fromarray(gradient().astype(np.uint16) * 257)
    opened = np.asarray(open_image(encoded(wide, kind), where="here"))
    assert np.array_equal(opened[..., 0], gradient())
    assert np.array_equal(opened[..., 0], opened[..., 2])


def test_wide_integers_that_fit_8_bits_stay() -> None:
    image = Image.fromarray(gradient().astype(np.int32))
    assert image.mode == "I"
    assert np.array_equal(np.asarray(open_image(image, where="here"))[..., 0], gradient())


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_an_animation_is_its_first_frame(kind: str) -> None:
    first, second = Image.new("RGB", (8, 8), "red"), Image.new("RGB", (8, 8), "blue")
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encoded(first, kind, save_all=True, append_images=[second], **options)
    opened = open_image(data, where="here")
    assert opened.getpixel((4, 4)) == pytest.approx((255, 0, 0), abs=2)


def test_one_pixel_is_an_image() -> None:
    assert open_image(encoded(Image.new("L", (1, 1), 7)), where="here").getpixel((0, 0)) == (7, 7, 7)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (b"this is no image", r"task pope, document 3: the image cannot be read \(cannot identify image file"),
        (encoded(COLOUR)[:-200], r"document 3: the image cannot be read \(.*; check or remove this sample"),
        (encoded(COLOUR, "JPEG")[:300], r"document 3: the image cannot be read \("),
        (b"", r"document 3: the image cannot be read"),
        ("no/such/file.png", r"document 3: there is no file .*no/such/file\.png, seen from /.*\. Give the whole path"),
        (None, r"document 3: expected an image, a path or encoded bytes, found NoneType"),
        ([COLOUR], r"document 3: expected an image, a path or encoded bytes, found list"),
        (Image.new("RGB", (0, 5)), r"document 3: the image is empty \(0x5\)"),
    ],
)
def test_what_is_no_image_says_where_it_came_from(image: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        open_image(image, where="task pope, document 3")


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_an_image_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(InputError, match="exceeds limit"):
        open_image(encoded(COLOUR), where="here")


class Processor:
    """What `encode_texts` and `example_inputs` ask of a processor."""

    image_token = "<image>"

    def __init__(self, template: str | None = "chat") -> None:
        self.tokenizer = type("Tokenizer", (), {"padding_side": "right"})()
        self.template = template
        self.calls: list[dict[str, Any]] = []

    def apply_chat_template(self, conversation: Any, **kwargs: Any) -> str:
        if self.template is None:
            raise ValueError("Cannot use chat template functions because tokenizer.chat_template is not set")
        if self.template == "broken":
            raise ValueError("something else")
        assert kwargs == {"tokenize": False, "add_generation_prompt": True}
        return "".join(part.get("text", "<image>") for turn in conversation for part in turn["content"])

    def __call__(self, **kwargs: Any) -> BatchFeature:
        self.calls.append(kwargs)
        return BatchFeature({"input_ids": torch.zeros(1, 2, dtype=torch.long), "pixel_values": torch.zeros(1, 3)})


def test_batches_are_padded_on_the_left_with_the_media_that_are_there() -> None:
    processor = Processor()
    encode_texts(processor, ["a", "b"], images=[[COLOUR], []], max_pixels=9)
    assert processor.tokenizer.padding_side == "left"
    assert processor.calls == [
        {"text": ["a", "b"], "padding": True, "return_tensors": "pt", "images": [COLOUR], "max_pixels": 9}
    ]


def test_a_checkpoint_without_a_chat_template_says_so() -> None:
    with pytest.raises(InputError, match=r"no chat template, .*put a chat_template\.jinja into the model folder"):
        render_chat(Processor(None), [])
    with pytest.raises(ValueError, match="something else"):
        render_chat(Processor("broken"), [])


@pytest.mark.parametrize(
    ("template", "text"),
    [("chat", "<image>Is there a circle in the image?"), (None, "<image> Is there a circle in the image?")],
)
def test_the_probe_is_a_question_about_an_image(template: str | None, text: str) -> None:
    processor = Processor(template)
    example_inputs(processor)
    assert processor.calls[-1]["text"] == [text]
    assert processor.calls[-1]["images"] == [example_image()]


def test_a_probe_without_an_image_token_is_the_question_alone() -> None:
    processor = Processor(None)
    processor.image_token = ""
    example_inputs(processor)
    assert processor.calls[-1]["text"] == ["Is there a circle in the image?"]


def test_a_processor_that_takes_nothing_says_what_was_tried() -> None:
    class Stubborn(Processor):
        def __call__(self, **kwargs: Any) -> BatchFeature:
            raise TypeError("unexpected keyword")

    with pytest.raises(
        InputError,
        match=r"Stubborn encoded no prompt with an image \(by_chat: unexpected keyword; by_image_token: unexpected "
        r"keyword; by_text_alone: unexpected keyword\)",
    ):
        example_inputs(Stubborn())
