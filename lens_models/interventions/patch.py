"""Activation patching: one position's residual of another run takes the place of a run's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar

from torch import Tensor

from lens_models.errors import CaptureError
from lens_models.parts import ModelParts

__all__ = ["Patch"]


@dataclass(frozen=True)
class Patch:
    """What layer `layer` hands on at the last position is `residual`, in each pass: it is meant for runs of one pass.

    It is no way of decoding and has no name in `lens_intervene`; `lens_engine.patching` measures with it.

    Attributes:
        layer: 1 to L.
        residual: `[rows, d]`, what takes the place of each row's own.
        strength: 1; anything below mixes both.
    """

    name: ClassVar[str] = "patch"
    layer: int
    residual: Tensor = field(repr=False)
    strength: float = 1.0

    @contextmanager
    def attach(self, parts: ModelParts) -> Iterator[None]:
        """Change what the layer hands on.

        Raises:
            CaptureError: another number of rows runs than there are residuals.
        """

        def hook(module: Any, args: Any, output: Any) -> Any:
            hidden, *rest = output if isinstance(output, tuple | list) else (output,)
            if hidden[:, -1].shape != self.residual.shape:
                raise CaptureError(
                    f"residuals {tuple(self.residual.shape)} for {tuple(hidden[:, -1].shape)} last positions"
                )
            patched = hidden.clone()
            given = self.residual.to(hidden)
            patched[:, -1] = given if self.strength == 1.0 else hidden[:, -1].lerp(given, self.strength)
            return (patched, *rest) if isinstance(output, tuple | list) else patched

        handle = parts.layers[self.layer - 1].register_forward_hook(hook)
        try:
            yield
        finally:
            handle.remove()
