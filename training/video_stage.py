"""Batches of the stages on videos, with pictures rehearsed beside them."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from lens_tasks.scenes.clips.clip import FRAMES, Clip
from training.forward import patches, video_patches
from training.mixture import row_turns
from training.packing import Batch, Packer
from training.pairs import pair_targets
from training.progress import progress
from training.stage import Stage
from training.videos import video_turns

HELD_OUT = 480
"""The last training videos, which no stage draws: progress is watched on them."""


@dataclass(frozen=True)
class VideoItem:
    """A batch. Stages on the tower have patches [.., 64, 384] of pairs of frames and of pictures, and cell targets.

    Stages on the language model have cached embeddings of videos [v, 128, width] and of pictures [p, 16, width], the
    rows in this order (only the first ``asked`` videos have one), and the answers so far [v, 8, 19].
    """

    videos: torch.Tensor
    pictures: torch.Tensor
    targets: torch.Tensor
    packed: Batch | None = None
    asked: int = 0


class VideoStream:
    """Endless batches of a stage; ``part`` is the process and their number. Every step has a generator of its own."""

    def __init__(self, stage: Stage, data: Path, packer: Packer, first_step: int, part: tuple[int, int]) -> None:
        self.stage, self.data, self.packer, self.first_step = stage, data, packer, first_step
        self.rank, self.world = part
        self.cache: Path | None = None
        with (data / "clips.pkl").open("rb") as file:
            self.clips: list[Clip] = pickle.load(file)[:-HELD_OUT]

    def __iter__(self) -> Iterator[VideoItem]:
        share = self.stage.batch // self.world
        pictures = round(share * (1.0 - self.stage.videos))
        draw = self._pairs(share - pictures, pictures) if self.cache is None else self._rows(share - pictures, pictures)
        step = self.first_step
        while True:
            yield draw(np.random.default_rng((self.stage.seed, step, self.rank)))
            step += 1

    def _pairs(self, videos: int, pictures: int):
        frames = np.load(self.data / "videos.npy", mmap_mode="r")
        images = np.load(self.data / "images.npy", mmap_mode="r")

        def draw(rng: np.random.Generator) -> VideoItem:
            chosen = np.sort(rng.integers(len(self.clips), size=videos))
            pairs, targets = [], []
            for number in chosen:
                whole = np.asarray(frames[number]).reshape(FRAMES // 2, 2, *frames.shape[2:])
                changed = np.flatnonzero((whole[:, 0] != whole[:, 1]).any(axis=(1, 2, 3)))
                # most pairs are at rest
                places = changed if len(changed) and rng.random() < 0.7 else np.arange(FRAMES // 2)
                pair = int(rng.choice(places))
                pairs.append(whole[pair])
                targets.append(pair_targets(self.clips[number], pair))
            still = np.sort(rng.integers(len(images), size=pictures))
            return VideoItem(
                video_patches(np.stack(pairs)),
                patches(np.asarray(images[still])),
                torch.from_numpy(np.stack(targets)).float(),
            )

        return draw

    def _rows(self, videos: int, pictures: int):
        assert self.cache is not None
        seen = np.load(self.cache / "videos.npy", mmap_mode="r")
        images = np.load(self.cache / "images.npy", mmap_mode="r")
        known = np.load(self.cache / "progress.npy")
        with (self.data / "scenes.pkl").open("rb") as file:
            scenes = pickle.load(file)
        stage = self.stage

        def draw(rng: np.random.Generator) -> VideoItem:
            chosen = rng.integers(len(self.clips), size=videos + stage.trunks // self.world)
            rows = []
            for number in chosen[:videos]:
                # twice, each with its own order of options: some videos have one question, and rows share their trunk
                turns = video_turns(rng, self.clips[number]) + video_turns(rng, self.clips[number])
                picked = rng.permutation(len(turns))[: stage.questions]
                rows.append(self.packer.row([turns[i] for i in picked], bool(rng.random() < stage.system)))
            still = np.sort(rng.integers(len(images), size=pictures))
            for number in still:
                turns = row_turns(rng, scenes[number], stage.mixture, stage.turns)
                rows.append(self.packer.row(turns, bool(rng.random() < stage.system)))
            return VideoItem(
                torch.from_numpy(np.asarray(seen[chosen])).float(),
                torch.from_numpy(np.asarray(images[still])).float(),
                torch.from_numpy(known[chosen]),
                self.packer.batch(rows),
                videos,
            )

        return draw


def write_progress(data: Path, path: Path) -> None:
    """The answers so far of all videos, int64 [n, 8, 19]."""
    with (data / "clips.pkl").open("rb") as file:
        clips: list[Clip] = pickle.load(file)
    np.save(path, np.stack([progress(clip) for clip in clips]))
