"""What is learnt in many steps, and goes on where it was stopped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch

from lens_models import LensFileError

__all__ = ["SAVE_EVERY", "UNFINISHED", "Resumable", "Unfinished", "batch_order"]

UNFINISHED = "unfinished.pt"
"""File in the folder of what is learnt."""
SAVE_EVERY = 25
"""Steps between two of its states."""


class Resumable(Protocol):
    """What is learnt."""

    def state(self) -> dict[str, Any]:
        """All that is needed to go on."""

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on where `state` was."""


@dataclass
class Unfinished:
    """Something that is being learnt, on disk; a crash leaves the state of some steps before.

    Attributes:
        path: of the file.
        settings: everything that what is learnt depends on, each as a digest or a JSON value.
    """

    path: Path
    settings: Mapping[str, Any]

    def load(self, fit: Resumable) -> None:
        """Go on where the file says.

        Raises:
            LensFileError: it was begun with other settings.
        """
        if not self.path.exists():
            return
        saved = torch.load(self.path, map_location="cpu", weights_only=True)
        if differing := [name for name in self.settings if saved["settings"].get(name) != self.settings[name]]:
            raise LensFileError(
                f"{self.path} was begun with another {' and '.join(differing)}; remove it to begin anew, or choose "
                "another folder"
            )
        fit.load(saved["fit"])

    def save(self, fit: Resumable) -> None:
        """Write the state in place of the one before; a crash leaves one of the two."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        whole = self.path.with_suffix(".new")
        torch.save({"settings": dict(self.settings), "fit": fit.state()}, whole)
        whole.replace(self.path)

    def remove(self) -> None:
        """What was learnt is finished."""
        self.path.unlink(missing_ok=True)


def batch_order(count: int, size: int, seed: int) -> Iterator[list[int]]:
    """Endless batches of places; every place once before any comes again."""
    generator = torch.Generator().manual_seed(seed)
    waiting: list[int] = []
    while True:
        while len(waiting) < size:
            waiting += torch.randperm(count, generator=generator).tolist()
        yield waiting[:size]
        waiting = waiting[size:]
