"""Average the weights of checkpoints: ``python -m training.average A.pt B.pt --out DIR``.

Checkpoints of one run at a constant rate scatter around a better point; their mean is nearer to it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from transformers import PreTrainedTokenizerFast

from training.model import Shape, build_config, build_model, build_processor, save_folder


def mean_weights(states: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """Mean of each weight, in float32."""
    return {name: torch.stack([state[name].float() for state in states]).mean(dim=0) for name in states[0]}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoints", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True, help="model folder to write")
    args = parser.parse_args()
    shape = Shape()
    tokenizer = PreTrainedTokenizerFast.from_pretrained(args.checkpoints[0].parent / "model")
    model = build_model(build_config(shape, tokenizer), shape.layers)
    states = [torch.load(path, weights_only=True)["model"] for path in args.checkpoints]
    model.load_state_dict(mean_weights(states))
    save_folder(model, build_processor(tokenizer, shape.patch), args.out)


if __name__ == "__main__":
    main()
