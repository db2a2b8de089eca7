"""Sounds as lmms-eval's tasks give them: the answer and the readout are those of the model called by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hearing_checkpoint import hearing_checkpoint
from lmms_eval.api.instance import Instance
from lmms_eval.models import get_model
from typer.testing import CliRunner

from benchmarks.coverage.hearing import tone
from benchmarks.coverage.processors import processor_of
from harness_ext.cli import app
from lens_engine.encoding_guard import SoundWatch
from lens_models import InputError, load_model
from lens_models.audio import Sound, audio_arguments
from lens_models.encoding import encode_texts, render_chat

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
QUESTION = {"type": "text", "text": "Is there a circle"}
FAMILIES = ("qwen2_audio", "qwen2_5_omni_thinker", "qwen3_omni_moe_thinker")


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {family: hearing_checkpoint(family, tmp_path_factory.mktemp(family)) for family in FAMILIES}


def as_given(sound: Sound) -> dict[str, Any]:
    return {"array": sound.samples, "sampling_rate": sound.rate}


def instance(*sounds: object) -> Instance:
    def messages(document: Any) -> list[dict[str, Any]]:
        return [{"role": "user", "content": [*({"type": "audio", "url": each} for each in sounds), QUESTION]}]

    arguments = ("context", messages, {"max_new_tokens": 4}, 0, "task", "test")
    return Instance("generate_until", arguments, 0, {"task": "task", "doc_id": 0, "repeats": 1})


def said_by_hand(folder: Path, samples: list[np.ndarray[Any, Any]]) -> str:
    loaded = load_model(str(folder), device="cpu")
    content = [*({"type": "audio", "audio": "sound"} for _ in samples), QUESTION]
    text = render_chat(loaded.processor, [{"role": "user", "content": content}])
    inputs = loaded.processor(text=[text], audio=samples, sampling_rate=16_000, return_tensors="pt")
    with torch.inference_mode():
        said = loaded.model.generate(**inputs, max_new_tokens=4, do_sample=False)
    return str(loaded.processor.batch_decode(said[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)[0])


def lens_model(folder: Path) -> Any:
    model = get_model("hf-multimodal-lens").create_from_arg_string(f"pretrained={folder}", {"batch_size": 1})
    model.task_dict = {"task": {"test": [{}]}}
    return model


@pytest.mark.parametrize("family", FAMILIES)
def test_the_answer_is_that_of_the_model(checkpoints: dict[str, Path], family: str) -> None:
    model, sounds = lens_model(checkpoints[family]), [tone(440), tone(660)]
    answers = [answer.text for answer in model.generate_until([instance(as_given(each)) for each in sounds])]
    (both,) = model.generate_until([instance(*map(as_given, sounds))])
    assert answers == [said_by_hand(checkpoints[family], [each.samples]) for each in sounds]
    assert both.text == said_by_hand(checkpoints[family], [each.samples for each in sounds])
    if family == "qwen2_audio":
        assert len({*answers, both.text}) > 1, "the answer depends on what is heard"


def test_a_sound_that_is_none_is_named(checkpoints: dict[str, Path]) -> None:
    with pytest.raises(InputError, match=r"task task, document 0, sound 0: its sound has no samples"):
        lens_model(checkpoints["qwen2_audio"]).generate_until([instance({"array": [], "sampling_rate": 8000})])


def test_a_model_for_pictures_says_that_it_hears_nothing() -> None:
    with pytest.raises(InputError, match="Qwen2VLProcessor takes no sounds"):
        lens_model(Path("lens_tiny")).generate_until([instance(as_given(tone(440)))])


def test_check_says_that_sound_tokens_are_known(checkpoints: dict[str, Path]) -> None:
    said = CliRunner().invoke(app, ["check", str(checkpoints["qwen2_audio"]), "--samples", "0", "--device", "cpu"])
    assert said.exit_code == 0, said.output
    assert "sound tokens" in said.output and "another sound changes exactly these" in said.output


def test_a_sound_that_is_cut_is_told_once(checkpoints: dict[str, Path]) -> None:
    """The tiny Qwen2-Audio hears two seconds, as the checkpoints hear thirty."""
    processor, said = load_model(str(checkpoints["qwen2_audio"]), device="cpu").processor, []
    watch = SoundWatch(processor, said.append)
    for seconds in ((1.0, 1.9), (0.5, 3.0), (4.0,)):
        sounds = [tone(440, each) for each in seconds]
        texts = [f"{processor.audio_token} Is there"] * len(sounds)
        inputs = encode_texts(processor, texts, **audio_arguments(processor, sounds))
        watch.see(inputs, [[each] for each in sounds], [f"document {each}" for each in seconds])
    assert said == [
        "document 3.0: a sound lasts 3.0 s, and the model's processor hands on the first 2.0 s of it. It is answered "
        "about as it is, like any other such sound of this run."
    ]


def test_a_sound_that_is_cut_into_windows_is_whole() -> None:
    processor, said = processor_of("audioflamingo3"), []
    inputs = encode_texts(
        processor, [f"{processor.audio_token} Is there"], **audio_arguments(processor, [tone(440, 5.0)])
    )
    SoundWatch(processor, said.append).see(inputs, [[tone(440, 5.0)]], ["document 1"])
    assert (len(inputs["input_features"]), said) == (3, [])
