"""`LOAD_BYTES`, `LOAD_BASE64` and `LOAD_FILES`: pictures and sounds as MERA's loaders give them then, in prompts."""

from __future__ import annotations

import base64
import inspect
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hearing_checkpoint import hearing_checkpoint
from lm_eval.models.utils import resize_image
from lm_eval.tasks import TaskManager
from lm_eval_outcome import Evaluate, Outcome
from PIL import Image

from benchmarks.coverage.hearing import tone
from harness_ext.lm_eval.media import given_media, opened_picture
from lens_models import InputError

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning:transformers"),
]
_UTILS = """
import base64
import io
import json

import numpy as np
from PIL import Image

N = 2


def doc_to_text(doc):
    return doc["question"]


def content(doc):
    return base64.b64decode(doc["content"])


def objects(doc):
    return [Image.open(io.BytesIO(content(doc))).convert("RGB")]


def as_bytes(doc):
    return [content(doc)]


def as_base64(doc):
    return [{"url": "data:image/png;base64," + doc["content"]}]


def as_files(doc):
    return [{"type": "image", "image": doc["path"]}]


def sound_objects(doc):
    return [{"array": np.asarray(json.loads(doc["array"])), "sampling_rate": 16000}]


def sound_base64(doc):
    return [{"url": "data:audio/wav;base64," + doc["content"]}]


def sound_files(doc):
    return [{"type": "audio", "audio": doc["path"]}]
"""
_YAML = """
task: {task}
dataset_path: json
dataset_kwargs: {{data_files: {{test: {data}}}}}
test_split: test
output_type: {output}
doc_to_image: !function utils.{function}
doc_to_text: !function utils.doc_to_text
doc_to_target: 0
{more}
metadata: {{version: 1.0}}
"""
_ASKED = """
generation_kwargs: {until: ["\\n\\n"], max_gen_toks: 4, do_sample: false, temperature: 0.0}
metric_list:
  - {metric: exact_match, aggregation: mean, higher_is_better: true}
"""
_CHOSEN = 'doc_to_choice: ["A", "B"]'


def wave(number: int) -> bytes:
    """A WAV file of 16 bits."""
    samples = (tone(300 + 90 * number, 0.3).samples * 2**14).astype("<i2").tobytes()
    size, rate = len(samples), 16_000
    parts = [b"RIFF", 36 + size, b"WAVEfmt ", 16, b"\x01\x00\x01\x00", rate, 2 * rate, b"\x02\x00\x10\x00data", size]
    return b"".join(each if isinstance(each, bytes) else each.to_bytes(4, "little") for each in parts) + samples


def picture(number: int, kind: str = "PNG") -> bytes:
    """One with a palette and transparency, larger than what is shown."""
    rng, buffer = np.random.default_rng(number), BytesIO()
    found = Image.fromarray(rng.integers(0, 255, (80, 64, 3), dtype=np.uint8))
    if kind == "PNG":
        found.quantize(16).save(buffer, kind, transparency=3)
    else:
        exif = Image.Exif()
        exif[0x0112] = 6  # on its side
        found.save(buffer, kind, exif=exif)
    return buffer.getvalue()


def tasks_of(folder: Path, kind: str, functions: tuple[str, ...], *, choices: bool = False) -> TaskManager:
    """One task a way to give the same media."""
    import json

    folder.mkdir()
    rows = []
    for number in range(2):
        content = picture(number, ("PNG", "JPEG")[number]) if kind == "image" else wave(number)
        path = folder / f"{number}.{'png' if kind == 'image' else 'wav'}"
        path.write_bytes(content)
        array = json.dumps((np.frombuffer(content[44:], "<i2") / 2**15).tolist()) if kind == "audio" else "[]"
        given = {"content": base64.b64encode(content).decode(), "path": str(path), "array": array}
        rows.append({"question": f"<{kind}> Is there a red cube {number}?", **given})
    data = folder / "data.jsonl"
    data.write_text("\n".join(map(json.dumps, rows)) + "\n")
    (folder / "utils.py").write_text(_UTILS)
    output, more = ("multiple_choice", _CHOSEN) if choices else ("generate_until", _ASKED)
    for name in functions:
        filled = _YAML.format(task=f"{kind}_{name}", data=data, output=output, function=name, more=more)
        (folder / f"{name}.yaml").write_text(filled)
    return TaskManager(include_path=str(folder), include_defaults=False)


def seen(outcome: Outcome, task: str) -> list[tuple[Any, ...]]:
    records = sorted((each for each in outcome.run.records() if each.task == task), key=lambda each: each.key)
    return [
        (each.doc_id, each.response, each.image_sha256, [sound["sha256"] for sound in each.sounds], each.prompt_sha256)
        for each in records
    ]


PICTURES = ("objects", "as_bytes", "as_base64", "as_files")
SOUNDS = ("sound_objects", "as_bytes", "sound_base64", "sound_files")


# lm-eval 0.4.9 gives Pillow the name of a filter, so that nothing is resized with it
RESIZES = not isinstance(inspect.signature(resize_image).parameters["resample_filter"].default, str)
SMALLER = pytest.param(
    ",image_max_side=40", marks=pytest.mark.skipif(not RESIZES, reason="this lm-eval resizes no pictures")
)


@pytest.mark.parametrize("more", ["", SMALLER, ",lens=False"])
def test_pictures_are_the_same_in_each_form(evaluate: Evaluate, tmp_path: Path, more: str) -> None:
    manager = tasks_of(tmp_path / "tasks", "image", PICTURES)
    names = [f"image_{name}" for name in PICTURES]
    outcome = evaluate(",".join(names), f"dtype=float32{more}", task_manager=manager, batch_size=2)
    texts = [outcome.texts(name) for name in names]
    assert texts[0] == texts[1] == texts[2] == texts[3]
    if "lens=False" not in more:
        found = [seen(outcome, name) for name in names]
        assert len(found[0]) == 2
        assert found[0] == found[1] == found[2] == found[3]


def test_choices_are_the_same_in_each_form(evaluate: Evaluate, tmp_path: Path) -> None:
    manager = tasks_of(tmp_path / "tasks", "image", PICTURES, choices=True)
    names = [f"image_{name}" for name in PICTURES]
    outcome = evaluate(",".join(names), task_manager=manager)
    scores = [
        [[float(each[0][0]) for each in sample["resps"]] for sample in outcome.results["samples"][name]]
        for name in names
    ]
    assert len(scores[0]) == 2
    assert scores[0] == scores[1] == scores[2] == scores[3]


def test_sounds_that_are_given_as_images_are_heard_in_each_form(
    evaluate: Evaluate, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """As in `rutie_audio_default`, whose YAML names its sounds under doc_to_image."""
    checkpoint = hearing_checkpoint("qwen2_audio", tmp_path_factory.mktemp("hears"), ("A", "B", "C", "D"))
    manager = tasks_of(tmp_path / "tasks", "audio", SOUNDS)
    names = [f"audio_{name}" for name in SOUNDS]
    outcome = evaluate(",".join(names), f"pretrained={checkpoint}", task_manager=manager)
    found = [seen(outcome, name) for name in names]
    assert len(found[0]) == 2
    assert found[0] == found[1] == found[2] == found[3]


def test_a_picture_is_that_of_the_loader_for_objects() -> None:
    """In RGB without its transparency, and not turned by its EXIF entry."""
    for kind in ("PNG", "JPEG"):
        content = picture(0, kind)
        expected = np.asarray(Image.open(BytesIO(content)).convert("RGB"))
        forms: tuple[object, ...] = (content, {"bytes": content, "path": None}, {"bytes": content, "path": "a.png"})
        address = "data:image/png;base64," + base64.b64encode(content).decode()
        for form in (*forms, address, {"url": address}):
            assert np.array_equal(np.asarray(opened_picture(form, "here")), expected)


@pytest.mark.parametrize("form", [b"PNG", {"url": "data:image/png;base64,AAAA"}, {"image": "/no/such.png"}, "no.png"])
def test_a_picture_that_cannot_be_read_is_named(form: object) -> None:
    with pytest.raises(InputError, match=r"here: the image cannot be read \(.*\); check or remove this sample"):
        opened_picture(form, "here")


def test_sounds_are_told_from_pictures_by_their_content() -> None:
    class Asked:
        args = ("?", {}, {"visual": [picture(0), wave(0), {"url": "data:audio/wav;base64,AAAA"}]})

    given = given_media(Asked())
    assert (len(given.images), len(given.sounds)) == (1, 2)
