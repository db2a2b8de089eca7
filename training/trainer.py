"""The model in training, with its optimizer and checkpoint."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the customary name
from torch import distributed, nn
from transformers import PreTrainedTokenizerFast, Qwen2VLForConditionalGeneration

from training.cells import NAMES
from training.forward import CellReader, answer_logits, patches, see
from training.model import Shape, build_config, build_model, build_processor, save_folder
from training.muon import Muon
from training.packing import Packer
from training.stage import Stage, Stream


class Trainer:
    """Model, cell reader and optimizer, with their checkpoint."""

    def __init__(
        self, stage: Stage, shape: Shape, tokenizer: PreTrainedTokenizerFast, reader: nn.Module | None = None
    ) -> None:
        torch.manual_seed(stage.seed)
        self.stage, self.shape, self.tokenizer = stage, shape, tokenizer
        self.model: Qwen2VLForConditionalGeneration = build_model(build_config(shape, tokenizer), shape.layers)
        self.reader = reader or CellReader(shape.width, len(NAMES))
        # Broken rules are rarer and fainter than colours and shapes.
        self.cell_weights = torch.tensor([stage.rule_weight if len(name) == 1 else 1.0 for name in NAMES])
        self.model.model.visual.requires_grad_(not stage.frozen_vision)
        named = [*self.model.named_parameters(), *self.reader.named_parameters()]
        self.parameters = [p for _, p in named if p.requires_grad]
        # Muon for the matrices inside the blocks (orthogonal updates learn in fewer steps), AdamW for the rest.
        # Each has two groups, the second one for the vision tower.
        groups: dict[bool, list[list[torch.Tensor]]] = {True: [[], []], False: [[], []]}
        for name, parameter in named:
            if parameter.requires_grad:
                inner = parameter.dim() == 2 and (".layers." in name or ".blocks." in name)
                groups[inner][".visual." in name].append(parameter)
        factors = (1.0, stage.vision_factor)
        muon, adam = (
            [{"params": p, "factor": f} for p, f in zip(groups[kind], factors, strict=True)] for kind in (True, False)
        )
        self.muon = Muon(muon, lr=stage.rate, weight_decay=stage.weight_decay)
        self.adam = torch.optim.AdamW(adam, lr=stage.rate, betas=(0.9, 0.98), weight_decay=0.0, fused=True)

    def load(self, path: Path, with_optimizer: bool) -> int:
        """Read a checkpoint; returns the number of steps already done in its stage."""
        state = torch.load(path, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.reader.load_state_dict(state["reader"])
        if with_optimizer:
            self.adam.load_state_dict(state["adam"])
            self.muon.load_state_dict(state["muon"])
        return int(state["step"])

    def load_weights(self, folder: Path) -> None:
        """Start from the weights of a model folder; readers and optimizer stay as they are."""
        start = Qwen2VLForConditionalGeneration.from_pretrained(folder, dtype=torch.float32)
        self.model.load_state_dict(start.state_dict())

    def load_vision(self, path: Path) -> None:
        """Take over the vision tower and its reader from a checkpoint; the language model stays as it was drawn."""
        state = torch.load(path, weights_only=True)
        seen = {name: value for name, value in state["model"].items() if name.startswith("model.visual.")}
        if self.model.load_state_dict(seen, strict=False).unexpected_keys or not seen:
            raise ValueError(f"{path} holds no vision tower that fits this model")
        self.reader.load_state_dict(state["reader"])

    def save(self, folder: Path, step: int) -> None:
        """Write the checkpoint, atomically, and the model as a Hugging Face folder beside it."""
        folder.mkdir(parents=True, exist_ok=True)
        state = {
            "model": self.model.state_dict(),
            "reader": self.reader.state_dict(),
            "adam": self.adam.state_dict(),
            "muon": self.muon.state_dict(),
            "step": step,
        }
        torch.save(state, folder / "checkpoint.tmp")
        (folder / "checkpoint.tmp").replace(folder / "checkpoint.pt")
        save_folder(self.model, build_processor(self.tokenizer, self.shape.patch), folder / "model")

    def loss_of(self, item: Any) -> tuple[torch.Tensor, dict[str, float]]:
        """Loss of a batch of `Stream`, and what to log."""
        pixels, cells, packed = item
        log: dict[str, float] = {}
        loss = torch.zeros(())
        images = pixels
        if not self.stage.frozen_vision:
            images = see(self.model, pixels)
            # Most cells are empty: weigh what is there up, or the reader says "nothing" for long.
            cell_loss = F.binary_cross_entropy_with_logits(
                self.reader(images), cells, weight=self.cell_weights, pos_weight=torch.full((len(NAMES),), 3.0)
            )
            log["cells"] = float(cell_loss.detach())
            loss = loss + cell_loss * 10.0 * self.stage.cell_weight
        if packed is not None:
            logits = answer_logits(self.model, images, packed)
            each = F.cross_entropy(logits, packed.targets, reduction="none")
            answer_loss = (each * packed.weights).sum() / packed.weights.sum()
            loss = loss + answer_loss
            graded = packed.weights >= 1.0
            log |= {
                "answers": float(answer_loss.detach()),
                "right": float((logits.argmax(-1) == packed.targets)[graded].float().mean()),
                "questions": float((packed.targets == self.tokenizer.eos_token_id).sum()),
            }
        return loss, log

    def step(self, number: int, item: Any) -> dict[str, float]:
        """One update; returns what to log."""
        loss, log = self.loss_of(item)
        rate = self.stage.rate_at(number)
        for group in self.adam.param_groups:
            group["lr"] = rate * group["factor"]
        for group in self.muon.param_groups:
            group["lr"] = rate * group["factor"] * self.stage.muon_factor
        self.model.zero_grad(set_to_none=True)
        self.reader.zero_grad(set_to_none=True)
        loss.backward()
        average_gradients(self.parameters)
        log["norm"] = float(torch.nn.utils.clip_grad_norm_(self.parameters, 1.0))
        self.adam.step()
        self.muon.step()
        return log

    @torch.inference_mode()
    def write_embeddings(self, data: Path, path: Path) -> None:
        """Cache what the vision tower makes of every picture, float16 [n, 16, width]."""
        pictures = np.load(data / "images.npy", mmap_mode="r")
        parts = [
            see(self.model, patches(np.asarray(pictures[start : start + 100]))).half().numpy()
            for start in range(0, len(pictures), 100)
        ]
        np.save(path, np.concatenate(parts))

    def stream(self, args: argparse.Namespace, first: int, part: tuple[int, int]) -> Iterable[Any]:
        """The batches of the stage; a frozen tower's output is cached before."""
        stream = Stream(self.stage, args.data, Packer(self.tokenizer, self.stage.length), first, part)
        if self.stage.frozen_vision:
            stream.embeddings = args.out / "embeddings.npy"
            if part[0] == 0 and not stream.embeddings.exists():
                self.write_embeddings(args.data, stream.embeddings)
            wait()
        return stream


def wait() -> None:
    """Until all processes are here; does nothing in a single process."""
    if distributed.is_initialized():
        distributed.barrier()


def average_gradients(parameters: list[torch.Tensor]) -> None:
    """Mean over the processes, in one exchange; does nothing in a single process."""
    if not distributed.is_initialized():
        return
    for parameter in parameters:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    flat = torch.cat([p.grad.flatten() for p in parameters if p.grad is not None])
    distributed.all_reduce(flat)
    flat /= distributed.get_world_size()
    start = 0
    for parameter in parameters:
        size = parameter.numel()
        parameter.grad = flat[start : start + size].view_as(parameter)
        start += size
