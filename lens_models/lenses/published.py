"""Tuned lenses as the package tuned-lens (0.2.0) saves and publishes them: `params.pt` and `config.json`."""

from __future__ import annotations

import hashlib
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lens_models.errors import LensFileError
from lens_models.parts import ModelParts

from .affine import AffineMaps

__all__ = ["is_published", "read_published"]

_SETTINGS, _TENSORS = "config.json", "params.pt"
_UNREADABLE = (
    *(OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, RuntimeError),
    pickle.UnpicklingError,
)


def is_published(folder: Path) -> bool:
    """Whether a folder holds the two files."""
    return (folder / _SETTINGS).is_file() and (folder / _TENSORS).is_file()


def read_published(folder: Path, parts: ModelParts) -> tuple[AffineMaps, str]:
    """The maps of layers 0 to L-1, and the name of the model that they were learnt on.

    Translator i maps what goes into block i + 1, which is layer i. They were learnt on text, and are maps of text
    positions here.

    Raises:
        LensFileError: a file is damaged, or the lens does not fit the model: other shapes, or another unembedding than
            the one whose hash it carries.
    """
    try:
        settings: dict[str, Any] = json.loads((folder / _SETTINGS).read_text(encoding="utf-8"))
        tensors: dict[str, Tensor] = torch.load(folder / _TENSORS, map_location="cpu", weights_only=True)
        weights = {layer: tensors[f"{layer}.weight"] for layer in range(parts.n_layers)}
        biases = {layer: tensors[f"{layer}.bias"] for layer in weights if f"{layer}.bias" in tensors}
        name, expected = str(settings["base_model_name_or_path"]), settings.get("unembed_hash")
        count, shapes = settings["num_hidden_layers"], {tuple(each.shape) for each in weights.values()}
    except _UNREADABLE as error:
        raise LensFileError(
            f"the tuned lens in {folder} cannot be read for a model of {parts.n_layers} layers: "
            f"{type(error).__name__}: {error}"
        ) from error
    width = parts.hidden_size
    if count != parts.n_layers or shapes != {(width, width)}:
        raise LensFileError(
            f"the tuned lens in {folder} is of {count} layers of {sorted(shapes)}, learnt on {name}; this "
            f"{parts.model_class} has {parts.n_layers} of {width}"
        )
    if expected is not None and _hash(parts) != expected:
        raise LensFileError(
            f"the tuned lens in {folder} was learnt on {name} with another unembedding than that of this "
            f"{parts.model_class}; a lens belongs to the model that it was learnt on"
        )
    return AffineMaps(weights, biases), name


def _hash(parts: ModelParts) -> str | None:
    """The package's own hash of the unembedding: SHA-256 of how numpy prints it with one digit, corners alone."""
    weight = getattr(parts.head, "weight", None)
    if not isinstance(weight, Tensor) or weight.is_meta or not weight.dtype.is_floating_point:
        return None
    printed = np.array_str(weight.detach().float().cpu().numpy(), precision=1)
    return hashlib.sha256(printed.encode()).hexdigest()
