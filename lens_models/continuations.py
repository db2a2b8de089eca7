"""Score given continuations of a prompt, by the model itself and at every layer (teacher forcing)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from .capture import ResidualCapture
from .errors import CaptureError
from .lens import LogitLens

__all__ = ["ScoredContinuation", "extend_inputs", "score_continuations"]

Tokens = tuple[int, ...]


@dataclass(frozen=True)
class ScoredContinuation:
    """One continuation.

    Attributes:
        logprob: sum of log p(token) over the continuation's tokens, from the model's own logits, in nats.
        n_tokens: its number of tokens.
        greedy: whether each token is the model's first choice.
        layer_logprobs: fp32 `[layers]`, the same sum read at each layer of the lens; None without a lens.
        residual: `[layers, d]` at the position that predicts the first token; None without a lens.
        first_logits: the model's logits `[vocabulary]` at that position.
    """

    logprob: float
    n_tokens: int
    greedy: bool
    first_logits: Tensor = field(repr=False)
    layer_logprobs: Tensor | None = None
    residual: Tensor | None = field(default=None, repr=False)

    @property
    def loss(self) -> float:
        """Mean negative log-likelihood of a token, in nats."""
        return -self.logprob / max(1, self.n_tokens)


@torch.inference_mode()
def score_continuations(
    model: Any, inputs: Mapping[str, Any], continuations: Sequence[Sequence[int]], *, lens: LogitLens | None = None
) -> list[ScoredContinuation]:
    """Score each continuation of one encoded prompt.

    Continuations that differ in their last token only, or that begin another one, share a forward pass.

    Args:
        model: a decoder-only model in eval mode.
        inputs: one encoded prompt (batch of 1) with its images.
        continuations: token ids, none of them empty.
        lens: the proven lens of `model`, to score at each layer too.

    Raises:
        CaptureError: an encoder-decoder model, several rows, or an empty continuation.
    """
    sequences = [tuple(int(token) for token in each) for each in continuations]
    if not all(sequences):
        raise CaptureError("a continuation has no tokens; the tokenizer gives nothing for it")
    if inputs["input_ids"].shape[0] != 1 or getattr(model.config, "is_encoder_decoder", False):
        raise CaptureError("continuations are scored for one prompt at a time and for decoder-only models")
    scored: dict[Tokens, ScoredContinuation] = {}
    for prefix, members in _shared_passes(sequences):
        logits, residual = _forward(model, inputs, prefix, lens)
        layers = None if residual is None or lens is None else _layer_logprobs(lens, residual, members)
        for sequence in members:
            own = None if layers is None else layers[sequence]
            scored[sequence] = _score(sequence, logits, own, None if residual is None else residual[:, 0])
    return [scored[sequence] for sequence in sequences]


def _shared_passes(sequences: Sequence[Tokens]) -> Iterator[tuple[Tokens, list[Tokens]]]:
    """Prefixes to run, each with the sequences whose all-but-last tokens it begins with."""
    left = dict.fromkeys(sequences)
    for prefix in sorted({sequence[:-1] for sequence in sequences}, key=len, reverse=True):
        members = [sequence for sequence in left if prefix[: len(sequence) - 1] == sequence[:-1]]
        if members:
            yield prefix, members
        for sequence in members:
            del left[sequence]


def _forward(
    model: Any, inputs: Mapping[str, Any], prefix: Tokens, lens: LogitLens | None
) -> tuple[Tensor, Tensor | None]:
    """The model's logits `[1 + prefix, V]` and the residuals `[layers, 1 + prefix, d]` that predict each next token."""
    extended = extend_inputs(inputs, prefix)
    last = extended["input_ids"].shape[1]
    positions = torch.arange(last - len(prefix) - 1, last, device=extended["input_ids"].device).unsqueeze(0)
    if lens is None:
        return model(**extended).logits[0, positions[0]], None
    capture = ResidualCapture(lens.parts, layer_index=lens.layer_index, positions=positions, keep_logits=False)
    with capture as trace:
        logits = model(**extended).logits[0, positions[0]]
    return logits, trace.steps[0][:, 0]


def extend_inputs(inputs: Mapping[str, Any], tokens: Tokens) -> dict[str, Any]:
    """The inputs of one prompt with tokens appended; what runs along the sequence is extended with it."""
    ids = inputs["input_ids"]
    added = torch.tensor([tokens], dtype=ids.dtype, device=ids.device)
    out: dict[str, Any] = {}
    for name, value in inputs.items():
        if not (isinstance(value, Tensor) and value.shape[:2] == ids.shape):
            out[name] = value
        elif name == "input_ids":
            out[name] = torch.cat([value, added], dim=1)
        else:
            fill = torch.ones_like if name == "attention_mask" else torch.zeros_like
            out[name] = torch.cat([value, fill(added).to(value.dtype)], dim=1)
    return out


def _layer_logprobs(lens: LogitLens, residual: Tensor, members: Sequence[Tokens]) -> dict[Tokens, Tensor]:
    """Sum of log-probabilities of each sequence at each layer; one position at a time, to bound the memory."""
    sums = {sequence: torch.zeros(residual.shape[0]) for sequence in members}
    for place in range(residual.shape[1]):
        reading = [sequence for sequence in members if len(sequence) > place]
        if not reading:
            break
        logp = torch.log_softmax(lens.logits(residual[:, place]), dim=-1)
        for sequence in reading:
            sums[sequence] += logp[:, sequence[place]].cpu()
    return sums


def _score(sequence: Tokens, logits: Tensor, layers: Tensor | None, residual: Tensor | None) -> ScoredContinuation:
    rows = logits[: len(sequence)].float()
    tokens = torch.tensor(sequence, device=rows.device)
    logp = torch.log_softmax(rows, dim=-1).gather(1, tokens.unsqueeze(1)).squeeze(1)
    greedy = bool((rows.argmax(-1) == tokens).all())
    return ScoredContinuation(float(logp.sum()), len(sequence), greedy, logits[0], layers, residual)
