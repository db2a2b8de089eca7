"""Accuracy by question on held-out training videos: ``python -m training.watch CHECKPOINT --data DIR --cache DIR``."""

from __future__ import annotations

import argparse
import pickle
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from transformers import PreTrainedTokenizerFast

from lens_tasks.scenes.clips.clip import Clip
from lens_tasks.scenes.clips.questions import QUESTIONS
from training.forward import answer_logits
from training.model import Shape, build_config, build_model
from training.packing import Packer
from training.video_stage import HELD_OUT
from training.videos import video_turns


@torch.inference_mode()
def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="folder written by training.videos")
    parser.add_argument("--cache", type=Path, required=True, help="folder of cached embeddings of these videos")
    parser.add_argument("--videos", type=int, default=HELD_OUT)
    args = parser.parse_args()
    torch.set_num_threads(1)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(args.checkpoint.parent / "model")
    shape = Shape()
    model = build_model(build_config(shape, tokenizer), shape.layers).eval()
    model.load_state_dict(torch.load(args.checkpoint, weights_only=True)["model"])
    packer = Packer(tokenizer, 1024)
    with (args.data / "clips.pkl").open("rb") as file:
        clips: list[Clip] = pickle.load(file)
    seen = np.load(args.cache / "videos.npy", mmap_mode="r")
    rng = np.random.default_rng(0)
    right: dict[str, list[bool]] = defaultdict(list)
    for number in range(len(clips) - HELD_OUT, len(clips) - HELD_OUT + args.videos):
        turns = video_turns(rng, clips[number])
        batch = packer.batch([packer.row(turns, system=False)])
        logits = answer_logits(model, torch.from_numpy(np.asarray(seen[number])).float(), batch)
        graded = batch.weights >= 1.0
        hits = (logits.argmax(-1) == batch.targets)[graded]
        for asked, hit in zip(clips[number].asked, hits, strict=True):
            right[asked.question].append(bool(hit))
    for name, question in QUESTIONS.items():
        print(f"{name:20} {question.need:7} {np.mean(right[name]):.3f} of {len(right[name])}")
    print(f"{'mean of questions':28} {np.mean([np.mean(hits) for hits in right.values()]):.3f}")


if __name__ == "__main__":
    main()
