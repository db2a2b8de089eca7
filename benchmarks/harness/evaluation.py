"""What is evaluated by each way of a harness."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

__all__ = ["Evaluation"]


@dataclass(frozen=True)
class Evaluation:
    """One task put to the stock wrappers and to ours.

    Attributes:
        model: checkpoint.
        limit: samples of a run.
        batch: samples of a batch.
        folder: of what the runs write.
        include: folder of the task, where the harness does not know it.
        lens_args: arguments of one more run of ours; empty for none.
    """

    model: str
    task: str
    limit: int
    batch: int
    device: torch.device
    folder: Path
    include: Path | None = None
    lens_args: str = ""

    @property
    def ours(self) -> dict[str, str]:
        """Name of a run of ours -> its arguments, the model among them."""
        words = {"ours, lens off": "lens=False", "ours, lens on": "lens=True"}
        if self.lens_args:
            words[f"ours, {self.lens_args}"] = self.lens_args
        return {name: f"pretrained={self.model},{own}" for name, own in words.items()}
