"""Training on videos: the vision tower on pairs of frames, then the language model on questions."""

from __future__ import annotations

import argparse
import copy
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the customary name
from torch import nn
from transformers import PreTrainedTokenizerFast

from training.forward import answer_logits, outputs_of, patches, see, trunk_outputs, video_patches
from training.model import Shape
from training.packing import IMAGE_TOKENS, Packer
from training.pairs import NAMES
from training.progress import CLASSES, NOT_YET
from training.stage import Stage
from training.trainer import Trainer, wait
from training.video_stage import VideoItem, VideoStream, write_progress
from training.videos import ANSWERS

STATE_LAYER, ANSWER_LAYER, OPTION_LAYER = 5, 6, 7
"""Decoder layers (from 0) from whose output is read: at videos the answers so far; at the ends of lines the answer to a
question and what an option names; there, whether the option is right. Each step has a layer to itself."""


class VideoReaders(nn.Module):
    """Training aids, thrown away afterwards: all linear."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.cells = nn.Linear(width, len(NAMES))
        self.states = nn.Sequential(nn.RMSNorm(width), nn.Linear(width, sum(CLASSES.values())))
        self.options = nn.Sequential(nn.RMSNorm(width), nn.Linear(width, 1))
        self.answers = nn.Sequential(nn.RMSNorm(width), nn.Linear(width, len(ANSWERS)))


class VideoTrainer(Trainer):
    """Trains on `VideoItem`s. Pictures keep the embeddings that the tower gave at the start."""

    def __init__(self, stage: Stage, shape: Shape, tokenizer: PreTrainedTokenizerFast) -> None:
        super().__init__(stage, shape, tokenizer, VideoReaders(shape.width))
        self.model.model.language_model.requires_grad_(stage.kind != "pairs")
        self.teacher: nn.Module | None = None
        self.packer = Packer(tokenizer, stage.length)
        self.trunk = self.packer.trunk()

    def load_weights(self, folder: Path) -> None:
        """Start from a model folder, whose embeddings of pictures are to be kept."""
        super().load_weights(folder)
        self.teacher = copy.deepcopy(self.model).eval().requires_grad_(False)

    def loss_of(self, item: VideoItem) -> tuple[torch.Tensor, dict[str, float]]:
        """Loss of a batch, and what to log."""
        return self._pairs(item) if item.packed is None else self._answers(item)

    def _pairs(self, item: VideoItem) -> tuple[torch.Tensor, dict[str, float]]:
        assert self.teacher is not None, "a stage on pairs of frames starts from a model folder"
        seen = see(self.model, torch.cat([item.videos, item.pictures]))
        videos, pictures = seen.split([len(item.videos), len(item.pictures)])
        logits = self.reader.cells(videos)
        cells = F.binary_cross_entropy_with_logits(logits, item.targets, pos_weight=torch.full((len(NAMES),), 3.0))
        with torch.no_grad():
            before = see(self.teacher, item.pictures)
        drift = (pictures - before).square().mean() / before.square().mean()
        found = (logits > 0) & (item.targets > 0)
        log = {
            "cells": float(cells.detach()),
            "drift": float(drift.detach()),
            "precision": float(found.sum() / (logits > 0).sum().clamp(min=1)),
            "recall": float(found.sum() / item.targets.sum()),
        }
        return cells * 10.0 + drift * self.stage.drift_weight, log

    def _answers(self, item: VideoItem) -> tuple[torch.Tensor, dict[str, float]]:
        packed, asked = item.packed, item.asked
        assert packed is not None
        images = torch.cat([item.videos[:asked].flatten(0, 1), item.pictures.flatten(0, 1)])
        with outputs_of(self.model, (STATE_LAYER, ANSWER_LAYER, OPTION_LAYER)) as outputs:
            logits = answer_logits(self.model, images, packed)
        each = F.cross_entropy(logits, packed.targets, reduction="none")
        answers = (each * packed.weights).sum() / packed.weights.sum()
        states, known = self._states(outputs[STATE_LAYER][:asked][packed.image_mask[:asked]], item)
        loss = answers + states * self.stage.state_weight
        graded = packed.weights >= 1.0
        hit = (logits.argmax(-1) == packed.targets)[graded].float()
        video = packed.picked[graded] < asked * packed.ids.shape[1]
        log = {
            "answers": float(answers.detach()),
            "states": float(states.detach()),
            "known": known,
            "right_pictures": float(hit[~video].mean()),
        }
        if asked:
            options = self.reader.options(outputs[OPTION_LAYER].flatten(0, 1)[packed.optional]).squeeze(-1)
            option = F.binary_cross_entropy_with_logits(options, packed.right)
            read = self.reader.answers(outputs[ANSWER_LAYER].flatten(0, 1)[packed.named])
            answer = F.cross_entropy(read, packed.names)
            right, question = read.argmax(-1) == packed.names, ~torch.isin(packed.named, packed.optional)
            loss = loss + option * self.stage.option_weight + answer * self.stage.answer_weight
            log |= {
                "options": float(option.detach()),
                "answered": float(right[question].float().mean()),
                "named": float(right[~question].float().mean()),
                "right_videos": float(hit[video].mean()),
            }
        return loss, log

    def _states(self, output: torch.Tensor, item: VideoItem) -> tuple[torch.Tensor, float]:
        """Cross-entropy of the answers so far, read from the last token of each pair of frames, and share right.

        ``output`` [asked * 128, width] are the outputs at the tokens of the videos that have rows. The others pass the
        layers up to there without questions.
        """
        if len(item.videos) > item.asked:
            alone = trunk_outputs(self.model, item.videos[item.asked :], self.trunk, STATE_LAYER + 1)
            output = torch.cat([output, alone[:, self.trunk.ids == self.packer.video_id].flatten(0, 1)])
        tokens = output.view(len(item.videos), -1, IMAGE_TOKENS, output.shape[-1])[:, :, -1]
        read = self.reader.states(tokens).split(list(CLASSES.values()), dim=-1)
        losses = torch.stack(
            [
                F.cross_entropy(
                    part.flatten(0, 1), item.targets[..., i].flatten(), ignore_index=NOT_YET, reduction="sum"
                )
                for i, part in enumerate(read)
            ]
        )
        right = sum(int((part.argmax(-1) == item.targets[..., i]).sum()) for i, part in enumerate(read))
        known = max(1, int((item.targets != NOT_YET).sum()))
        return losses.sum() / known, right / known

    def stream(self, args: argparse.Namespace, first: int, part: tuple[int, int]) -> VideoStream:
        """The batches of the stage; for the language model the tower's output is cached before."""
        stream = VideoStream(self.stage, args.data, self.packer, first, part)
        if self.stage.kind != "pairs":
            stream.cache = args.cache or args.out / "seen"
            if not (stream.cache / "progress.npy").exists():
                self.write_cache(args.data, stream.cache, part)
            wait()
        return stream

    @torch.inference_mode()
    def write_cache(self, data: Path, folder: Path, part: tuple[int, int]) -> None:
        """Cache what the tower makes of every picture [n, 16, width] and video [n, 128, width], in float16.

        Each process writes its share.
        """
        folder.mkdir(parents=True, exist_ok=True)
        for name, cut, size in (("images", patches, 100), ("videos", video_patches, 15)):
            frames = np.load(data / f"{name}.npy", mmap_mode="r")
            tokens = IMAGE_TOKENS if name == "images" else IMAGE_TOKENS * frames.shape[1] // 2
            path, shape = folder / f"{name}.npy", (len(frames), tokens, self.shape.width)
            if part[0] == 0:
                np.lib.format.open_memmap(path, "w+", np.float16, shape).flush()
            wait()
            cache = np.lib.format.open_memmap(path, "r+")
            for start in range(part[0] * size, len(frames), part[1] * size):
                seen = see(self.model, cut(np.asarray(frames[start : start + size])))
                cache[start : start + size] = seen.reshape(-1, tokens, self.shape.width).half().numpy()
            cache.flush()
        wait()
        if part[0] == 0:
            write_progress(data, folder / "progress.npy")
