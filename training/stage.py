"""One stage of the training: its settings, and its endless batches."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from training.cells import cell_targets
from training.forward import patches
from training.mixture import Mixture, row_turns
from training.packing import Batch, Packer
from training.reasoning import reasoning_turns


@dataclass(frozen=True)
class Stage:
    """Settings of one stage, as in its YAML file."""

    kind: str
    steps: int
    batch: int
    rate: float
    warmup: int
    decay: int
    seed: int
    length: int = 256
    turns: int = 12
    cell_weight: float = 0.5
    rule_weight: float = 1.0
    frozen_vision: bool = False
    muon_factor: float = 2.0
    vision_factor: float = 1.0
    weight_decay: float = 0.05
    system: float = 0.1
    videos: float = 0.0
    """Share of a batch that is about videos, in stages of kind ``pairs`` (the tower) and ``videos``."""
    trunks: int = 0
    """Videos beside the batch that are only followed, without questions."""
    questions: int = 2
    """Questions about a video in a row."""
    drift_weight: float = 1.0
    state_weight: float = 0.5
    option_weight: float = 0.5
    answer_weight: float = 0.0
    reasoning: float = 0.0
    """Share of rows whose questions take several steps, in stages of kind ``joint``."""
    mixture: Mixture = field(default_factory=Mixture)

    @classmethod
    def read(cls, path: Path) -> Stage:
        """Read a YAML file; unknown keys raise TypeError."""
        raw: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
        mixture = raw.pop("mixture", {})
        for name in ("hops", "tails"):
            if name in mixture:
                mixture[name] = tuple(mixture[name])
        return cls(**raw, mixture=Mixture(**mixture))

    def rate_at(self, step: int) -> float:
        """Linear warm-up, constant, linear decay to nothing over the last ``decay`` steps."""
        rise = min(1.0, (step + 1) / max(1, self.warmup))
        fall = min(1.0, (self.steps - step) / max(1, self.decay))
        return self.rate * min(rise, fall)


class Stream:
    """Endless batches: patches, cell targets and, in joint stages, packed questions.

    With a frozen vision tower the first part is its cached output, [batch, 16, width], in place of patches.
    """

    def __init__(self, stage: Stage, data: Path, packer: Packer, first_step: int, part: tuple[int, int]) -> None:
        self.stage, self.data, self.packer, self.first_step = stage, data, packer, first_step
        self.rank, self.world = part
        self.embeddings: Path | None = None

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor, Batch | None]]:
        pictures = np.load(self.data / "images.npy", mmap_mode="r")
        with (self.data / "scenes.pkl").open("rb") as file:
            scenes = pickle.load(file)
        cached = None if self.embeddings is None else np.load(self.embeddings, mmap_mode="r")
        step = self.first_step
        while True:
            # A generator of its own for each step: a stage that is resumed sees what it would have seen.
            rng = np.random.default_rng((self.stage.seed, step, self.rank))
            chosen = np.sort(rng.integers(len(scenes), size=self.stage.batch // self.world))
            cells = torch.from_numpy(np.stack([cell_targets(scenes[i]) for i in chosen])).float()
            packed = None
            if self.stage.kind == "joint":
                rows = []
                for i in chosen:
                    rows_of_steps = self.stage.reasoning and rng.random() < self.stage.reasoning
                    language = "en" if rows_of_steps and rng.random() < 0.5 else "ru"
                    turns = reasoning_turns(rng, scenes[i], language, self.stage.turns) if rows_of_steps else []
                    turns = turns or row_turns(rng, scenes[i], self.stage.mixture, self.stage.turns)
                    # of some pictures no drawn question can be asked; whether something is there always can
                    turns = turns or row_turns(rng, scenes[i], Mixture(), 1)
                    rows.append(self.packer.row(turns, bool(rng.random() < self.stage.system)))
                packed = self.packer.batch(rows)
            if cached is None:
                seen = patches(np.asarray(pictures[chosen]))
            else:
                seen = torch.from_numpy(np.asarray(cached[chosen])).float()
            yield seen, cells, packed
            step += 1
