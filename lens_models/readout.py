"""Read all layers of chosen positions at once: residual rows in, per-layer quantities out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from . import distributions as dist
from .errors import CaptureError
from .unembed import Unembedding

__all__ = ["Readout", "ReadoutRow", "read_layers"]

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int32]

_LIVE_COPIES = 4  # logits, log-probabilities, mixture and one product live at the same time
_DEFAULT_LIMIT = {"cpu": 512 * 2**20}
_DEVICE_LIMIT = 64 * 2**20


@dataclass(frozen=True)
class ReadoutRow:
    """One position to read.

    Attributes:
        residual: `[layers, d]`, the last entry being the last decoder block.
        token_id: the token that the model gave at this position.
        candidates: token ids of each candidate's surface variants, pooled by logsumexp; may be empty.
        gold: token ids of the gold answer's surface variants; empty when unknown.
        pivots: like `candidates`, a second set read beside them.
    """

    residual: Tensor
    token_id: int
    candidates: tuple[tuple[int, ...], ...] = ()
    gold: tuple[int, ...] = ()
    pivots: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True)
class Readout:
    """Per-layer quantities of one position; every array starts with the layer axis, in the order of the residual rows.

    Logarithms are natural, divergences in nats; ranks start at 1. `last_logits` is the fp32 logit row of the last
    layer, for the identity check. `finite` is False when any logit was NaN or infinite: the arrays then mean nothing.
    """

    logprob_pred: FloatArray
    rank_pred: IntArray
    entropy: FloatArray
    kl_last: FloatArray
    jsd_last: FloatArray
    energy: FloatArray
    resid_norm: FloatArray
    topk_ids: IntArray
    topk_logprobs: FloatArray
    cand_scores: FloatArray
    cand_mass: FloatArray
    cand_entropy: FloatArray
    pivot_scores: FloatArray
    last_logits: Tensor = field(repr=False)
    logprob_gold: FloatArray | None = None
    rank_gold: IntArray | None = None
    finite: bool = True

    @property
    def top1_ids(self) -> IntArray:
        """`[layers]`, the most likely token of each layer."""
        return self.topk_ids[:, 0]


@torch.inference_mode()
def read_layers(
    unembed: Unembedding, rows: Sequence[ReadoutRow], *, topk: int = 5, memory_limit: int | None = None
) -> list[Readout]:
    """Read each row at all its layers.

    The rows of as many samples as fit into `memory_limit` bytes go through norm and head in one product; what a chunk
    needs at most is about four times layers x samples x vocabulary x 4 bytes.

    Raises:
        CaptureError: rows with different numbers of layers, or `topk` < 1.
    """
    if topk < 1:
        raise CaptureError(f"topk={topk}; expected at least 1")
    if len({row.residual.shape for row in rows}) > 1:
        raise CaptureError(f"rows of different shapes: {sorted({tuple(row.residual.shape) for row in rows})}")
    limit = memory_limit or _DEFAULT_LIMIT.get(unembed.device.type, _DEVICE_LIMIT)
    out: list[Readout] = []
    for group in _groups(rows, unembed.parts.vocab_size, limit):
        residual = torch.stack([row.residual.to(unembed.device) for row in group], dim=1)
        out.extend(_read_group(unembed, residual, group, topk, limit))
    return out


def _groups(rows: Sequence[ReadoutRow], vocabulary: int, limit: int) -> Iterator[Sequence[ReadoutRow]]:
    if not rows:
        return
    per_row = _LIVE_COPIES * rows[0].residual.shape[0] * vocabulary * 4
    size = max(1, limit // per_row)
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def _read_group(
    unembed: Unembedding, residual: Tensor, group: Sequence[ReadoutRow], topk: int, limit: int
) -> Iterator[Readout]:
    """`residual` is `[layers, samples, d]`; layers are cut where one sample alone is over the limit."""
    layers, samples = residual.shape[:2]
    step = max(1, limit // (_LIVE_COPIES * samples * unembed.parts.vocab_size * 4))
    last_logits = unembed(residual[-1])
    last_logp = torch.log_softmax(last_logits, dim=-1)
    pieces: list[_Piece] = []
    for start in range(0, layers, step):
        chunk = residual[start : start + step]
        # the last layer's row is computed once and used as its own reference, so its divergences are exactly zero
        logits = unembed(chunk) if start + step < layers else _with_last(unembed, chunk, last_logits)
        pieces.append(_read_chunk(logits, chunk, last_logp, group, topk))
    for sample in range(samples):
        yield _assemble(pieces, sample, last_logits[sample])


def _with_last(unembed: Unembedding, chunk: Tensor, last_logits: Tensor) -> Tensor:
    if chunk.shape[0] == 1:
        return last_logits.unsqueeze(0).clone()
    return torch.cat([unembed(chunk[:-1]), last_logits.unsqueeze(0)])


@dataclass(frozen=True)
class _Piece:
    """Some layers of a group: quantities of all samples `[layers, samples, ...]`, and of each sample's own tokens."""

    shared: dict[str, Tensor]
    own: list[dict[str, Tensor]]

    def of(self, sample: int) -> dict[str, Tensor]:
        return {name: values[:, sample] for name, values in self.shared.items()} | self.own[sample]


def _read_chunk(logits: Tensor, residual: Tensor, last_logp: Tensor, group: Sequence[ReadoutRow], topk: int) -> _Piece:
    """Quantities of one chunk of logits `[layers, samples, V]`, moved to the CPU."""
    logp = torch.log_softmax(logits, dim=-1)
    top = torch.topk(logp, min(topk, logp.shape[-1]), dim=-1)
    shared = {
        "entropy": dist.entropy(logp),
        "kl_last": dist.kl(last_logp, logp),
        "jsd_last": dist.jsd(logp, last_logp),
        "energy": dist.energy(logits),
        "resid_norm": residual.float().norm(dim=-1),
        "topk_ids": top.indices,
        "topk_logprobs": top.values,
    }
    own = [_read_tokens(logits[:, sample], logp[:, sample], row) for sample, row in enumerate(group)]
    return _Piece(_to_cpu(shared), [_to_cpu(values) for values in own])


def _read_tokens(logits: Tensor, logp: Tensor, row: ReadoutRow) -> dict[str, Tensor]:
    """Quantities of one sample's own tokens, `[layers, V]` -> `[layers, ...]`."""
    scores = dist.pooled_logits(logits, row.candidates)
    out = {
        "logprob_pred": logp[:, row.token_id],
        "rank_pred": dist.rank_of(logits, (row.token_id,)),
        "cand_scores": scores,
        "cand_mass": dist.pooled_logits(logp, row.candidates).exp().sum(-1),
        "cand_entropy": dist.entropy(torch.log_softmax(scores, -1)) if row.candidates else scores.sum(-1),
        "pivot_scores": dist.pooled_logits(logits, row.pivots),
    }
    if row.gold:
        out["logprob_gold"] = torch.logsumexp(logp[:, list(row.gold)], -1)
        out["rank_gold"] = dist.rank_of(logits, row.gold)
    return out


def _to_cpu(values: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.cpu() for name, value in values.items()}


_INTEGER = {"rank_pred", "rank_gold", "topk_ids"}


def _assemble(pieces: list[_Piece], sample: int, last_logits: Tensor) -> Readout:
    parts = [piece.of(sample) for piece in pieces]
    values: dict[str, Any] = {
        name: torch.cat([part[name] for part in parts]).numpy().astype(np.int32 if name in _INTEGER else np.float32)
        for name in parts[0]
    }
    finite = bool(torch.isfinite(last_logits).all()) and bool(np.isfinite(values["energy"]).all())
    return Readout(**values, last_logits=last_logits, finite=finite)
