"""What defines a loaded model: equal where answers must be equal, different where they may differ."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from lens_models import LENS_TINY, LoadedModel, load_model
from lens_models.definition import checkpoint_files, model_definition
from lens_models.loading import resolve_pretrained
from lens_results.fingerprint import differing_parts

FOLDER = Path(resolve_pretrained(LENS_TINY))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The bundled checkpoint, copied, with the times of its files changed."""
    shutil.copytree(FOLDER, tmp_path / "copy")
    for path in (tmp_path / "copy").iterdir():
        os.utime(path, (1, 1))
    return tmp_path / "copy"


def defined(loaded: LoadedModel, path: Path = FOLDER) -> dict[str, Any]:
    return model_definition(loaded.model, loaded.processor, str(path))


def differences(change: Callable[[Any], object]) -> tuple[str, ...]:
    """The parts that differ once a freshly loaded model is changed."""
    loaded = load_model(device="cpu")
    before = defined(loaded)
    change(loaded)
    return differing_parts(before, defined(loaded))


def test_a_copy_elsewhere_is_the_same_model(folder: Path) -> None:
    copy = load_model(str(folder), device="cpu")
    assert differing_parts(defined(load_model(device="cpu")), defined(copy, folder)) == ()


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("preprocessor_config.json", b"4096", b"2048"),
        ("chat_template.jinja", b"{", b" {"),
        ("generation_config.json", b"}", b" }"),
        ("tokenizer.json", b"a", b"b"),
        ("model.safetensors", b"\x00\x00", b"\x00\x01"),
    ],
)
def test_a_changed_file_of_the_same_name_and_time_is_noticed(folder: Path, file: str, old: bytes, new: bytes) -> None:
    before = checkpoint_files(folder)
    path = folder / file
    content = path.read_bytes()
    place = content.rindex(old)
    path.write_bytes(content[:place] + new + content[place + len(old) :])
    os.utime(path, (1, 1))
    assert differing_parts(before, checkpoint_files(folder)) == (file,)


def test_code_and_large_weights_are_noticed_and_leftovers_are_not(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = checkpoint_files(folder)
    for name in ("README.md", "optimizer.pt", "trainer_state.json", ".gitattributes", "results_2026.json"):
        (folder / name).write_text("x")
    assert checkpoint_files(folder) == before
    (folder / "modeling_own.py").write_text("x = 1")
    assert differing_parts(before, checkpoint_files(folder)) == ("modeling_own.py",)
    monkeypatch.setattr("lens_models.definition._WHOLE", 2**20)
    before = checkpoint_files(folder)
    os.utime(folder / "model.safetensors", (2, 2))
    assert differing_parts(before, checkpoint_files(folder)) == ("model.safetensors",)


def test_weights_in_memory_count_wherever_they_come_from() -> None:
    def train(loaded: LoadedModel) -> None:
        with torch.no_grad():
            for parameter in loaded.model.parameters():
                parameter.add_(1e-3)

    assert differences(train) == ("weights",)


def test_dtype_attention_quantisation_and_generation_settings_are_parts() -> None:
    assert set(differences(lambda loaded: loaded.model.to(torch.bfloat16))) == {"dtype", "weights"}
    assert differences(lambda loaded: loaded.model.set_attn_implementation("eager")) == ("attention",)
    quantised = {"quant_method": "awq", "bits": 4}
    assert differences(lambda loaded: setattr(loaded.model.config, "quantization_config", quantised)) == (
        "quantisation",
    )
    assert differences(lambda loaded: setattr(loaded.model.generation_config, "repetition_penalty", 1.1)) == (
        "generation_config.repetition_penalty",
    )


def test_limits_of_the_processor_are_parts() -> None:
    other = load_model(device="cpu", processor_kwargs={"max_pixels": 9216})
    found = differing_parts(defined(load_model(device="cpu")), defined(other))
    assert "processor.size" in found
    assert all(part.startswith("processor.") for part in found)


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
def test_an_adapter_is_told_apart_from_the_weights_it_is_on(tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model

    plain = defined(load_model(device="cpu"))
    found = []
    for seed, alpha in ((0, 8), (0, 16), (1, 8)):
        torch.manual_seed(seed)
        config = LoraConfig(r=2, lora_alpha=alpha, target_modules=["q_proj", "down_proj"], init_lora_weights=False)
        loaded = load_model(device="cpu")
        adapted = get_peft_model(loaded.model, config)
        found.append(model_definition(adapted, loaded.processor, str(FOLDER)))
    assert differing_parts(plain, found[0]) == ("adapter",)
    assert differing_parts(found[0], found[1]) == ("adapter.settings",)
    assert differing_parts(found[0], found[2]) == ("adapter.weights",)
