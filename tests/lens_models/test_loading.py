from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from built_models import built
from safetensors.torch import load_file, save_file
from transformers import Qwen2Config, Qwen2ForCausalLM

from lens_models import (
    LENS_TINY,
    InputError,
    LensArgumentError,
    ModelLoadError,
    NotMultimodalError,
    UnknownModelError,
    load_model,
    loading,
)
from lens_models.loading import BUNDLED, LoadedModel, default_device, resolve_dtype, resolve_pretrained


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Configuration and safetensors weights of a tiny LLaVA, without a processor."""
    folder = tmp_path_factory.mktemp("checkpoint")
    model = built("llava")
    config = model.generation_config
    try:
        model.generation_config = type(config)()
        model.save_pretrained(folder)
    finally:
        model.generation_config = config
    return folder


@pytest.fixture(autouse=True)
def no_processor(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if "processor" not in request.node.name:
        monkeypatch.setattr(loading, "_load_processor", lambda *args: "the processor")


def copy_of(checkpoint: Path, folder: Path) -> Path:
    shutil.copytree(checkpoint, folder, dirs_exist_ok=True)
    return folder


def test_a_checkpoint_loads_in_its_own_dtype_and_in_eval_mode(checkpoint: Path) -> None:
    loaded = load_model(str(checkpoint), device="cpu")
    assert isinstance(loaded, LoadedModel)
    assert not loaded.model.training
    assert loaded.model.dtype == torch.float32
    assert loaded.name_or_path == str(checkpoint)
    assert loaded.revision is None
    assert torch.equal(loaded.model.lm_head.weight, built("llava").lm_head.weight)


@pytest.mark.parametrize("name", ["bfloat16", "bf16", "torch.bfloat16", torch.bfloat16])
def test_a_dtype_may_be_asked_for(checkpoint: Path, name: Any) -> None:
    assert load_model(str(checkpoint), dtype=name, device="cpu").model.dtype == torch.bfloat16


def test_a_device_map_places_the_model(checkpoint: Path) -> None:
    assert load_model(str(checkpoint), device_map={"": "cpu"}).model.device.type == "cpu"


def test_an_attention_implementation_may_be_asked_for(checkpoint: Path) -> None:
    loaded = load_model(str(checkpoint), attn_implementation="eager", device="cpu")
    assert loaded.model.config._attn_implementation == "eager"


def test_dtype_names() -> None:
    assert resolve_dtype(None) == resolve_dtype("auto") == "auto"
    assert resolve_dtype("half") == torch.float16
    with pytest.raises(LensArgumentError, match=r"dtype='float31' is unknown; use one of auto, float32, fp32, bfloat"):
        resolve_dtype("float31")


def test_bundled_models_have_names() -> None:
    assert BUNDLED[0] == LENS_TINY
    package = Path(loading.__file__).parent
    assert sorted(BUNDLED) == sorted(path.parent.name for path in package.glob("*/config.json"))
    for name in BUNDLED:
        assert Path(resolve_pretrained(name)) == package / name
    assert resolve_pretrained("someone/some-model") == "someone/some-model"


def test_the_default_device_is_the_gpu_when_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for there, device in ((True, "cuda"), (False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda there=there: there)
        assert default_device().type == device


def nothing(folder: Path) -> None:
    folder.rmdir()


def text_model(folder: Path) -> None:
    sizes = {"vocab_size": 32, "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    Qwen2ForCausalLM(Qwen2Config(**sizes, num_attention_heads=2, num_key_value_heads=1)).save_pretrained(folder)


def with_config(text: str) -> Callable[[Path], None]:
    return lambda folder: (folder / "config.json").write_text(text) and None


def with_weights(name: str, content: bytes) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        built("llava").config.save_pretrained(folder)
        (folder / name).write_bytes(content)

    return write


BROKEN: dict[str, tuple[Callable[[Path], None], type[Exception], str]] = {
    "no folder": (
        nothing,
        UnknownModelError,
        r"pretrained={folder}: there is no such folder\. Give a model folder or a repository name\.",
    ),
    "no config": (
        lambda folder: None,
        UnknownModelError,
        r"pretrained={folder}: the folder has no config\.json, so it is no Hugging Face checkpoint",
    ),
    "a text-only model": (
        text_model,
        NotMultimodalError,
        r"pretrained={folder} is a 'qwen2' model \(Qwen2ForCausalLM\), which AutoModelForImageTextToText of this "
        r"transformers version does not load, nor .*: a text-only model, or .* Choose a checkpoint for images",
    ),
    "a config that is no JSON": (
        with_config("{nope"),
        ModelLoadError,
        r"pretrained={folder}: the configuration cannot be read \(.*not a valid JSON",
    ),
    "an unknown architecture": (
        with_config('{"model_type": "superduper"}'),
        ModelLoadError,
        r"pretrained={folder}: the configuration cannot be read \(.*model type `superduper`",
    ),
    "no weights": (
        with_weights("README.md", b""),
        ModelLoadError,
        r"pretrained={folder}: the weights cannot be loaded \(.*no file named model\.safetensors",
    ),
    "weights that are none": (
        with_weights("model.safetensors", b"nonsense" * 10),
        ModelLoadError,
        r"pretrained={folder}: the weights cannot be loaded \(",
    ),
    "weights in pickle files": (
        with_weights("pytorch_model.bin", b""),
        ModelLoadError,
        r"pretrained={folder} has no safetensors weights\. Pickle weights can run code when they are opened; if you "
        r"trust the source, pass allow_pickle=True\.",
    ),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_what_cannot_be_loaded_says_why(broken: str, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    make, kind, message = BROKEN[broken]
    make(folder)
    with pytest.raises(kind, match=message.format(folder=folder)) as caught:
        load_model(str(folder), device="cpu")
    assert type(caught.value) is kind


def test_a_repository_that_is_not_at_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*args: Any, **kwargs: Any) -> Any:
        raise OSError("We couldn't connect.\nMore lines.")

    monkeypatch.setattr(loading.AutoConfig, "from_pretrained", unreachable)
    message = r"pretrained=some/model: no such model folder here, and the hub did not give it \(We couldn't connect\.\)"
    with pytest.raises(UnknownModelError, match=message):
        load_model("some/model")


def test_truncated_weights(checkpoint: Path, tmp_path: Path) -> None:
    folder = copy_of(checkpoint, tmp_path / "model")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    with pytest.raises(ModelLoadError, match="the weights cannot be loaded"):
        load_model(str(folder), device="cpu")


def test_pickle_weights_load_when_they_are_trusted(checkpoint: Path, tmp_path: Path) -> None:
    folder = copy_of(checkpoint, tmp_path / "model")
    weights = folder / "model.safetensors"
    torch.save(load_file(weights), folder / "pytorch_model.bin")
    weights.unlink()
    loaded = load_model(str(folder), device="cpu", allow_pickle=True)
    assert torch.equal(loaded.model.lm_head.weight, built("llava").lm_head.weight)


def test_missing_weights_are_warned_of(checkpoint: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = copy_of(checkpoint, tmp_path / "model")
    weights = load_file(folder / "model.safetensors")
    kept = {name: value for name, value in weights.items() if not ("language_model" in name and ".layers.1." in name)}
    assert len(kept) == len(weights) - 9
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    with caplog.at_level(logging.WARNING, "lens_models"):
        load_model(str(folder), device="cpu")
    messages = [record.getMessage() for record in caplog.records if record.name.startswith("lens_models")]
    assert len(messages) == 1
    assert "lacks 9 weights, which are random now: model.language_model.layers.1.input_layernorm.weight" in messages[0]


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ({"dtype": "float31"}, "dtype='float31' is unknown"),
        ({"attn_implementation": "nope", "device": "cpu"}, "attn_implementation=nope: .*not supported"),
        ({"device": "cuda:99"}, "device=cuda:99 cannot be used"),
        ({"device_map": "everywhere"}, "device_map=everywhere: .*but found everywhere"),
        ({"device_map": {"": "cuda:99"}}, "device_map={'': 'cuda:99'}: "),
    ],
)
def test_wrong_arguments(checkpoint: Path, argument: dict[str, Any], message: str) -> None:
    with pytest.raises(LensArgumentError, match=message):
        load_model(str(checkpoint), **argument)


def test_a_folder_without_a_processor(checkpoint: Path) -> None:
    with pytest.raises(ModelLoadError, match=r"the processor cannot be loaded \(.*The folder needs the tokenizer and"):
        load_model(str(checkpoint), device="cpu")


def test_lens_errors_are_one_tree() -> None:
    from lens_models import errors

    for name in errors.__all__:
        assert issubclass(getattr(errors, name), errors.LensError)
        assert name in str(errors.__doc__)
    assert issubclass(UnknownModelError, ModelLoadError)
    assert issubclass(LensArgumentError, ValueError)
    assert not issubclass(InputError, ModelLoadError)
