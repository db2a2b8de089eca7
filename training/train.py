"""Train lens_tiny: ``python -m training.train --config training/configs/STAGE.yaml --data DIR --out DIR``.

A stage is one YAML file. ``vision`` stages train the vision tower alone to tell what stands in each cell of the
picture; ``joint`` stages train everything on packed questions, loss on the answers only. ``pairs`` and ``videos``
stages do the same with pairs of frames and with questions about videos, pictures beside them.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path

import torch
from torch import distributed, multiprocessing
from transformers import PreTrainedTokenizerFast

from training.model import Shape
from training.stage import Stage
from training.tokenizer import train_tokenizer
from training.trainer import Trainer
from training.video_train import VideoTrainer


def train(trainer: Trainer, args: argparse.Namespace, first: int, part: tuple[int, int]) -> None:
    """Run the stage, logging means of ``every`` steps and saving ten times as rarely."""
    stage, out, every = trainer.stage, args.out, args.every
    stream = trainer.stream(args, first, part)
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
        folder = args.start if args.start.is_dir() else args.start.parent / "model"
        tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    stage = Stage.read(args.config)
    kind = VideoTrainer if stage.kind in ("pairs", "videos") else Trainer
    trainer = kind(stage if args.seed is None else replace(stage, seed=args.seed), shape, tokenizer)
    first = 0
    if args.start is not None and args.start.is_dir():
        trainer.load_weights(args.start)
    if args.resume and (args.out / "checkpoint.pt").exists():
        first = trainer.load(args.out / "checkpoint.pt", with_optimizer=True)
    elif args.start is not None and args.vision_only:
        trainer.load_vision(args.start)
    elif args.start is not None and args.start.is_file():
        trainer.load(args.start, with_optimizer=args.keep_optimizer)
    train(trainer, args, first, (rank, args.processes))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, help="YAML file of the stage")
    parser.add_argument("--data", type=Path, required=True, help="folder written by training.pictures")
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoint and model")
    parser.add_argument("--start", type=Path, help="checkpoint of an earlier stage, or model folder, to start from")
    parser.add_argument("--cache", type=Path, help="folder of cached embeddings of videos, for stages of one tower")
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
