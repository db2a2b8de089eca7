"""Selector folders: `selector.safetensors` with W_q, W_k and b, `selector.json` with what they are and how good."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from lens_models.errors import LensFileError
from lens_models.lenses.model_values import differing_part, model_values
from lens_models.parts import ModelParts

from .selector import ANSWER, STEPS, Selector

__all__ = ["DESCRIPTION", "brought_selector", "read_selector", "write_selector"]

DESCRIPTION, _TENSORS = "selector.json", "selector.safetensors"
_BROUGHT = "selector"
_FORMAT = 1
_MODEL = "model.values"
_POSITIONS = {
    ANSWER: "the position that predicts the answer",
    STEPS: "the last tokens of written steps",
}


def write_selector(
    folder: Path,
    selector: Selector,
    parts: ModelParts,
    name: str,
    *,
    recipe: Mapping[str, Any],
    held_out: Mapping[str, Any],
) -> None:
    """Write a selector folder, bound to the model.

    Args:
        folder: is made; what lies there under the same names is replaced.
        selector: what was learnt.
        parts: of the model that it was learnt on.
        name: of that model, for messages.
        recipe: how it was learnt, as JSON values.
        held_out: its quality, as JSON values.
    """
    folder.mkdir(parents=True, exist_ok=True)
    dtype = next(parts.layers[0].parameters()).dtype
    described = {
        "format": _FORMAT,
        "digest": selector.digest,
        "layer": selector.layer,
        "at": selector.at,
        "model": {"name": name, "class": parts.model_class, "dtype": str(dtype).removeprefix("torch.")},
        "trained_on": selector.trained_on,
        "recipe": dict(recipe),
        "held_out": dict(held_out),
    }
    tensors = {key: tensor.contiguous() for key, tensor in selector.tensors().items()}
    save_file({**tensors, _MODEL: model_values(parts)}, folder / _TENSORS)
    (folder / _TENSORS).chmod(0o644)  # safetensors makes files that others cannot read
    # the description comes last: a folder with one is whole
    (folder / DESCRIPTION).write_text(json.dumps(described, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def brought_selector(parts: ModelParts) -> Selector:
    """The selector in the folder of the model's checkpoint.

    Raises:
        LensFileError: it brings none, or it is damaged or of another model.
    """
    folder = Path(parts.checkpoint) / _BROUGHT
    if not folder.is_dir():
        raise LensFileError(
            f"{parts.checkpoint} brings no selector ({_BROUGHT} in its folder). Train one with `mmlens train-selector "
            "MODEL --data DATA --out FOLDER` and name it: file=FOLDER"
        )
    return read_selector(folder, parts)


def read_selector(folder: Path, parts: ModelParts, at: str = ANSWER) -> Selector:
    """The selector of a folder, which must have been learnt on this model.

    Args:
        folder: as `write_selector` made it; one that does not say what it reads is from before there was a choice.
        parts: of the model.
        at: whose residual it will be given, `ANSWER` or `STEPS`.

    Raises:
        LensFileError: there is none, it is damaged, it was learnt on another model, or it reads other positions.
    """
    if not (folder / DESCRIPTION).is_file():
        raise LensFileError(f"{folder} holds no selector; expected {DESCRIPTION}, as `mmlens train-selector` writes it")
    try:
        described = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        if described["format"] != _FORMAT:
            raise LensFileError(
                f"{folder / DESCRIPTION}: found format {described['format']!r}; expected {_FORMAT}; a newer version of "
                "mm-logit-lens may have written it"
            )
        with safe_open(folder / _TENSORS, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        expected = tensors.pop(_MODEL)
        reads = str(described.get("at", ANSWER))
        found = Selector(int(described["layer"]), **tensors, trained_on=str(described["trained_on"]), at=reads)
        dtype = getattr(torch, described["model"]["dtype"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, SafetensorError) as error:
        raise LensFileError(f"{folder} is damaged: {type(error).__name__}: {error}") from error
    if found.digest != described["digest"]:
        raise LensFileError(f"{folder} is damaged: its numbers are not those that {DESCRIPTION} describes")
    if found.at != at:
        raise LensFileError(
            f"{folder} reads {_POSITIONS.get(found.at, repr(found.at))}, and is asked at {_POSITIONS[at]}; "
            f"expected one that was learnt there: `mmlens train-selector --at {at}`"
        )
    _require_fit(found, parts, folder)
    if problem := differing_part(parts, expected, dtype):
        named = described["model"].get("name")
        raise LensFileError(f"{folder} was learnt on another model ({named}) than {parts.model_class}: {problem}")
    return found


def _require_fit(selector: Selector, parts: ModelParts, folder: Path) -> None:
    width = parts.hidden_size
    shapes = [tuple(each.shape) for each in (selector.query, selector.key, selector.bias)]
    expected = [(shapes[0][0], width), (shapes[0][0], width), (1,)]
    if shapes != expected or not 1 <= selector.layer <= parts.n_layers:
        raise LensFileError(
            f"{folder}: layer {selector.layer} with weights {shapes}; expected layers 1 to {parts.n_layers} and "
            f"{expected} for {parts.model_class}"
        )
