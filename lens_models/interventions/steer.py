"""Steering: a direction is added to the residual stream."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from safetensors.torch import load_file
from torch import Tensor

from lens_models.errors import LensArgumentError
from lens_models.parts import ModelParts

__all__ = ["Steer"]

_PREFIX = "layer."


@dataclass(frozen=True)
class Steer:
    """h_l <- h_l + strength * v_l behind the layers that a file has a direction for, at every position.

    As activation addition (Turner et al., arXiv:2308.10248). The file is a safetensors file with a tensor `[d]` named
    `layer.L` for each layer; its content is in the fingerprint.

    Costs an addition a layer.

    Attributes:
        strength: factor of the directions as they are in the file.
        file: its path.
    """

    name: ClassVar[str] = "steer"
    strength: float = 1.0
    file: str = ""
    directions: Mapping[int, Tensor] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.directions:
            object.__setattr__(self, "directions", _read(self.file))

    def told(self) -> Mapping[str, Any]:
        """The file by its content."""
        path = Path(self.file).expanduser()
        return {"file": hashlib.sha256(path.read_bytes()).hexdigest() if self.file else None}

    @contextmanager
    def attach(self, parts: ModelParts) -> Iterator[None]:
        """Change what the layers hand on.

        Raises:
            LensArgumentError: a direction does not fit the model.
        """
        handles = []
        try:
            for layer, direction in self.directions.items():
                if not 1 <= layer <= parts.n_layers or direction.shape != (parts.hidden_size,):
                    raise LensArgumentError(
                        f"steer: layer {layer} with a direction of shape {tuple(direction.shape)}; expected layers 1 "
                        f"to {parts.n_layers} and shape ({parts.hidden_size},)"
                    )
                added = self._added(direction)  # before those that read the layer, whichever is named first
                handles.append(parts.layers[layer - 1].register_forward_hook(added, prepend=True))
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _added(self, direction: Tensor) -> Any:
        def hook(module: Any, args: Any, output: Any) -> Any:
            hidden, *rest = output if isinstance(output, tuple | list) else (output,)
            moved = hidden + self.strength * direction.to(hidden)
            return (moved, *rest) if isinstance(output, tuple | list) else moved

        return hook


def _read(file: str) -> dict[int, Tensor]:
    """Layer -> direction of a file.

    Raises:
        LensArgumentError: there is no such file, or it holds something else.
    """
    path = Path(file).expanduser()
    if not file or not path.is_file():
        raise LensArgumentError(f"steer: file={file!r} is no file; expected a safetensors file of directions")
    found = load_file(path)
    wrong = [name for name in found if not name.removeprefix(_PREFIX).isdecimal() or not name.startswith(_PREFIX)]
    if wrong or not found:
        raise LensArgumentError(f"steer: {file} holds {wrong[:3] or 'nothing'}; expected tensors named {_PREFIX}1, ...")
    return {int(name.removeprefix(_PREFIX)): tensor for name, tensor in sorted(found.items())}
