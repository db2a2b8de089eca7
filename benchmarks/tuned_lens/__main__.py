"""`python -m benchmarks.tuned_lens`: both train on the same chunks of text; their held-out divergences side by side.

The package is no dependency; put it beside for this command alone:

    pip install --no-deps --target DIR tuned-lens==0.2.0 simple-parsing docstring-parser "torchdata<0.10"
    PYTHONPATH=DIR python -m benchmarks.tuned_lens

It knows language models alone, so both read the decoder of lens_tiny as a LlamaForCausalLM with the same weights.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from lens_models import LENS_TINY, Unembedding, find_parts, load_model
from lens_models.lenses import TEXT, HeldOut
from lens_models.lenses.measuring import Measuring
from lens_models.lenses.published import read_published
from lens_models.lenses.states import States
from lens_models.lenses.tuned import Recipe, TunedFit
from lens_models.probes import EVERY, ResidualCapture
from lens_tasks.folders import MINIS

ALLOWED = 0.02
"""Largest difference of the mean held-out divergences, as a share."""
_LENGTH, _BATCH, _HELD_OUT = 64, 16, 0.2
_MINIS = ("clevr_mini", "ruclevr_mini", "pope_mini")


def text_model() -> tuple[LlamaForCausalLM, Any]:
    """The decoder of lens_tiny without its eyes, and its tokenizer."""
    loaded = load_model(LENS_TINY, dtype="float32", device="cpu")
    own = loaded.model.config.get_text_config()
    heads = own.num_attention_heads
    config = LlamaConfig(
        vocab_size=own.vocab_size,
        hidden_size=own.hidden_size,
        intermediate_size=own.intermediate_size,
        num_hidden_layers=own.num_hidden_layers,
        num_attention_heads=heads,
        num_key_value_heads=own.num_key_value_heads,
        head_dim=own.hidden_size // heads,
        rms_norm_eps=own.rms_norm_eps,
        max_position_embeddings=own.max_position_embeddings,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
        attention_bias=True,
        tie_word_embeddings=True,
    )
    model = LlamaForCausalLM(config).eval().requires_grad_(False)
    weights = {f"model.{name}": each for name, each in loaded.model.model.language_model.state_dict().items()}
    missing, unexpected = model.load_state_dict(weights, strict=False)
    assert not unexpected and all(name.endswith("o_proj.bias") or name == "lm_head.weight" for name in missing)
    for layer in model.model.layers:
        torch.nn.init.zeros_(layer.self_attn.o_proj.bias)
    ids = torch.tensor([loaded.tokenizer("What color is the cube?")["input_ids"]])
    with torch.no_grad():
        torch.testing.assert_close(model(ids).logits, loaded.model(ids).logits, rtol=1e-4, atol=1e-3)
    return model, loaded.tokenizer


def chunks(tokenizer: Any) -> Tensor:
    """int64 `[chunks, 64]`: the questions of three minis, one after another in a drawn order."""
    texts = [
        str(row.get("question") or row["inputs"]["question"])
        for name in _MINIS
        for row in pq.read_table(MINIS / f"{name}.parquet").to_pylist()
    ]
    order = np.random.default_rng(0).permutation(len(texts))
    ids = [token for at in order for token in (*tokenizer(texts[at])["input_ids"], tokenizer.eos_token_id)]
    return torch.tensor(ids[: len(ids) // _LENGTH * _LENGTH]).reshape(-1, _LENGTH)


@dataclass
class _Given:
    """Stands for the package's own loaders: what they would load is there."""

    found: tuple[Any, Any]
    name: str = "lens_tiny"

    def load(self, *_: Any, **__: Any) -> tuple[Any, Any]:
        return self.found


def trained_by_the_package(model: LlamaForCausalLM, tokenizer: Any, train: Tensor, steps: int, folder: Path) -> None:
    """Run its training loop, with its own settings but for the number of tokens a step."""
    from datasets import Dataset, concatenate_datasets

    from tuned_lens.scripts.ingredients import Distributed, Optimizer
    from tuned_lens.scripts.train_loop import Train

    data = Dataset.from_dict({"input_ids": train.tolist()}).with_format("torch")
    # the loop reads its data once
    repeats = -(-steps * _BATCH // len(train))
    run = Train(
        model=_Given((model, tokenizer)),
        data=_Given((concatenate_datasets([data] * repeats), 1.0)),
        opt=Optimizer(zero=False),
        dist=Distributed(per_gpu_batch_size=_BATCH, fsdp=False, cpu_offload=False),
        output=folder,
        wandb=None,
        lens_name_or_path=None,
        bias_only=False,
        num_steps=steps,
        tokens_per_step=_BATCH * _LENGTH,
    )
    run.execute()


def states(model: LlamaForCausalLM, rows: Tensor) -> list[States]:
    """All positions are text."""
    parts = find_parts(model)
    every = ResidualCapture(parts, layer_index=range(parts.n_layers + 1), positions=EVERY, keep_logits=False)
    with torch.no_grad(), every as trace:
        model(rows)
    kinds = torch.zeros(rows.shape[1], dtype=torch.long)
    return [States(trace.steps[0][:, row], kinds, str(rows[row].tolist())) for row in range(len(rows))]


def trained_here(model: LlamaForCausalLM, train: Tensor, steps: int) -> TunedFit:
    """The same by `TunedFit`."""
    fit = TunedFit(Unembedding(find_parts(model)), Recipe(steps=steps, answer_share=None))
    generator, waiting = torch.Generator().manual_seed(0), torch.empty(0, dtype=torch.long)
    for _ in range(steps):
        while len(waiting) < _BATCH:
            waiting = torch.cat([waiting, torch.randperm(len(train), generator=generator)])
        fit.take(states(model, train[waiting[:_BATCH]]))
        waiting = waiting[_BATCH:]
    return fit


def measured(model: LlamaForCausalLM, maps: Any, held_out: Tensor) -> HeldOut:
    """Divergences of these maps."""
    measuring = Measuring(Unembedding(find_parts(model)), maps, None)
    for start in range(0, len(held_out), _BATCH):
        measuring.take(states(model, held_out[start : start + _BATCH]))
    return measuring.held_out("held-out chunks", "float32")


def main() -> int:
    """Command line; 1 when the two are farther apart than is allowed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=250)
    parser.add_argument("--out", type=Path, default=None, help="a JSON file for the figures")
    arguments = parser.parse_args()
    model, tokenizer = text_model()
    rows = chunks(tokenizer)
    count = int(len(rows) * (1 - _HELD_OUT))
    train, held_out = rows[:count], rows[count:]
    with tempfile.TemporaryDirectory() as folder:
        trained_by_the_package(model, tokenizer, train, arguments.steps, Path(folder))
        theirs, _ = read_published(Path(folder), find_parts(model))
    ours = trained_here(model, train, arguments.steps).maps(TEXT)
    assert ours is not None
    package, own = (measured(model, maps, held_out).by_kind[TEXT] for maps in (theirs, ours))
    apart = float(np.mean(own.lens) / np.mean(package.lens) - 1)
    figures = {
        "steps": arguments.steps,
        "chunks": [len(train), len(held_out)],
        "tokens": _LENGTH,
        "package": package.lens,
        "own": own.lens,
        "logit lens": own.logit,
        "mean divergence, own over package - 1": apart,
    }
    print(json.dumps(figures, indent=1))
    if arguments.out is not None:
        arguments.out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return int(abs(apart) > ALLOWED)


if __name__ == "__main__":
    raise SystemExit(main())
