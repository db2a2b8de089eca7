"""Samples as a lens is learnt from them: the residual stream at all layers and positions, and what these are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from lens_models import CaptureError
from lens_models.encoding import encodable_together
from lens_models.generation import generated_columns
from lens_models.image_tokens import ImageTokens
from lens_models.lenses.states import PADDING, POSITION_KINDS, UNKNOWN, States
from lens_models.probes import EVERY, ResidualCapture
from lens_results.fingerprint import digest_of

from .batching import in_order
from .position import n_generated
from .sample import Sample
from .transformers_engine import TransformersEngine

__all__ = ["answered_states", "cluster_of", "prompt_kinds"]

_TEXT, _IMAGE, _ANSWER = range(len(POSITION_KINDS))
_ALL = 2**62  # bytes


def cluster_of(sample: Sample) -> str:
    """What samples share that are not independent: their picture, video or sound; of text alone the text."""
    shown = [*sample.media.image_sha256, *sample.media.other_sha256]
    return digest_of(shown or sample.prompt)


@torch.no_grad()
def answered_states(engine: TransformersEngine, samples: Sequence[Sample], max_new_tokens: int) -> list[States]:
    """The states of each sample's prompt and of the model's own greedy answer to it, in order.

    The positions that predict the answer are the prompt's last one and those of the answer's own tokens but the last.

    Raises:
        CaptureError: the layers did not run as in a generation of one token a pass.
        InputError: a sample cannot be encoded.
    """
    together = encodable_together(engine.processor, [len(sample.media.images) for sample in samples])
    return in_order(together, lambda rows: _answered(engine, [samples[row] for row in rows], max_new_tokens))


def _answered(engine: TransformersEngine, samples: Sequence[Sample], max_new_tokens: int) -> list[States]:
    """Of samples that can be encoded together."""
    assert engine.lens is not None
    parts, ends = engine.lens.parts, frozenset(engine.lens.end_token_ids(engine.tokenizer))
    greedy = [replace(sample, generation={"max_new_tokens": max_new_tokens}) for sample in samples]
    found: list[States] = []

    def generate(inputs: Mapping[str, Any], arguments: Mapping[str, Any]) -> Tensor:
        layers = range(parts.n_layers + 1)
        with ResidualCapture(parts, layer_index=layers, positions=EVERY, keep_logits=False, limit=_ALL) as trace:
            sequences: Tensor = engine.model.generate(**inputs, **arguments)
        new = generated_columns(sequences, inputs)
        located = engine.located(inputs, samples)
        kinds = _kinds(inputs, located, tuple(trace.steps[0].shape[1:3]))
        for row, sample in enumerate(samples):
            n = n_generated(new[row].tolist(), ends)
            found.append(_states([step[:, row] for step in trace.steps[:n]], kinds[row], cluster_of(sample)))
        return sequences

    engine.prompts.answer(greedy, generate)
    return found


def prompt_kinds(engine: TransformersEngine, samples: Sequence[Sample]) -> tuple[Mapping[str, Any], Tensor]:
    """The encoded prompts of a batch, and what each position is, `[rows, positions]`: see `States.kinds`, or `PADDING`.

    Raises:
        InputError: a sample cannot be encoded.
        CaptureError: the model's layers see other positions than its prompts have tokens.
    """
    inputs = engine.prompts.encode(samples)
    kinds = _kinds(inputs, engine.located(inputs, samples), tuple(inputs["input_ids"].shape))
    kinds[:, -1] = _ANSWER
    return inputs, kinds


def _states(steps: Sequence[Tensor], kinds: Tensor, cluster: str) -> States:
    """Of one row: the prompt `[L + 1, positions, d]`, whose last position is the answer's; steps `[L + 1, 1, d]`."""
    if any(step.shape[1] != 1 for step in steps[1:]):
        raise CaptureError(f"{steps[1].shape[1]} positions in the second pass; expected one token a pass")
    kept = kinds != PADDING
    residual = torch.cat([steps[0][:, kept], *steps[1:]], dim=1)
    prompt = kinds[kept].clone()
    prompt[-1] = _ANSWER
    return States(residual, torch.cat([prompt, torch.full((len(steps) - 1,), _ANSWER)]), cluster)


def _kinds(inputs: Mapping[str, Any], located: Sequence[ImageTokens], seen: tuple[int, ...]) -> Tensor:
    """`[rows, positions]` of what the layers saw.

    Raises:
        CaptureError: a batch whose padding is not known.
    """
    mask = inputs.get("attention_mask")
    if mask is not None and tuple(mask.shape) == tuple(seen):
        kinds = torch.where(mask.cpu() != 0, _TEXT, PADDING)
    elif seen[0] == 1 or seen[1] == 1:  # an encoder's mask, or positions that the model adds by itself
        kinds = torch.full(tuple(seen), _TEXT)
    else:
        raise CaptureError(
            f"the layers see {tuple(seen)} rows and positions, the prompts have "
            f"{tuple(inputs['input_ids'].shape)} tokens; which are padding is not known: use a batch of one"
        )
    for row, tokens in zip(kinds, located, strict=True):
        row[_readable(tokens, len(row))] = _IMAGE
        if tokens.problem is not None and not len(tokens):
            row[row == _TEXT] = UNKNOWN  # any of them may be an image token
    return kinds


def _readable(tokens: ImageTokens, count: int) -> Tensor:
    places = torch.from_numpy(tokens.positions)
    if len(places) and int(places.max()) >= count:
        raise CaptureError(f"image token at position {int(places.max())}, but the layers see {count} positions at once")
    return places
