"""Train lens_tiny: ``python -m training.train --config training/configs/STAGE.yaml --data DIR --out DIR``.

A stage is one YAML file. ``vision`` stages train the vision tower alone to tell what stands in each cell of the
picture; ``joint`` stages train everything on packed questions, loss on the answers only.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the customary name
from torch import distributed, multiprocessing
from transformers import PreTrainedTokenizerFast, Qwen2VLForConditionalGeneration

from training.cells import NAMES
from training.forward import CellReader, answer_logits, patches, see
from training.model import Shape, build_config, build_model, build_processor, save_folder
from training.muon import Muon
from training.packing import Batch, Packer
from training.stage import Stage, Stream
from training.tokenizer import train_tokenizer


class Trainer:
    """Model, cell reader and optimizer, with their checkpoint."""

    def __init__(self, stage: Stage, shape: Shape, tokenizer: PreTrainedTokenizerFast) -> None:
        torch.manual_seed(stage.seed)
        self.stage, self.shape, self.tokenizer = stage, shape, tokenizer
        self.model: Qwen2VLForConditionalGeneration = build_model(build_config(shape, tokenizer), shape.layers)
        self.reader = CellReader(shape.width, len(NAMES))
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

    def step(self, number: int, item: tuple[torch.Tensor, torch.Tensor, Batch | None]) -> dict[str, float]:
        """One update; returns what to log."""
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


def train(trainer: Trainer, args: argparse.Namespace, first: int, part: tuple[int, int]) -> None:
    """Run the stage, logging means of ``every`` steps and saving ten times as rarely."""
    stage, out, every = trainer.stage, args.out, args.every
    packer = Packer(trainer.tokenizer, stage.length)
    stream = Stream(stage, args.data, packer, first, part)
    if stage.frozen_vision:
        stream.embeddings = out / "embeddings.npy"
        if part[0] == 0 and not stream.embeddings.exists():
            trainer.write_embeddings(args.data, stream.embeddings)
        if distributed.is_initialized():
            distributed.barrier()
    loader = iter(stream)
    sums: dict[str, float] = {}
    start = time.monotonic()
    for number, item in zip(range(first, stage.steps), loader, strict=False):
        for name, value in trainer.step(number, item).items():
            sums[name] = sums.get(name, 0.0) + value / every
        if part[0] == 0 and (number + 1) % every == 0:
            line = {"step": number + 1, "seconds": round(time.monotonic() - start, 1)}
            print(json.dumps(line | {name: round(value, 4) for name, value in sums.items()}), flush=True)
            sums = {}
        if part[0] == 0 and (number + 1) % (10 * every) == 0:
            trainer.save(out, number + 1)
    if part[0] == 0:
        trainer.save(out, stage.steps)


def run(rank: int, args: argparse.Namespace) -> None:
    """One process of ``args.processes``; each takes its share of every batch."""
    torch.set_num_threads(args.threads)
    if args.processes > 1:
        rendezvous = f"file://{args.out.resolve() / 'rendezvous'}"
        distributed.init_process_group("gloo", init_method=rendezvous, rank=rank, world_size=args.processes)
    shape = Shape()
    if args.start is None:
        tokenizer = train_tokenizer(shape.vocabulary)
    else:
        tokenizer = PreTrainedTokenizerFast.from_pretrained(args.start.parent / "model")
    stage = Stage.read(args.config)
    trainer = Trainer(stage if args.seed is None else replace(stage, seed=args.seed), shape, tokenizer)
    first = 0
    if args.resume and (args.out / "checkpoint.pt").exists():
        first = trainer.load(args.out / "checkpoint.pt", with_optimizer=True)
    elif args.start is not None and args.vision_only:
        trainer.load_vision(args.start)
    elif args.start is not None:
        trainer.load(args.start, with_optimizer=args.keep_optimizer)
    train(trainer, args, first, (rank, args.processes))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, help="YAML file of the stage")
    parser.add_argument("--data", type=Path, required=True, help="folder written by training.pictures")
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoint and model")
    parser.add_argument("--start", type=Path, help="checkpoint of an earlier stage to start from")
    parser.add_argument("--keep-optimizer", action="store_true", help="with --start: take over its optimizer too")
    parser.add_argument("--vision-only", action="store_true", help="with --start: take over its vision tower alone")
    parser.add_argument("--seed", type=int, help="instead of the seed in the stage's file")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in --out")
    parser.add_argument("--every", type=int, default=20, help="steps between log lines")
    parser.add_argument("--processes", type=int, default=2, help="processes that share each batch")
    parser.add_argument("--threads", type=int, default=1, help="threads of each process")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "rendezvous").unlink(missing_ok=True)
    if args.processes == 1:
        run(0, args)
    else:
        multiprocessing.spawn(run, (args,), nprocs=args.processes)


if __name__ == "__main__":
    main()
