"""Selected image tokens come again before the answer, without any step in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from lens_models.errors import LensArgumentError
from lens_models.selection import Selector, brought_selector, read_selector

from .host import Host
from .icot import most
from .insertion import InsertedRun, Insertion, Looking

__all__ = ["Select"]

_SELECTOR, _ATTENTION, _RANDOM, _MEAN = "selector", "attention", "random", "mean"
_WAYS = (_SELECTOR, _ATTENTION, _RANDOM, _MEAN)


@dataclass(frozen=True)
class Select(Insertion):
    """Behind the prompt the image tokens that a selector, attention or chance chooses come again, before the answer.

    In each round the last position chooses: that of the prompt, then the last one that was inserted. `random` chooses
    the same places for all prompts with as many image tokens; `mean` inserts as many times the mean of the image
    tokens: what more positions do by themselves.

    Attributes:
        strength: 1; a part of it mixes the logits.
        patches: in each round.
        rounds_of: how many; `rounds` in words.
        by: `selector`, `attention` (sum over layers and heads), `random` or `mean`.
        file: folder of the selector, as `mmlens train-selector` writes it; empty for the one that comes with the
            checkpoint.
        seed: of `random`.
    """

    name: ClassVar[str] = "select"
    patches: int = 16
    rounds_of: int = 1
    by: str = _SELECTOR
    file: str = ""
    seed: int = 0
    selector: Selector | None = field(default=None, repr=False, kw_only=True)

    def __post_init__(self) -> None:
        if self.by not in _WAYS or min(self.patches, self.rounds_of) < 1:
            raise LensArgumentError(
                f"select: by={self.by}, patches={self.patches}, rounds={self.rounds_of}; expected by one of "
                f"{', '.join(_WAYS)}, and numbers from 1"
            )
        if self.file and self.by != _SELECTOR:
            raise LensArgumentError(f"select: by={self.by}, file={self.file!r}; a file is that of a selector")

    def told(self) -> Mapping[str, Any]:
        """The selector by its content."""
        return {"file": None if self.selector is None else self.selector.digest}

    def bound(self, host: Host) -> Select:
        """See `Insertion`.

        Raises:
            LensFileError: the folder holds no selector of this model, or the checkpoint brings none.
        """
        found = None
        if self.by == _SELECTOR:
            folder = Path(self.file).expanduser()
            found = read_selector(folder, host.parts) if self.file else brought_selector(host.parts)
        return replace(super().bound(host), selector=found)

    def looks_at(self) -> int | None:
        """See `Insertion`."""
        return None if self.selector is None else self.selector.layer

    def rounds(self, said: Tensor | None) -> int:
        """See `Insertion`."""
        return self.rounds_of if said is None else 0

    def due(self, run: InsertedRun, said: Tensor | None) -> Tensor:
        """See `Insertion`: behind the prompt."""
        return torch.full_like(run.shift, said is None, dtype=torch.bool)

    def chosen(self, run: InsertedRun, looking: Looking) -> Tensor:
        """See `Insertion`."""
        if self.selector is not None:
            assert looking.residual is not None and run.residuals is not None
            return most(self.selector(looking.residual, run.residuals), run.real, self.patches)
        if self.by == _ATTENTION:
            return most(looking.attention, run.real, self.patches)
        return most(self._drawn(run), run.real, self.patches)

    def _drawn(self, run: InsertedRun) -> Tensor:
        """`[rows, tokens]`, made on the processor, so that it is the same for every device and batch."""
        drawn = torch.zeros(run.real.shape)
        for row, count in enumerate(run.real.sum(-1).tolist()):
            drawn[row, :count] = torch.rand(count, generator=torch.Generator().manual_seed(self.seed))
        return drawn.to(run.real.device)

    def embedded(self, run: InsertedRun) -> Tensor:
        """See `Insertion`."""
        if self.by != _MEAN:
            return run.embeddings
        real = run.real[..., None]
        mean = (run.embeddings.float() * real).sum(1, keepdim=True) / real.sum(1, keepdim=True).clamp_min(1)
        return mean.to(run.embeddings.dtype).expand_as(run.embeddings)
