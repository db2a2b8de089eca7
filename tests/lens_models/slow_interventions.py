"""Slow references of interventions: one prompt, no cache, from the formulas alone; also of several on each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from scipy.special import log_softmax, softmax
from scipy.stats import entropy
from torch import Tensor
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, eager_mask
from transformers.modeling_utils import AttentionInterface
from zoo import IMAGE, VIDEO, ZOO

from lens_models import LogitLens
from lens_models.interventions import (
    AdaptVis,
    Deco,
    Dola,
    EarlyExit,
    Host,
    Icd,
    Intervention,
    Memvr,
    Pai,
    Steer,
    Vcd,
    Vista,
    bound,
    interventions_of,
)

INSTRUCTION = (33, 44, 55)
"""Ids of the instruction of ICD in these tests."""
BEGIN = 1
Scores = Callable[[int, Tensor, int, Tensor], Tensor]
"""(block from 1, scores `[rows, heads, queries, keys]` before the mask, length of the prompt that runs, bool
`[positions]` which of them are image tokens) -> the changed ones."""

_change: list[Scores] = []
_running: list[tuple[int, Tensor]] = []
"""Of the prompt that runs: its length, and where its image tokens are."""
_steps: list[None] = []
"""Not empty while a prompt and what is said run token by token."""
_others: list[None] = []
"""Not empty in runs that an answer is held against: no tokens are ruled out in them."""


class Longer(dict[str, Any]):
    """A prompt with what was said behind it."""

    prompt: Mapping[str, Any]
    said: Sequence[int]


@dataclass
class Changed:
    """A model, or one under interventions, under one more."""

    asked: Intervention
    inner: Any

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


def _attention(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    *,
    scaling: float,
    softcap: float | None = None,
    **_: Any,
) -> Any:
    """The whole matrix, for models without sinks."""
    groups = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    scores = query @ key.transpose(2, 3) * scaling
    if softcap is not None:
        scores = softcap * torch.tanh(scores / softcap)
    for change in _change:
        scores = change(module.layer_idx + 1, scores, *_running[-1])
    weights = torch.softmax(scores if mask is None else scores + mask[..., : key.shape[2]], -1)
    return (weights @ value).transpose(1, 2).contiguous(), weights


def made_for(words: str, lens: LogitLens, family: str, tokenizer: Any) -> tuple[Intervention, ...]:
    """Interventions for a model of the zoo."""
    host = Host(lens.unembedding, tokenizer, ((IMAGE,), (VIDEO,)), ZOO[family].inputs())
    return bound(interventions_of(words), host)


def one_row(inputs: Mapping[str, Any], row: int) -> dict[str, Any]:
    """One row of a batch without its padding, with its picture."""
    rows, mask = len(inputs["input_ids"]), inputs["attention_mask"][row].bool()
    return {
        name: value[row : row + 1, mask] if value.shape[:2] == inputs["input_ids"].shape else value.chunk(rows)[row]
        for name, value in inputs.items()
    }


@cache
def reference_model(family: str, **changes: Any) -> Any:
    """The same model as others have, whose decoder computes attention as written above."""
    AttentionInterface.register("slow", _attention)
    ALL_MASK_ATTENTION_FUNCTIONS.register("slow", eager_mask)
    model = ZOO[family].build(**changes)
    model.model.language_model.set_attn_implementation("slow")
    return model


@contextmanager
def scores_changed(change: Scores) -> Iterator[None]:
    _change.append(change)
    try:
        yield
    finally:
        _change.remove(change)


@contextmanager
def marked(marks: list[None]) -> Iterator[None]:
    marks.append(None)
    try:
        yield
    finally:
        marks.pop()


def longer(inputs: Mapping[str, Any], said: Sequence[int]) -> Longer:
    """A prompt with what was said behind it."""
    added = torch.tensor([list(said)], dtype=torch.long)
    found = Longer(inputs)
    found.prompt, found.said = inputs, said
    for name in {"input_ids", "attention_mask", "mm_token_type_ids", "token_type_ids"} & set(found):
        piece = added if name == "input_ids" else torch.full_like(added, int(name == "attention_mask"))
        found[name] = torch.cat([found[name], piece], dim=1)
    return found


def without_image(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The same prompt of text alone."""
    ids = inputs["input_ids"]
    return {"input_ids": ids[:, ids[0] != IMAGE], "attention_mask": inputs["attention_mask"][:, ids[0] != IMAGE]}


def disturbed(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The same prompt with the instruction behind its first token, which begins a text."""
    assert inputs["input_ids"][0, 0] == BEGIN
    found = dict(inputs)
    for name in {"input_ids", "attention_mask", "mm_token_type_ids", "token_type_ids"} & set(found):
        given = {"input_ids": list(INSTRUCTION), "attention_mask": [1] * len(INSTRUCTION)}
        piece = torch.tensor([given.get(name, [0] * len(INSTRUCTION))])
        found[name] = torch.cat([found[name][:, :1], piece, found[name][:, 1:]], dim=1)
    return found


def last_logits(model: Any, inputs: Mapping[str, Any]) -> np.ndarray:
    """Behind a prompt, or one with what was said."""
    prompt, said = (inputs.prompt, inputs.said) if isinstance(inputs, Longer) else (inputs, ())
    if isinstance(model, Changed):
        return expected_logits(model.asked, model.inner, prompt, said)
    _running.append((prompt["input_ids"].shape[1], prompt["input_ids"][0] == IMAGE))
    try:
        if _steps:
            return _forced_logits(model, prompt, said)
        with torch.no_grad():
            found: np.ndarray = model(**inputs, use_cache=False).logits[0, -1].double().numpy()
        return found
    finally:
        _running.pop()


def other_logits(model: Any, inputs: Mapping[str, Any]) -> np.ndarray:
    """Those that an answer is held against."""
    with marked(_others):
        return last_logits(model, inputs)


def never_said(never: np.ndarray, held: np.ndarray) -> np.ndarray:
    return held if _others else np.where(never, -np.inf, held)


def cut_below(p: np.ndarray, share: float, held: np.ndarray) -> np.ndarray:
    return never_said(p < share * p.max(), held)


def of_layers(asked: Intervention, early: np.ndarray, final: np.ndarray) -> np.ndarray:
    """The changed logits `[V]` of one position; `early[l - 1]` are those of layer l of four."""
    if isinstance(asked, Dola):
        layers = [2] if asked.layers_of == "low" else [1, 2, 3]
        p = softmax(final)
        divergences = []
        for layer in layers:
            q = softmax(early[layer - 1])
            divergences.append((entropy(p, (p + q) / 2) + entropy(q, (p + q) / 2)) / 2)
        farthest = log_softmax(early[layers[int(np.argmax(divergences))] - 1])
        contrast = log_softmax(final) - asked.strength * farthest
        return cut_below(p, asked.cut, contrast)
    if isinstance(asked, Deco):
        layers = [1, 2, 3] if asked.layers_of else [2, 3]  # 20/32 and 28/32 of 4, below the last
        p = softmax(final)
        order = np.argsort(-p)
        kept: list[int] = []
        for token in order[: asked.top_k]:
            if sum(p[kept]) >= asked.top_p:
                break
            kept.append(int(token))
        probabilities = np.stack([softmax(early[layer - 1])[kept] for layer in layers])
        layer, token = np.unravel_index(probabilities.argmax(), probabilities.shape)
        own = final + asked.strength * probabilities[layer, token] * early[layers[layer] - 1]
        return never_said(~np.isin(np.arange(len(p)), kept), own)
    assert isinstance(asked, EarlyExit)
    for layer in (1, 2, 3):
        first, second = np.sort(softmax(early[layer - 1]))[::-1][:2]
        if first - second >= asked.threshold:
            return early[layer - 1]
    return final


def noisy(inputs: Mapping[str, Any], asked: Vcd) -> dict[str, Any]:
    """The same prompt with noise on its pixels, by the schedule in numpy."""
    x = np.linspace(-6, 6, 1000)
    betas = 1 / (1 + np.exp(-x)) * (0.5e-2 - 1e-5) + 1e-5
    kept = np.cumprod(1 - betas)[asked.noise]
    pixels = inputs["pixel_values"]
    shape = pixels.shape if pixels.dim() == 2 else pixels.shape[1:]  # one picture
    drawn = torch.randn(shape, generator=torch.Generator().manual_seed(asked.seed))
    return {**inputs, "pixel_values": float(np.sqrt(kept)) * pixels + float(np.sqrt(1 - kept)) * drawn}


def pai(asked: Pai, model: Any, inputs: Mapping[str, Any], said: Sequence[int]) -> np.ndarray:
    layers = range(1, 5) if not asked.layers_of else range(int(asked.layers_of[0]), int(asked.layers_of[-1]) + 1)

    def change(layer: int, scores: Tensor, n: int, image: Tensor) -> Tensor:
        first = max(0, n - 1 - (scores.shape[3] - scores.shape[2]))
        if layer in layers:
            own = scores[:, :, first:, :n][..., image]
            scores[:, :, first:, :n][..., image] = own + asked.strength * own.abs()
        return scores

    other = None
    if asked.gamma != 1 and bool((inputs["input_ids"] == IMAGE).any()):
        other = log_softmax(other_logits(model, longer(without_image(inputs), said)))
    with scores_changed(change):
        logits = last_logits(model, longer(inputs, said))
    if other is None:
        return logits
    return cut_below(softmax(logits), asked.cut, asked.gamma * (log_softmax(logits) - other) + other)


def adaptvis(asked: AdaptVis, model: Any, inputs: Mapping[str, Any], said: Sequence[int]) -> np.ndarray:
    sure = softmax(other_logits(model, inputs)).max()
    factor = asked.low if sure < asked.threshold else asked.high

    def change(layer: int, scores: Tensor, n: int, image: Tensor) -> Tensor:
        if scores.shape[2] > 1:
            scores[:, :, n - 1, :n][..., image] *= factor
        return scores

    with scores_changed(change):
        return last_logits(model, longer(inputs, said))


def icd(asked: Icd, model: Any, inputs: Mapping[str, Any], said: Sequence[int]) -> np.ndarray:
    other = other_logits(model, longer(disturbed(inputs), said))
    own = last_logits(model, longer(inputs, said))
    return cut_below(softmax(own), asked.cut, (1 + asked.strength) * own - asked.strength * other)


def vcd(asked: Vcd, model: Any, inputs: Mapping[str, Any], said: Sequence[int]) -> np.ndarray:
    if "pixel_values" not in inputs:
        return last_logits(model, longer(inputs, said))
    other = other_logits(model, longer(noisy(inputs, asked), said))
    own = last_logits(model, longer(inputs, said))
    return cut_below(softmax(own), asked.cut, (1 + asked.strength) * own - asked.strength * other)


def steer(asked: Steer, model: Any, inputs: Mapping[str, Any], said: Sequence[int]) -> np.ndarray:
    def moved(direction: Tensor) -> Any:
        def hook(module: Any, args: Any, output: Any) -> Any:
            first, *rest = output if isinstance(output, tuple) else (output,)
            first = first + asked.strength * direction
            return (first, *rest) if isinstance(output, tuple) else first

        return hook

    layers = model.model.language_model.layers
    handles = [layers[n - 1].register_forward_hook(moved(v), prepend=True) for n, v in asked.directions.items()]
    try:
        return last_logits(model, longer(inputs, said))
    finally:
        for handle in handles:
            handle.remove()


def on_layers(asked: Intervention, model: Any, inputs: Mapping[str, Any], said: Sequence[int]) -> np.ndarray:
    """The states are those of the answer's own run, which is the last one."""
    layers, seen = model.model.language_model.layers, {}

    def keep(number: int) -> Any:
        def hook(module: Any, args: Any, output: Any) -> None:
            seen[number] = (output[0] if isinstance(output, tuple) else output)[0, -1]

        return hook

    handles = [layer.register_forward_hook(keep(number)) for number, layer in enumerate(layers[:-1])]
    try:
        final = last_logits(model, longer(inputs, said))
    finally:
        for handle in handles:
            handle.remove()
    with torch.no_grad():
        states = torch.stack([seen[number] for number in sorted(seen)])
        early = model.lm_head(model.model.language_model.norm(states)).double().numpy()
    return np.where(np.isneginf(final), -np.inf, of_layers(asked, early, final))


def vista(asked: Vista, model: Any, inputs: Mapping[str, Any], said: Sequence[int]) -> np.ndarray:
    layers, unit = model.model.language_model.layers, lambda x: x / np.linalg.norm(x, axis=-1, keepdims=True)

    def ends(prompt: Mapping[str, Any]) -> list[np.ndarray]:
        seen: list[np.ndarray] = []

        def keep(module: Any, args: Any, output: Any) -> None:
            seen.append((output[0] if isinstance(output, tuple) else output)[0].double().numpy())

        handles = [layer.register_forward_hook(keep) for layer in layers]
        other_logits(model, prompt)
        for handle in handles:
            handle.remove()
        return [each[-1] for each in seen[-len(layers) :]]  # of the answer's own run, which is the last one

    directions: list[np.ndarray] = []
    if bool((inputs["input_ids"] == IMAGE).any()):
        directions = [a - b for a, b in zip(ends(inputs), ends(without_image(inputs)), strict=True)]
    states: list[Tensor] = []

    def steered(v: np.ndarray) -> Any:
        def hook(module: Any, args: Any, output: Tensor) -> Tensor:
            x = output[0].double().numpy()
            cosine = unit(x) @ unit(-v)
            moved = unit(unit(x) + asked.strength * (1 + np.maximum(0, cosine))[:, None] * unit(v))
            return torch.from_numpy(moved * np.linalg.norm(x, axis=-1, keepdims=True)).to(output.dtype)[None]

        return hook

    # what is named first is nearest to the model, and was not attached yet
    handles = [
        layer.mlp.register_forward_hook(steered(v), prepend=True)
        for layer, v in zip(layers, directions, strict=bool(directions))
    ]
    handles += [layers[2].register_forward_hook(lambda *call: states.append(call[2]))]  # 26/32 to 31/32 of 4 is 3
    try:
        logits = last_logits(model, longer(inputs, said))
    finally:
        for handle in handles:
            handle.remove()
    state = states[-1][0] if isinstance(states[-1], tuple) else states[-1]
    with torch.no_grad():
        early = model.lm_head(state[0, -1]).double().numpy()
    return (1 - asked.mix) * logits + asked.mix * early


def _unsure(logits: np.ndarray) -> float:
    p = softmax(np.sort(logits)[-10:])
    return float(-(p * np.log(p)).sum() / np.log(10))


def _read_again(given: Tensor, output: Tensor, v: np.ndarray, strength: float) -> Tensor:
    x, y = given[0].double().numpy(), output[0].double().numpy()
    again = (x @ v.T) @ v
    again = np.abs(y).mean() / np.abs(again).mean() * again
    return torch.from_numpy((1 - strength) * y + strength * again).to(output.dtype)[None]


def memvr(asked: Memvr, model: Any, inputs: Mapping[str, Any], said: Sequence[int]) -> np.ndarray:
    """Pass by pass with the model's own cache, every pass changed as a whole by what its last position says."""
    decoder = model.model.language_model
    read = range(int((asked.layers_of or "2")[0]), int((asked.layers_of or "2")[-1]) + 1)
    seen: dict[str, Any] = {}

    def enter(module: Any, args: Any, kwargs: Any) -> None:
        hidden = (*args, *kwargs.values())[0]
        if hidden.shape[1] > 1:
            seen["pictures"] = hidden[0, _running[-1][1]].double().numpy()
        seen["again"] = None

    def looked(number: int) -> Any:
        def hook(module: Any, args: Any, output: Any) -> None:
            state = (output[0] if isinstance(output, tuple) else output)[:, -1]
            unsure = _unsure(model.lm_head(decoder.norm(state))[0].double().numpy())
            if unsure > asked.threshold and seen["again"] is None and number in read and len(seen["pictures"]):
                seen["again"] = number + 1

        return hook

    def mixed(number: int) -> Any:
        def hook(module: Any, args: Any, output: Tensor) -> Tensor:
            return output if seen["again"] != number else _read_again(args[0], output, seen["pictures"], asked.strength)

        return hook

    handles = [decoder.layers[0].register_forward_pre_hook(enter, with_kwargs=True)]
    for number, layer in enumerate(decoder.layers, 1):
        handles += [
            layer.register_forward_hook(looked(number)),
            layer.mlp.register_forward_hook(mixed(number), prepend=True),
        ]
    try:
        with marked(_steps):
            return last_logits(model, longer(inputs, said))
    finally:
        for handle in handles:
            handle.remove()


def _forced_logits(model: Any, inputs: Mapping[str, Any], said: Sequence[int]) -> np.ndarray:
    """The logits behind a prompt and what is said with the cache."""
    steps = {"max_new_tokens": len(said) + 1, "do_sample": False, "output_logits": True}

    def allowed(row: int, ids: Tensor) -> list[int]:
        place = len(ids) - inputs["input_ids"].shape[1]
        return [said[place]] if place < len(said) else list(range(model.lm_head.out_features))

    found = model.generate(**inputs, **steps, prefix_allowed_tokens_fn=allowed, return_dict_in_generate=True)
    logits: np.ndarray = found.logits[-1][0].double().numpy()
    return logits


def expected_logits(asked: Intervention, model: Any, inputs: Mapping[str, Any], said: Sequence[int]) -> np.ndarray:
    """The changed logits `[V]` behind a prompt and what was said."""
    formulas: dict[type, Any] = {
        Pai: pai, AdaptVis: adaptvis, Icd: icd, Vcd: vcd, Vista: vista, Memvr: memvr, Steer: steer,
    }  # fmt: skip
    found: np.ndarray = formulas.get(type(asked), on_layers)(asked, model, inputs, said)
    return found
