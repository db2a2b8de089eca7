"""Score given continuations of a prompt, by the model itself and at every layer (teacher forcing)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from .errors import ForcingError
from .first_pass import FirstPass
from .forcing import Forcing
from .image_tokens import ImageTokens
from .lens import LogitLens
from .probes import Batch, Probe, observed

__all__ = ["ScoredContinuation", "Tokens", "score_continuations", "score_first_tokens"]

Tokens = tuple[int, ...]
"""Token ids of a text."""
_PROMPTS = ("input_ids", "decoder_input_ids")


@dataclass(frozen=True)
class ScoredContinuation:
    """One continuation.

    Attributes:
        logprob: sum of log p(token) over the continuation's tokens, from the model's own logits, in nats.
        n_tokens: its number of tokens.
        greedy: whether each token is the model's first choice.
        layer_logprobs: fp32 `[layers]`, the same sum read at each layer of the lens; None without a lens.
        residual: `[layers, d]` at the position that predicts the first token; None without a lens.
        first_logits: the model's own logits `[vocabulary]` at that position, whatever an intervention makes of them.
        probes: what observed the pass that predicts the first token, of all continuations of a prompt the same; its
            results are those of sample 0, step 0.
        image_tokens: of the prompt, where probes were to look at them.
    """

    logprob: float
    n_tokens: int
    greedy: bool
    first_logits: Tensor = field(repr=False)
    layer_logprobs: Tensor | None = None
    residual: Tensor | None = field(default=None, repr=False)
    probes: tuple[Probe, ...] = field(default=(), repr=False)
    image_tokens: ImageTokens | None = field(default=None, repr=False)

    @property
    def loss(self) -> float:
        """Mean negative log-likelihood of a token, in nats."""
        return -self.logprob / max(1, self.n_tokens)

    def alone(self) -> ScoredContinuation:
        """The score without what was observed beside it, which takes memory."""
        return ScoredContinuation(self.logprob, self.n_tokens, self.greedy, self.first_logits.new_empty(0))


@torch.inference_mode()
def score_continuations(
    forcing: Forcing,
    inputs: Mapping[str, Any],
    continuations: Sequence[Sequence[int]],
    *,
    before: Sequence[int] = (),
    lens: LogitLens | None = None,
    image_tokens: ImageTokens | None = None,
) -> list[ScoredContinuation]:
    """Score each continuation of one encoded prompt as the model's own generation.

    Continuations that differ in their last token only, or that begin another one, share a run of the model; with
    `forcing.one_prefill` the runs of all continuations that nothing stands before share the pass over the prompt. No
    logits of other positions than theirs are computed.

    Args:
        forcing: how the model is forced (`LogitLens.forcing`, `prove_forcing`).
        inputs: one encoded prompt (batch of 1) with its images.
        continuations: token ids, none of them empty.
        before: token ids that the model generated before them.
        lens: the proven lens of the model, to score at each layer too.
        image_tokens: of the prompt, for the lens's probes of image tokens to look at; they are left out without. They
            observe the pass that ends with the prompt, which is one more where some continuation has several tokens.

    Raises:
        ForcingError: a model that is refused, several rows, or an empty continuation.
    """
    sequences = [tuple(int(token) for token in each) for each in continuations]
    if not all(sequences):
        raise ForcingError("a continuation has no tokens; the tokenizer gives nothing for it")
    rows = {len(value) for name in _PROMPTS if isinstance(value := inputs.get(name), Tensor)}
    if rows - {1}:
        raise ForcingError(f"continuations are scored for one prompt at a time, found inputs of {max(rows)} rows")

    # where the prompt is; weights that are offloaded have no device
    device = next(value.device for value in inputs.values() if isinstance(value, Tensor))
    scored: dict[Tokens, ScoredContinuation] = {}
    probes = _probes(lens, inputs, image_tokens)
    passes = list(_shared_passes(sequences))
    first = FirstPass() if forcing.one_prefill and not before and len(passes) > 1 else None
    layer_index = None if lens is None else lens.layer_index
    if probes and (first is not None or all(prefix for prefix, _ in passes)):
        with _watched(lens, probes):
            forcing.run(inputs, torch.tensor([[*before, sequences[0][0]]], device=device), 1, layer_index, first)
    for prefix, members in passes:
        # the last token is what the last position predicts; which one it is plays no part
        tokens = torch.tensor([[*before, *prefix, members[0][-1]]], device=device)
        with _watched(lens, [] if prefix or first is not None else probes):
            run = forcing.run(inputs, tokens, len(prefix) + 1, layer_index, first)
        residual = None if run.residual is None else run.residual[:, 0]
        layers = None if residual is None or lens is None else _layer_logprobs(lens, residual, members)
        for sequence in members:
            own = None if layers is None else layers[sequence]
            predicting = None if residual is None else residual[:, 0]
            score = replace(_score(sequence, run.logits[0], own, predicting), first_logits=run.plain[0, 0])
            scored[sequence] = replace(score, probes=tuple(probes), image_tokens=image_tokens)
    return [scored[sequence] for sequence in sequences]


@torch.inference_mode()
def score_first_tokens(
    forcing: Forcing, inputs: Mapping[str, Any], tokens: Sequence[int], *, lens: LogitLens | None = None
) -> list[ScoredContinuation]:
    """Score one token behind each prompt of an encoded batch, in the pass that `generate` begins with.

    Args:
        forcing: how the model is forced.
        inputs: encoded prompts, padded as for generation.
        tokens: one for each.
        lens: the proven lens of the model, to keep residuals; `layer_logprobs` is not computed.

    Raises:
        ForcingError: a model that is refused.
    """
    device = next(value.device for value in inputs.values() if isinstance(value, Tensor))
    given = torch.tensor(tokens, device=device).unsqueeze(1)
    run = forcing.run(inputs, given, 1, None if lens is None else lens.layer_index)
    return [
        replace(
            _score((token,), run.logits[row], None, None if run.residual is None else run.residual[:, row, 0]),
            first_logits=run.plain[row, 0],
        )
        for row, token in enumerate(tokens)
    ]


def _probes(lens: LogitLens | None, inputs: Mapping[str, Any], image_tokens: ImageTokens | None) -> list[Probe]:
    if lens is None or image_tokens is None:
        return []
    return lens.observers(Batch(inputs, (image_tokens,)), scoring=True)


def _watched(lens: LogitLens | None, probes: Sequence[Probe]) -> AbstractContextManager[None]:
    return observed(lens.parts, probes) if lens is not None and probes else nullcontext()


def _shared_passes(sequences: Sequence[Tokens]) -> Iterator[tuple[Tokens, list[Tokens]]]:
    """Prefixes to run, each with the sequences whose all-but-last tokens it begins with."""
    left = dict.fromkeys(sequences)
    for prefix in sorted({sequence[:-1] for sequence in sequences}, key=len, reverse=True):
        members = [sequence for sequence in left if prefix[: len(sequence) - 1] == sequence[:-1]]
        if members:
            yield prefix, members
        for sequence in members:
            del left[sequence]


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
