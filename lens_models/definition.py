"""What defines a loaded model's answers, as JSON values: two models with equal definitions answer alike.

Where the model lies (device, device map) is no part of it. Cheap by design: weights are told apart by the files of a
local checkpoint or the commit of one from the hub, and by values of every tensor that is in memory.
"""

from __future__ import annotations

import hashlib
import inspect
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

__all__ = ["checkpoint_files", "evenly_spaced", "model_definition", "served_definition"]

_WHOLE = 64 * 2**20  # bytes of a file that are read; of a larger one its size, its time of change and blocks
_BLOCK, _BLOCKS = 64 * 1024, 64
_VALUES = 1024  # values of a tensor
_SUFFIXES = (".json", ".safetensors", ".bin", ".pt", ".pth", ".model", ".txt", ".jinja", ".py", ".gguf", ".tiktoken")
_LEFTOVERS = ("optimizer", "scheduler", "rng_state", "trainer_state", "training_args", "lens_", "results_", "samples_")
_REMOTE_CODE = "transformers_modules."
_PLAIN = str | int | float | bool | None


def model_definition(model: Any, processor: Any, path: str, *, commit: str | None = None) -> dict[str, Any]:
    """Part -> JSON value of everything about a loaded model that can change an answer or a readout.

    Args:
        model: the model, adapter and quantisation included.
        processor: what encodes its prompts and images; its limits (pixels, sizes) are parts.
        path: folder of the checkpoint, or its name on the hub.
        commit: the commit of a checkpoint from the hub.
    """
    adapters = getattr(model, "peft_config", None) if hasattr(model, "get_base_model") else None
    weights, adapter_weights = _weights(model)
    of_checkpoint = served_definition(
        model.config,
        processor,
        path,
        commit=commit,
        dtype=str(model.dtype).removeprefix("torch."),
        attention=getattr(model.config, "_attn_implementation", None),
        generation_config=_generation_config(model),
    )
    return of_checkpoint | {
        "code": _own_code(model.get_base_model() if adapters else model, processor),
        "weights": weights,
        "adapter": None if not adapters else {"settings": _adapter_settings(adapters), "weights": adapter_weights},
    }


def served_definition(
    config: Any,
    processor: Any,
    path: str,
    *,
    commit: str | None,
    dtype: str,
    attention: str | None,
    generation_config: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """The same of a model that another program runs: its tensors are not at hand, its checkpoint says what they are."""
    return {
        "checkpoint": checkpoint_files(Path(path)) if Path(path).is_dir() else {"name": path, "commit": commit},
        "code": {},
        "weights": None,
        "adapter": None,
        "quantisation": _plain(_as_mapping(getattr(config, "quantization_config", None))),
        "dtype": dtype,
        "attention": attention,
        "processor": _processor_settings(processor),
        "generation_config": _plain(generation_config),
    }


def checkpoint_files(folder: Path) -> dict[str, str]:
    """File -> digest of a checkpoint's files: configuration, tokenizer, processor, code and weights.

    Files up to 64 MiB by their content; larger ones by size, time of change and 64 blocks of their content. What a
    trainer or a run leaves beside them is left out.
    """
    return {
        path.name: _file_digest(path)
        for path in sorted(folder.iterdir())
        if path.suffix in _SUFFIXES and not path.name.startswith(_LEFTOVERS) and path.is_file()
    }


def _file_digest(path: Path) -> str:
    state = path.stat()
    digest = hashlib.sha256(str(state.st_size).encode())
    with path.open("rb") as file:
        if state.st_size <= _WHOLE:
            while block := file.read(2**20):
                digest.update(block)
        else:
            digest.update(str(state.st_mtime_ns).encode())
            for number in range(_BLOCKS):
                file.seek((state.st_size - _BLOCK) * number // (_BLOCKS - 1))
                digest.update(file.read(_BLOCK))
    return digest.hexdigest()[:16]


def _weights(model: Any) -> tuple[str, str]:
    """Digests of the tensors of the model and of those of its adapter."""
    own, added = hashlib.sha256(), hashlib.sha256()
    kinds = {name for module in model.modules() for name in getattr(module, "adapter_layer_names", ())}
    for name, tensor in sorted(_tensors(model), key=lambda item: item[0]):
        digest = added if kinds.intersection(name.split(".")) else own
        name = name.removeprefix("base_model.model.").replace(".base_layer.", ".")
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype} ".encode())
        digest.update(_values(tensor))
    return own.hexdigest()[:16], added.hexdigest()[:16]


def _tensors(model: Any) -> Iterator[tuple[str, Tensor]]:
    """Parameters and buffers that belong to a checkpoint, by name; those that share their data under each name."""
    yield from model.named_parameters(remove_duplicate=False)
    for place, module in model.named_modules():
        for name, buffer in module.named_buffers(recurse=False):
            if name not in module._non_persistent_buffers_set:
                yield f"{place}.{name}", buffer


def evenly_spaced(tensor: Tensor, count: int) -> Tensor | None:
    """Up to `count` evenly spaced values of a tensor `[values]` on the CPU, first and last included, in its dtype.

    Returns:
        None of a tensor whose data is elsewhere, of an empty one, and of a quantised kind that gives no single values.
    """
    if tensor.is_meta or not tensor.numel():
        return None
    try:
        flat = tensor.detach().reshape(-1)
        places = torch.linspace(0, flat.numel() - 1, min(count, flat.numel()), dtype=torch.float64).round().long()
        return flat[places.to(flat.device)].cpu().contiguous()
    except (RuntimeError, NotImplementedError, TypeError):
        return None


def _values(tensor: Tensor) -> bytes:
    """Evenly spaced values of a tensor; none of one whose data is elsewhere."""
    if tensor.is_meta or not tensor.numel():
        return b""
    values = evenly_spaced(tensor, _VALUES)
    try:
        return b"no single values" if values is None else bytes(values.view(torch.uint8).numpy().tobytes())
    except (RuntimeError, NotImplementedError, TypeError):
        return b"no single values"


def _adapter_settings(adapters: Mapping[str, Any]) -> dict[str, Any]:
    # where the base model and the adapter lie says nothing of what they are
    ignored = {"base_model_name_or_path", "inference_mode", "revision"}
    return {
        name: {key: value for key, value in _plain(config.to_dict()).items() if key not in ignored}
        for name, config in adapters.items()
    }


def _own_code(*objects: Any) -> dict[str, str]:
    """Module -> digest of its source, for code that comes with the checkpoint and not with transformers."""
    packages = {type(each).__module__.rpartition(".")[0] + "." for each in objects}
    return {
        name.rpartition(".")[2]: hashlib.sha256(inspect.getsource(module).encode()).hexdigest()[:16]
        for name, module in sorted(sys.modules.items())
        if name.startswith(_REMOTE_CODE) and name.startswith(tuple(packages)) and getattr(module, "__file__", None)
    }


def _processor_settings(processor: Any) -> dict[str, Any]:
    """Settings of the parts that prepare images, videos and sound, and a digest of the chat template."""
    template = str(getattr(processor, "chat_template", None) or "")
    found: dict[str, Any] = {"chat_template": hashlib.sha256(template.encode()).hexdigest()[:16]}
    for name in ("image_processor", "video_processor", "feature_extractor"):
        settings = _plain(_as_mapping(getattr(processor, name, None)))
        for key, value in (settings or {}).items():
            found[key if name == "image_processor" else f"{name}.{key}"] = value
    return found


def _generation_config(model: Any) -> Any:
    config = getattr(model, "generation_config", None)
    if config is None:
        return None
    settings = config.to_diff_dict()
    return {key: settings[key] for key in settings.keys() - {"transformers_version", "_from_model_config"}}


def _as_mapping(value: Any) -> Any:
    return value.to_dict() if hasattr(value, "to_dict") else value


def _plain(value: Any) -> Any:
    """The JSON values in a setting; of an object its type alone, since its text may hold an address."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in sorted(value.items(), key=lambda item: str(item[0]))}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, set | frozenset):
        return sorted(str(each) for each in value)
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, torch.dtype):
        return str(value)
    return _plain(dict(value.items())) if hasattr(value, "items") else type(value).__name__
