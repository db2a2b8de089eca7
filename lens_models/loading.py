"""Load a vision-language checkpoint and its processor, with errors that say what to do."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from packaging.version import Version
from safetensors import SafetensorError
from transformers import AutoConfig, AutoProcessor

from .auto_classes import class_of
from .encoding import tokenizer_of
from .errors import LensArgumentError, ModelLoadError, NotMultimodalError, UnknownModelError
from .memory import is_out_of_memory
from .nearest import did_you_mean
from .peft_adapters import attach_adapter
from .quantised import is_quantised, quantisation_config

__all__ = [
    "BUNDLED",
    "LENS_TINY",
    "UNLOADABLE",
    "LoadedModel",
    "default_device",
    "load_model",
    "resolve_dtype",
    "resolve_pretrained",
    "weights_error",
]

LENS_TINY = "lens_tiny"
BUNDLED = (LENS_TINY, "lens_tiny_video", "lens_tiny_audio")
"""Models that ship with the package, each a folder beside this file; the first is the default."""
UNLOADABLE = (OSError, SafetensorError)
"""What transformers raises for weights that are missing, damaged or of a kind that was not asked for."""
_DEVICES = re.compile(r"device|driver|CUDA|cuda")
_log = logging.getLogger(__name__)
_DTYPES: dict[str, str | torch.dtype] = {
    "auto": "auto",
    "float32": torch.float32,
    "fp32": torch.float32,
    "bfloat16": torch.bfloat16,
    "bf16": torch.bfloat16,
    "float16": torch.float16,
    "fp16": torch.float16,
    "half": torch.float16,
}


@dataclass(frozen=True)
class LoadedModel:
    """A model in eval mode with its processor, and what was asked for."""

    model: Any
    processor: Any
    name_or_path: str
    revision: str | None

    @property
    def tokenizer(self) -> Any:
        """The processor's tokenizer."""
        return tokenizer_of(self.processor)


def default_device() -> torch.device:
    """CUDA when there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def resolve_dtype(dtype: str | torch.dtype | None) -> str | torch.dtype:
    """A torch dtype or "auto" (the checkpoint's own) from its usual names.

    Raises:
        LensArgumentError: the name is not one of them.
    """
    if dtype is None or isinstance(dtype, torch.dtype):
        return dtype or "auto"
    found = _DTYPES.get(str(dtype).removeprefix("torch."))
    if found is None:
        raise LensArgumentError(
            f"dtype={dtype!r} is unknown; use one of {', '.join(_DTYPES)}.{did_you_mean(dtype, _DTYPES)}"
        )
    return found


def resolve_pretrained(name: str) -> str:
    """The folder of a bundled model for its name, any other name unchanged.

    Raises:
        UnknownModelError: the name looks like a path and there is no such folder.
    """
    if name in BUNDLED:
        return str(Path(__file__).parent / name)
    path = Path(name).expanduser()
    looks_local = name.startswith(("/", "./", "../", "~")) or name.count("/") > 1
    if looks_local and not path.is_dir():
        raise UnknownModelError(
            f"pretrained={name}: there is no such folder. Give a model folder or a repository name."
        )
    if path.is_dir() and not (path / "config.json").is_file():
        raise UnknownModelError(
            f"pretrained={name}: the folder has no config.json, so it is no Hugging Face checkpoint"
        )
    return str(path) if path.is_dir() else name


def load_model(
    pretrained: str = LENS_TINY,
    *,
    dtype: str | torch.dtype | None = "auto",
    device: str | torch.device | None = None,
    device_map: str | dict[str, Any] | None = None,
    attn_implementation: str | None = None,
    revision: str | None = None,
    trust_remote_code: bool = False,
    allow_pickle: bool = False,
    peft: str | None = None,
    quantisation: Mapping[str, Any] | None = None,
    processor_kwargs: dict[str, Any] | None = None,
) -> LoadedModel:
    """Load any checkpoint that answers in text about images, videos or sounds, see `auto_classes`.

    Weights in pickle files can run code when they are opened, so they are refused unless `allow_pickle` is set. `peft`
    names an adapter, see `peft_adapters.attach_adapter`; `quantisation` holds `quantised.QUANTISATION_ARGUMENTS`. A
    checkpoint with quantised weights (GPTQ, AWQ, bitsandbytes) says so itself and needs no argument.

    Raises:
        UnknownModelError, NotMultimodalError, ModelLoadError: nothing there, a text-only model, weights not loadable.
        LensArgumentError: an argument has a wrong value, or needs a package that is not installed.
    """
    path = resolve_pretrained(pretrained)
    hub: dict[str, Any] = {"revision": revision} if revision else {}
    hub["trust_remote_code"] = trust_remote_code
    config = _load_config(pretrained, path, hub)
    cls = _class_of(pretrained, config)
    kwargs = dict(hub, **_dtype_argument(resolve_dtype(dtype)))
    if attn_implementation is not None:
        kwargs["attn_implementation"] = attn_implementation
    wanted = quantisation_config(quantisation or {})
    if wanted is not None:
        kwargs["quantization_config"] = wanted
    if device_map is None and (wanted is not None or is_quantised(config)):
        # quantised weights are made on the device where they stay
        device_map = {"": str(device or default_device())}
    if device_map is not None:
        kwargs["device_map"] = device_map
    if not allow_pickle:
        kwargs["use_safetensors"] = True
    model = _load_weights(cls, pretrained, path, kwargs, allow_pickle)
    if peft is not None:
        model = attach_adapter(model, peft)
    if device_map is None:
        model = _to_device(model, device or default_device())
    processor = _load_processor(pretrained, path, {**hub, **(processor_kwargs or {})})
    _require_padding(pretrained, tokenizer_of(processor), model)
    return LoadedModel(model.eval(), processor, pretrained, revision or getattr(config, "_commit_hash", None))


def _dtype_argument(dtype: str | torch.dtype) -> dict[str, Any]:
    name = "dtype" if Version(transformers.__version__) >= Version("4.56") else "torch_dtype"
    return {name: dtype}


def _load_config(pretrained: str, path: str, hub: dict[str, Any]) -> Any:
    try:
        return AutoConfig.from_pretrained(path, **hub)
    except OSError as error:
        if Path(path).is_dir():
            raise ModelLoadError(f"pretrained={pretrained}: the configuration cannot be read ({error})") from error
        first = str(error).strip().partition("\n")[0]
        raise UnknownModelError(
            f"pretrained={pretrained}: no such model folder here, and the hub did not give it ({first})"
        ) from error
    except ValueError as error:
        raise ModelLoadError(f"pretrained={pretrained}: the configuration cannot be read ({error})") from error


def _class_of(pretrained: str, config: Any) -> Any:
    cls = class_of(config)
    if cls is not None:
        return cls
    raise NotMultimodalError(
        f"pretrained={pretrained} is a '{config.model_type}' model ({', '.join(config.architectures or ['?'])}), which "
        "AutoModelForImageTextToText of this transformers version does not load, nor any class for sounds and text: a "
        "text-only model, or one that needs a newer transformers. Choose a checkpoint for images, videos or sounds."
    )


def _load_weights(cls: Any, pretrained: str, path: str, kwargs: dict[str, Any], allow_pickle: bool) -> Any:
    try:
        model, info = cls.from_pretrained(path, output_loading_info=True, **kwargs)
    except UNLOADABLE as error:
        raise weights_error(pretrained, path, error, allow_pickle=allow_pickle) from error
    except (ValueError, RuntimeError, AssertionError) as error:
        name = _argument_at_fault(error, kwargs)
        if name is None:
            raise
        raise LensArgumentError(f"{name}={kwargs.get(name)}: {error}") from error
    missing = sorted(info.get("missing_keys") or ())
    if missing:
        _log.warning(
            "pretrained=%s lacks %d weights, which are random now: %s%s. Its answers mean nothing if they matter.",
            *(pretrained, len(missing), ", ".join(missing[:3]), ", ..." if len(missing) > 3 else ""),
        )
    return model


def _argument_at_fault(error: Exception, kwargs: Mapping[str, Any]) -> str | None:
    """The argument that an error of `from_pretrained` is about; None for errors of another kind."""
    if isinstance(error, ValueError) and "attn_implementation" in str(error):
        return "attn_implementation"
    # a device that does not exist gives many kinds of messages
    placed = kwargs.get("device_map") is not None and not is_out_of_memory(error)
    return "device_map" if placed and _DEVICES.search(str(error)) else None


def weights_error(pretrained: str, path: str, error: Exception, *, allow_pickle: bool) -> ModelLoadError:
    """What is wrong with the weights of a checkpoint; pickle files that were refused are named as such."""
    if not allow_pickle and _has_pickle_only(path, error):
        return ModelLoadError(
            f"pretrained={pretrained} has no safetensors weights. Pickle weights can run code when they are opened; if "
            "you trust the source, pass allow_pickle=True."
        )
    return ModelLoadError(f"pretrained={pretrained}: the weights cannot be loaded ({error})")


def _has_pickle_only(path: str, error: Exception) -> bool:
    """Whether weights are there, in pickle files alone. Of a repository only the loader's message is known."""
    folder = Path(path)
    if folder.is_dir():
        return any(folder.glob("*.bin")) and not any(folder.glob("*.safetensors"))
    return "safetensors" in str(error)


def _to_device(model: Any, device: str | torch.device) -> Any:
    try:
        return model.to(device)
    except (RuntimeError, AssertionError) as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        raise LensArgumentError(f"device={device} cannot be used ({error})") from error


def _require_padding(pretrained: str, tokenizer: Any, model: Any) -> None:
    """A tokenizer without a padding token gets the model's, else its end token: padding is masked, so any will do."""
    if getattr(tokenizer, "pad_token_id", 0) is not None:
        return
    named = getattr(getattr(model, "generation_config", None), "pad_token_id", None)
    token = tokenizer.convert_ids_to_tokens(named) if isinstance(named, int) and named >= 0 else None
    token = token or tokenizer.eos_token or tokenizer.unk_token
    if token is None:
        raise ModelLoadError(
            f"pretrained={pretrained}: its tokenizer has no padding token, and no end token to use in its place. Set "
            "pad_token in tokenizer_config.json of the checkpoint."
        )
    tokenizer.pad_token = token


def _load_processor(pretrained: str, path: str, kwargs: dict[str, Any]) -> Any:
    try:
        return AutoProcessor.from_pretrained(path, **kwargs)
    except (OSError, ValueError) as error:
        raise ModelLoadError(
            f"pretrained={pretrained}: the processor cannot be loaded ({error}). The folder needs the tokenizer and "
            "image processor files of the checkpoint beside its weights."
        ) from error
