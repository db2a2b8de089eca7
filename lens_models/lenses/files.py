"""Lens folders: `lens.safetensors` with the maps, `lens.json` with what they are and how good."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from lens_models.errors import LensFileError
from lens_models.parts import ModelParts

from .affine import IMAGE, TEXT, AffineLens, AffineMaps, content_digest
from .model_values import differing_part, model_values
from .published import is_published, read_published
from .quality import HeldOut

__all__ = ["DESCRIPTION", "KINDS", "LensFile", "kind_of_folder", "read_lens", "write_lens"]

KINDS = ("tuned", "jacobian")
"""Learnt lenses that a folder may hold."""
DESCRIPTION, _TENSORS = "lens.json", "lens.safetensors"
_FORMAT = 1
_MODEL = "model.values"


@dataclass(frozen=True)
class LensFile:
    """What a lens folder is written from.

    Attributes:
        kind: tuned or jacobian.
        text: maps of text positions, in the dtype in which they are kept.
        images: maps of image tokens; None where they are read as they are.
        held_out: its quality, measured with the maps as they are kept; None where it was not.
        trained_on: what it was learnt on, in words.
        recipe: how, as JSON values.
    """

    kind: str
    text: AffineMaps = field(repr=False)
    images: AffineMaps | None = field(repr=False)
    held_out: HeldOut | None = field(repr=False)
    trained_on: str
    recipe: Mapping[str, Any] = field(default_factory=dict)

    def tensors(self) -> dict[str, Tensor]:
        """Name in the file -> tensor."""
        by_kind = {TEXT: self.text} | ({} if self.images is None else {IMAGE: self.images})
        return {f"{kind}.{name}": each for kind, maps in by_kind.items() for name, each in maps.named().items()}

    def lens(self) -> AffineLens:
        """The lens as it is read back from the folder."""
        digest = content_digest(self.tensors())
        return AffineLens(self.kind, self.text, self.images, digest, self.held_out, self.trained_on)


def write_lens(folder: Path, file: LensFile, parts: ModelParts, name: str) -> None:
    """Write a lens folder, bound to the model.

    Args:
        folder: is made; what lies there under the same names is replaced.
        file: the lens.
        parts: of the model that it was learnt on.
        name: of that model, for messages.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {key: tensor.detach().cpu().contiguous() for key, tensor in file.tensors().items()}
    described = {
        "format": _FORMAT,
        "kind": file.kind,
        "digest": content_digest(tensors),
        "model": {
            "name": name,
            "class": parts.model_class,
            "n_layers": parts.n_layers,
            "hidden_size": parts.hidden_size,
            "dtype": str(next(parts.layers[0].parameters()).dtype).removeprefix("torch."),
        },
        "trained_on": file.trained_on,
        "recipe": dict(file.recipe),
        "held_out": None if file.held_out is None else file.held_out.to_json(),
    }
    save_file({**tensors, _MODEL: model_values(parts)}, folder / _TENSORS)
    (folder / _TENSORS).chmod(0o644)  # safetensors makes files that others cannot read
    # the description comes last: a folder with one is whole
    (folder / DESCRIPTION).write_text(json.dumps(described, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def kind_of_folder(folder: Path) -> str:
    """Which lens a folder holds.

    Raises:
        LensFileError: none.
    """
    if (folder / DESCRIPTION).is_file():
        return str(_described(folder)["kind"])
    if is_published(folder):
        return "tuned"
    raise LensFileError(
        f"{folder} holds no lens; expected {DESCRIPTION} and {_TENSORS}, as `mmlens train-lens` writes them, or "
        "params.pt and config.json of the package tuned-lens"
    )


def read_lens(folder: Path, parts: ModelParts) -> AffineLens:
    """The lens of a folder, which must have been learnt on this model.

    Raises:
        LensFileError: there is none, it is damaged, or it was learnt on another model.
    """
    if kind_of_folder(folder) == "tuned" and not (folder / DESCRIPTION).is_file():
        text, name = read_published(folder, parts)
        return LensFile("tuned", text, None, None, f"not known: a file of the package tuned-lens for {name}").lens()
    described = _described(folder)
    try:
        tensors = _tensors(folder)
        values, model = tensors.pop(_MODEL), described["model"]
        size = (int(model["n_layers"]), int(model["hidden_size"]))
        dtype: torch.dtype = getattr(torch, model["dtype"])
        lens = _lens(described, tensors)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise LensFileError(f"the lens in {folder} is damaged: {type(error).__name__}: {error}") from error
    if size != (parts.n_layers, parts.hidden_size):
        differs: str | None = f"{parts.n_layers} layers of {parts.hidden_size}; expected {size[0]} of {size[1]}"
    else:
        differs = differing_part(parts, values, dtype)
    if differs is not None:
        raise LensFileError(
            f"the lens in {folder} was learnt on {model.get('name')} ({model.get('class')}), and this "
            f"{parts.model_class} is another model: {differs}. An adapter, quantisation or further training make "
            "another model; train a lens of its own with `mmlens train-lens`"
        )
    return lens


def _tensors(folder: Path) -> dict[str, Tensor]:
    with safe_open(folder / _TENSORS, framework="pt") as file:
        return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - no mapping


def _lens(described: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> AffineLens:
    """Raises `ValueError`: the tensors are not those that were described."""
    if content_digest(tensors) != described["digest"]:
        raise ValueError(f"{_TENSORS} is not what {DESCRIPTION} was written with")
    held_out = None if described["held_out"] is None else HeldOut.of_json(described["held_out"])
    text, images = _maps(tensors, TEXT), _maps(tensors, IMAGE)
    if text is None:
        raise ValueError("no maps of text positions")
    return AffineLens(described["kind"], text, images, described["digest"], held_out, str(described["trained_on"]))


def _maps(tensors: Mapping[str, Tensor], kind: str) -> AffineMaps | None:
    start = f"{kind}."
    own = {name.removeprefix(start): tensor for name, tensor in tensors.items() if name.startswith(start)}
    return AffineMaps.of_named(own) if own else None


def _described(folder: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        kind, version = found["kind"], found["format"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LensFileError(f"{folder / DESCRIPTION} is damaged: {type(error).__name__}: {error}") from error
    if version != _FORMAT or kind not in KINDS:
        raise LensFileError(
            f"{folder / DESCRIPTION}: found kind {kind!r} of format {version!r}; expected format {_FORMAT} and one of "
            f"{', '.join(KINDS)}; a newer version of mm-logit-lens may have written it"
        )
    return found
