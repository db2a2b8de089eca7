"""Does an answer depend on the image tokens that are selected: the places of some are painted over, and of others.

A picture in which the places of K image tokens have its mean colour is shown again, and the drop of the log-probability
of the model's own answer is what these places were worth to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from lens_engine import Request
from lens_engine.answer_drops import drops_under, own_answers, painted_samples
from lens_engine.sample import Sample
from lens_engine.selector_prompts import Looked, looked_at
from lens_engine.transformers_engine import TransformersEngine
from lens_models.attention import AttentionCall, attention_observed, last_weights
from lens_models.attention.proof import self_attention
from lens_models.image_tokens import ImageTokens
from lens_models.selection import Selector

__all__ = ["RANDOM", "attention_maps", "masked_drops"]

Floats = npt.NDArray[np.float64]

RANDOM = 3
_BATCH = 16
_AT_ONCE = 16


def masked_drops(
    engine: TransformersEngine, requests: Sequence[Request], selectors: Mapping[str, Selector], layer: int, count: int
) -> pd.DataFrame:
    """One row a question that has boxes: `cluster`, and the drop in nats under each mask of `count` image tokens.

    Masks are those of the selectors by name, of `attention`, of `random` (the mean of three), and of `boxes`: the
    tokens that lie in the boxes of what is asked about most.
    """
    rows = {}
    for begin in range(0, len(requests), _BATCH):
        batch = requests[begin : begin + _BATCH]
        samples = [request.sample() for request in batch]
        answers, heats = own_answers(engine, samples, 16), attention_maps(engine, samples)
        located = engine.located(engine.prompts.encode(samples), samples)
        seen = looked_at(engine, samples, layer)
        for place, (request, look) in enumerate(zip(batch, seen, strict=True)):
            if look is None or not answers[place] or len(located[place]) <= count:
                continue
            number = int(request.key[1])
            masks = dict(_masks(look, selectors, heats[place], count, np.random.default_rng(number)))
            painted = _painted(samples[place], located[place], list(masks.values()))
            drops = dict(
                zip(masks, drops_under(engine, samples[place], answers[place], painted, _AT_ONCE), strict=True)
            )
            random = [drops.pop(f"random {draw}") for draw in range(RANDOM)]
            rows[number] = {"cluster": look.cluster, **drops, "random": float(np.mean(random))}
        print(f"{begin + len(batch)} of {len(requests)} questions masked", flush=True)
    return pd.DataFrame.from_dict(rows, orient="index")


def attention_maps(engine: TransformersEngine, samples: Sequence[Sample]) -> list[Floats]:
    """`[image tokens]` of each sample: attention of the position that predicts the answer, mean of layers and heads."""
    assert engine.lens is not None
    inputs = engine.prompts.encode(samples)
    located = engine.located(inputs, samples)
    layers: list[Tensor] = []

    def see(call: AttentionCall) -> None:
        if self_attention(call):
            layers.append(last_weights(call).float().mean(1))

    with torch.no_grad(), attention_observed(engine.lens.parts, see):
        engine.model(**inputs)
    whole = torch.stack(layers).mean(0).double().cpu().numpy()
    return [whole[row, own.positions] for row, own in enumerate(located)]


def _masks(
    look: Looked, selectors: Mapping[str, Selector], heat: Floats, count: int, rng: np.random.Generator
) -> Iterator[tuple[str, npt.NDArray[np.int64]]]:
    assert look.inside is not None
    for name, each in selectors.items():
        yield name, _top(each(look.shown.step, look.shown.tokens).cpu().numpy(), count)
    yield "attention", _top(heat, count)
    # tokens outside of all boxes share the last places by chance
    yield "boxes", _top(look.inside.share + 1e-6 * rng.random(len(heat)), count)
    for draw in range(RANDOM):
        yield f"random {draw}", _top(rng.random(len(heat)), count)


def _top(scores: npt.NDArray[np.floating], count: int) -> npt.NDArray[np.int64]:
    return np.argsort(-scores, kind="stable")[:count]


def _painted(sample: Sample, tokens: ImageTokens, masks: Sequence[npt.NDArray[np.int64]]) -> list[Sample]:
    """The sample with the places of each mask painted over; of prompts with one picture."""
    assert tokens.boxes is not None and len(sample.media.images) == 1
    return painted_samples(sample, [0] * len(masks), [tokens.boxes[each].astype(np.float64) for each in masks])
