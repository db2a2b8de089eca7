"""Prompts that ran once, behind which chosen image tokens come again and the right answer is scored, with gradients."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from lens_engine.engine import Tokens
from lens_engine.lens_states import cluster_of
from lens_engine.sample import Sample
from lens_engine.selector_targets import inside_of
from lens_engine.transformers_engine import TransformersEngine
from lens_models.attention import AttentionCall, attention_observed, last_weights
from lens_models.attention.proof import self_attention
from lens_models.interventions.reentry import call_of_generate
from lens_models.probes import EVERY, ResidualCapture

__all__ = ["Prefilled", "Scored", "answered", "chosen_first", "prefilled"]


@dataclass(frozen=True)
class Prefilled:
    """A prompt that ran, and what may come in behind it.

    Attributes:
        cache: `[layers, 2, heads, positions, d of a head]`: keys and values of its positions.
        last: `[axes]`: numbers of its last position.
        logits: `[V]` behind it.
        patches: `[tokens, d]`: what the first block was given at its image tokens.
        step, tokens: `[d]`, `[tokens, d]`: residuals of the last position and the image tokens at a selector's layer.
        heat: `[tokens]`: attention of the last position, mean over layers and heads.
        share: `[tokens]`: the share of each in the boxes of what is asked about.
        answer: the right answer with the token that ends it.
        cluster: its picture.
    """

    cache: Tensor = field(repr=False)
    last: Tensor = field(repr=False)
    logits: Tensor = field(repr=False)
    patches: Tensor = field(repr=False)
    step: Tensor = field(repr=False)
    tokens: Tensor = field(repr=False)
    heat: Tensor = field(repr=False)
    share: Tensor = field(repr=False)
    answer: Tokens
    cluster: str


@dataclass(frozen=True)
class Scored:
    """Right answers behind prompts.

    Attributes:
        logprob: `[rows]`, nats: sum over the tokens of each answer, the one that ends it included.
        right: bool `[rows]`: whether each token is the most likely one, so that greedy decoding says the answer.
    """

    logprob: Tensor
    right: Tensor


@torch.no_grad()
def prefilled(
    engine: TransformersEngine, samples: Sequence[Sample], answers: Sequence[Tokens], layer: int
) -> Iterator[Prefilled]:
    """Those of the samples that have boxes of what is asked about.

    Args:
        engine: of a model that stands on one device and attends in all layers.
        samples: prompts that can be encoded together, each with one picture.
        answers: the right answer of each, with the token that ends it.
        layer: of a selector.
    """
    assert engine.lens is not None
    parts, inputs = engine.lens.parts, engine.prompts.encode(samples)
    located = engine.located(inputs, samples)
    forward, kwargs = call_of_generate(engine.model, inputs)
    cache = DynamicCache(config=engine.model.config.get_text_config(decoder=True))
    heats: list[Tensor] = []

    def see(call: AttentionCall) -> None:
        if self_attention(call):
            heats.append(last_weights(call).float().mean(1))

    kept = ResidualCapture(parts, layer_index=[0, layer], positions=EVERY, keep_logits=False)
    with kept as trace, attention_observed(parts, see):
        logits = forward(**{**kwargs, "past_key_values": cache, "use_cache": True}).logits[:, -1]
    (embeddings, residual), heat = trace.steps[0][:2], torch.stack(heats).mean(0)
    for row, (sample, tokens) in enumerate(zip(samples, located, strict=True)):
        inside = inside_of(sample, tokens)
        if inside is None:
            continue
        real, places = inputs["attention_mask"][row].bool(), torch.from_numpy(tokens.positions)
        yield Prefilled(
            torch.stack([torch.stack([each.keys[row], each.values[row]])[:, :, real] for each in cache.layers]),
            kwargs["position_ids"][..., row, -1],
            logits[row],
            embeddings[row, places],
            residual[row, -1],
            residual[row, places],
            heat[row, places],
            torch.from_numpy(inside.share).float(),
            answers[row],
            cluster_of(sample),
        )


def answered(model: Any, prompts: Sequence[Prefilled], slots: Tensor) -> Scored:
    """The right answers behind what comes in; gradients go to `slots`.

    Args:
        model: that the prompts ran through.
        prompts: as many as `slots` has rows.
        slots: `[rows, K, d]`: what the first block is given behind each prompt, before the answer; K may be 0.
    """
    rows, count = slots.shape[:2]
    length = max(len(each.answer) for each in prompts)
    tokens = torch.zeros(rows, length, dtype=torch.long)
    known = torch.zeros(rows, length, dtype=torch.bool)
    for row, each in enumerate(prompts):
        tokens[row, : len(each.answer)] = torch.tensor(each.answer)
        known[row, : len(each.answer)] = True
    embeds = torch.cat([slots, model.get_input_embeddings()(tokens[:, :-1]).to(slots)], dim=1)
    before = torch.stack([each.logits for each in prompts])[:, None]
    if embeds.shape[1]:
        found = _behind(model, prompts, embeds).float()
        logits = found[:, count - 1 :] if count else torch.cat([before.to(found), found], dim=1)
    else:
        logits = before.float()
    logp = torch.log_softmax(logits, dim=-1)
    said = logp.gather(-1, tokens[..., None])[..., 0]
    return Scored((said * known).sum(-1), ((logp.argmax(-1) == tokens) | ~known).all(-1))


def _behind(model: Any, prompts: Sequence[Prefilled], embeds: Tensor) -> Tensor:
    """Logits `[rows, positions, V]` of embeddings behind prompts, which are filled up on the left."""
    width, new = max(each.cache.shape[3] for each in prompts), embeds.shape[1]
    kept = torch.stack(
        [torch.nn.functional.pad(each.cache, (0, 0, width - each.cache.shape[3], 0)) for each in prompts], dim=2
    )
    cache = DynamicCache(config=model.config.get_text_config(decoder=True))
    for layer, (keys, values) in enumerate(kept):
        cache.update(keys.to(embeds), values.to(embeds), layer)
    mask = torch.zeros(len(prompts), width + new, dtype=torch.long)
    for row, each in enumerate(prompts):
        mask[row, width - each.cache.shape[3] :] = 1
    last = torch.stack([each.last for each in prompts], dim=-1)  # [axes, rows]
    positions = last[..., None] + 1 + torch.arange(new)
    found: Tensor = model(
        inputs_embeds=embeds, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True
    ).logits
    return found


def chosen_first(scores: Tensor, count: int, temperature: float = 1.0) -> Tensor:
    """`[rows, count, tokens]`: which token is chosen first, second, ...; ones and zeros with the gradient of a softmax.

    Straight through: the k-th row is the highest of the scores that are left, and its gradient is that of
    softmax(scores / temperature) over those that are left. With Gumbel noise added to scores / temperature that is
    sampling without replacement (Kool et al., arXiv:1903.06059).

    Args:
        scores: `[rows, tokens]`, of `count` tokens or more.
        count: how many are chosen.
        temperature: of the softmax.
    """
    left = scores / temperature
    found = []
    for _ in range(count):
        soft = torch.softmax(left, dim=-1)
        hard = torch.nn.functional.one_hot(left.argmax(-1), left.shape[-1])
        found.append(hard + soft - soft.detach())
        left = left.masked_fill(hard.bool(), -torch.inf)
    return torch.stack(found, dim=1)
