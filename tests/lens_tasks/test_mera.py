from __future__ import annotations

from io import BytesIO

import pytest
from datasets import Dataset, Features, Value
from datasets import Image as ImageFeature
from PIL import Image

from lens_tasks.images import to_image
from lens_tasks.tasks import mera


def test_prompt_of_the_real_ruclevr_record(ruclevr_doc):
    prompt = mera.prompt(ruclevr_doc)
    assert prompt.startswith("Изображение:\n<image>\nНа этом изображении")
    assert "Вопрос: Есть ли еще какие-нибудь предметы такой же формы, как и большой металлический предмет?\n" in prompt
    assert prompt.endswith("\nОтвет:")
    assert "<image>" not in mera.doc_to_text(ruclevr_doc)


def test_prompt_of_the_real_weird_record(weird_doc):
    prompt = mera.prompt(weird_doc)
    assert "Вопрос: изображение странное или нормальное?." in prompt
    assert "\n\nA. нормальное\nB. странное\nОтвет:" in prompt


def test_messages_hold_the_image_at_its_place(weird_doc):
    (turn,) = mera.doc_to_messages(weird_doc)
    kinds = [part["type"] for part in turn["content"]]
    assert (turn["role"], kinds) == ("user", ["text", "image", "text"])
    assert turn["content"][0]["text"] == "Внимательно изучите предложенное изображение.\n"
    assert turn["content"][1]["url"].size == to_image(weird_doc["inputs"]["image"]).size
    assert "".join(part["text"] for part in turn["content"] if part["type"] == "text") == mera.doc_to_text(weird_doc)


def test_a_prompt_without_placeholder_has_no_image_part(weird_doc):
    weird_doc["instruction"] = "{question}"
    assert [part["type"] for part in mera.doc_to_messages(weird_doc)[0]["content"]] == ["text"]


def _png() -> bytes:
    buffer = BytesIO()
    Image.new("RGB", (3, 2), (255, 0, 0)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    "value", [_png(), {"bytes": _png(), "path": None}, {"bytes": _png(), "path": "gone.png"}, Image.new("L", (3, 2))]
)
def test_images_in_every_form(value):
    image = to_image(value)
    assert (image.mode, image.size) == ("RGB", (3, 2))


@pytest.mark.parametrize(
    ("value", "said"),
    [(None, "NoneType"), (3, "int"), ({"bytes": None, "path": None}, r"a mapping with \['bytes', 'path'\]")],
)
def test_what_is_no_image_is_an_error(value, said):
    with pytest.raises(ValueError, match=f"expected an image, its bytes or its path, found {said}"):
        to_image(value)


@pytest.mark.parametrize("decode", [True, False])
def test_images_are_lifted_out_of_the_inputs(decode):
    features = Features(
        {
            "instruction": Value("string"),
            "inputs": {"image": ImageFeature(decode=decode), "question": Value("string")},
            "outputs": Value("string"),
            "meta": {"id": Value("int32")},
        }
    )
    row = {
        "instruction": "<image>{question}",
        "inputs": {"image": {"bytes": _png(), "path": "a.png"}, "question": "?"},
        "outputs": "да",
        "meta": {"id": 7},
    }
    lifted = mera.lift_images(Dataset.from_list([row], features=features))
    assert isinstance(lifted.features["image"], ImageFeature)
    assert lifted[0]["inputs"]["question"] == "?"
    assert lifted[0]["meta"] == {"id": 7}
    assert mera.doc_to_image(lifted[0])[0].getpixel((0, 0)) == (255, 0, 0)
    assert b"PNG" not in str(lifted.remove_columns("image")[0]).encode()
    assert mera.lift_images(lifted) is lifted
