"""Read all layers of chosen positions at once: residual rows in, per-layer quantities out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from . import distributions as dist
from .errors import CaptureError
from .readout_memory import ReadoutPlan, default_limit
from .readout_tokens import Columns, ReadoutRow, TokenColumns, row_tokens, token_columns, token_quantities

__all__ = ["Readout", "ReadoutRow", "Unembeds", "read_layers"]

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int32]


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


class Unembeds(Protocol):
    """From residuals to logits; `lens_models.unembed.Unembedding` does it for models of transformers."""

    @property
    def device(self) -> torch.device:
        """Where the logits are computed."""

    @property
    def alone(self) -> bool:
        """Whether this process computes logits by itself; those that share a head have to call it equally often."""

    @property
    def vocab_size(self) -> int:
        """Number of logits, V."""

    def __call__(self, residual: Tensor) -> Tensor:
        """`[..., d]` -> `[..., V]`, fp32."""

    def stream(self, residual: Tensor) -> Tensor:
        """The residual stream itself, `[..., d]`; a backend may keep it in parts until the norm adds them."""


@torch.inference_mode()
def read_layers(
    unembed: Unembeds, rows: Sequence[ReadoutRow], *, topk: int = 5, memory_limit: int | None = None
) -> list[Readout]:
    """Read each row at all its layers.

    The rows of as many samples of a batch as fit into `memory_limit` bytes go through norm and head in one product, all
    layers together; what follows from the logits is computed in slices, for several batches at a time. See
    `lens_models.readout_memory`.

    Raises:
        CaptureError: rows with different numbers of layers, a token outside the vocabulary, or `topk` < 1.
    """
    if topk < 1:
        raise CaptureError(f"topk={topk}; expected at least 1")
    _check_tokens(rows, unembed.vocab_size)
    if len({row.residual.shape for row in rows}) > 1:
        raise CaptureError(f"rows of different shapes: {sorted({tuple(row.residual.shape) for row in rows})}")
    limit = memory_limit or default_limit(unembed.device, alone=unembed.alone)
    out: list[Readout] = []
    start = 0
    for plan, products in _groups(unembed, rows, limit):
        group = rows[start : start + sum(products)]
        residual = torch.stack([row.residual.to(unembed.device) for row in group], dim=1)
        out.extend(_read_group(unembed, residual, group, products, topk, plan))
        start += len(group)
    return out


def _groups(unembed: Unembeds, rows: Sequence[ReadoutRow], limit: int) -> Iterator[tuple[ReadoutPlan, list[int]]]:
    """The rows that are read at a time: their plan, and how many of them go through the head in each product.

    A batch is cut as if it were alone, so that no product depends on the batches beside it.
    """

    def planned(samples: int) -> ReadoutPlan:
        return ReadoutPlan.of(rows[0].residual.shape[0], samples, unembed.vocab_size, limit, unembed.device)

    products: list[int] = []
    for _, batch in groupby(rows, key=lambda row: row.batch):
        left = len(list(batch))
        while left:
            size = planned(left).samples
            if products and planned(sum(products) + size).samples < sum(products) + size:
                yield planned(sum(products)), products
                products = []
            products.append(size)
            left -= size
    if products:
        yield planned(sum(products)), products


def _check_tokens(rows: Sequence[ReadoutRow], vocabulary: int) -> None:
    """A wrong index stops a GPU for good, so it is caught here."""
    for row in rows:
        wrong = sorted({number for number in row_tokens(row) if not 0 <= number < vocabulary})
        if wrong:
            raise CaptureError(f"token ids {wrong} are outside the model's vocabulary of {vocabulary}")


def _read_group(
    unembed: Unembeds,
    residual: Tensor,
    group: Sequence[ReadoutRow],
    products: Sequence[int],
    topk: int,
    plan: ReadoutPlan,
) -> Iterator[Readout]:
    """`residual` is `[layers, samples, d]`; layers are cut where one sample alone is over the limit."""
    layers = residual.shape[0]
    whole = _logits(unembed, residual, products) if plan.layers >= layers else None
    # the last layer's row is computed once and used as its own reference
    last_logits = unembed(residual[-1]) if whole is None else whole[-1].clone()
    last = _Reference.of(last_logits)
    tokens = TokenColumns.of(group, residual.device)
    pieces: list[dict[str, Tensor]] = []
    for start in range(0, layers, plan.layers):
        chunk = residual[start : start + plan.layers]
        if whole is not None:
            logits = whole
        else:
            logits = unembed(chunk) if start + plan.layers < layers else _with_last(unembed, chunk, last_logits)
        pieces.append(_read_slices(logits, last, tokens, topk, plan))
    values = {name: torch.cat([piece[name] for piece in pieces]) for name in pieces[0]}
    values["resid_norm"] = unembed.stream(residual).float().norm(dim=-1).cpu()
    values["jsd_last"][-1] = values["kl_last"][-1] = 0.0
    yield from _split(values, group, last_logits)


def _logits(unembed: Unembeds, residual: Tensor, products: Sequence[int]) -> Tensor:
    """`[layers, samples, d]` -> `[layers, samples, V]`, so many samples in each product."""
    if len(products) == 1:
        return unembed(residual)
    logits = torch.empty(*residual.shape[:-1], unembed.vocab_size, dtype=torch.float32, device=unembed.device)
    start = 0
    for size in products:
        samples = slice(start, start + size)
        logits[:, samples] = unembed(residual[:, samples].contiguous())
        start += size
    return logits


def _with_last(unembed: Unembeds, chunk: Tensor, last_logits: Tensor) -> Tensor:
    if chunk.shape[0] == 1:
        return last_logits.unsqueeze(0).clone()
    return torch.cat([unembed(chunk[:-1]), last_logits.unsqueeze(0)])


@dataclass(frozen=True)
class _Reference:
    """The last layer's distributions `[samples, V]`."""

    logp: Tensor
    p: Tensor

    @classmethod
    def of(cls, logits: Tensor) -> _Reference:
        logp = torch.log_softmax(logits, dim=-1)
        return cls(logp, logp.exp())

    def part(self, samples: slice) -> _Reference:
        return _Reference(self.logp[samples], self.p[samples])


def _read_slices(
    logits: Tensor, last: _Reference, tokens: TokenColumns, topk: int, plan: ReadoutPlan
) -> dict[str, Tensor]:
    """Quantities of logits `[layers, samples, V]` as `[layers, samples, ...]` on the CPU; `logits` is overwritten."""
    columns = []
    for first in range(0, logits.shape[1], plan.slice_samples):
        samples = slice(first, first + plan.slice_samples)
        reference, own = last.part(samples), tokens.part(samples)
        pieces = [
            _read_slice(logits[start : start + plan.slice_layers, samples], reference, own, topk)
            for start in range(0, logits.shape[0], plan.slice_layers)
        ]
        columns.append({name: torch.cat([piece[name] for piece in pieces]) for name in pieces[0]})
    return _to_cpu({name: torch.cat([column[name] for column in columns], dim=1) for name in columns[0]})


def _read_slice(logits: Tensor, last: _Reference, tokens: TokenColumns, topk: int) -> dict[str, Tensor]:
    """Quantities of one slice; its logits become log-probabilities once everything that needs logits is done."""
    energy = dist.energy(logits)
    top = torch.topk(logits, min(topk, logits.shape[-1]), dim=-1)
    token_logits = tokens.gather(logits)
    ranks = tokens.ranks(logits, token_logits)
    logp = logits.add_(energy.unsqueeze(-1))
    p = logp.exp()
    return {
        "energy": energy,
        "entropy": dist.entropy(logp, p),
        "kl_last": dist.kl(last.logp, logp, last.p),
        "jsd_last": dist.jsd(logp, last.logp, p, last.p),
        "topk_logprobs": top.values + energy.unsqueeze(-1),
        "token_logits": token_logits,
        "topk_ids": top.indices,
        **ranks,
    }


def _to_cpu(values: dict[str, Tensor]) -> dict[str, Tensor]:
    """Floats in one transfer, integers in another: every transfer waits for the device."""
    moved: dict[str, Tensor] = {}
    for floating in (True, False):
        some = {name: value for name, value in values.items() if value.is_floating_point() == floating}
        wide = {name: value if value.dim() == 3 else value.unsqueeze(-1) for name, value in some.items()}
        packed = torch.cat(list(wide.values()), dim=-1).cpu()
        parts = torch.split(packed, [value.shape[-1] for value in wide.values()], dim=-1)
        moved |= {name: part.reshape(some[name].shape) for name, part in zip(wide, parts, strict=True)}
    return moved


_PER_ROW = ("energy", "entropy", "kl_last", "jsd_last", "resid_norm", "topk_logprobs")


def _split(values: dict[str, Tensor], group: Sequence[ReadoutRow], last_logits: Tensor) -> Iterator[Readout]:
    """`[layers, samples, ...]` of a group, and its last layer's logits `[samples, V]`, as one readout a sample."""
    finite = (values["energy"].isfinite() & values["entropy"].isfinite()).all(0).tolist()
    common = {name: _by_sample(values[name], np.float32) for name in _PER_ROW}
    common |= {name: _by_sample(values[name], np.int32) for name in ("topk_ids", "rank_pred")}
    rank_gold = _by_sample(values["rank_gold"], np.int32)
    own = _own_quantities(values, group)
    for sample, row in enumerate(group):
        arrays = {name: value[sample] for name, value in common.items()} | own[sample]
        if row.gold:
            arrays["rank_gold"] = rank_gold[sample]
        yield Readout(**arrays, last_logits=last_logits[sample], finite=finite[sample])


def _own_quantities(values: dict[str, Tensor], group: Sequence[ReadoutRow]) -> list[dict[str, Any]]:
    """What depends on a sample's own tokens; samples whose tokens stand in the same columns are computed together."""
    alike: dict[Columns, list[int]] = {}
    for sample, row in enumerate(group):
        alike.setdefault(token_columns(row), []).append(sample)
    own: list[dict[str, Any]] = [{}] * len(group)
    for columns, members in alike.items():
        found = token_quantities(values["token_logits"][:, members], values["energy"][:, members], columns)
        arrays = {name: _by_sample(value, np.float32) for name, value in found.items()}
        for place, sample in enumerate(members):
            own[sample] = {name: value[place] for name, value in arrays.items()}
    return own


def _by_sample(value: Tensor, dtype: type[np.generic]) -> Any:
    """`[layers, samples, ...]` as a contiguous array `[samples, layers, ...]`."""
    return np.ascontiguousarray(value.numpy().swapaxes(0, 1), dtype=dtype)
