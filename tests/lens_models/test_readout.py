from __future__ import annotations

import math
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
import torch
from built_models import built
from close_readouts import assert_same_readout, logit_bounds, readout_bounds
from tolerances import bounds
from torch import Tensor
from zoo import VOCABULARY, WIDTH, Specimen

from lens_models import CaptureError, LensArgumentError, LensSettings, LogitLens, Readout, ReadoutRow, read_layers
from lens_models.transforms import LogitTransform
from lens_models.unembed import Unembedding

LAYERS = 4


@pytest.fixture(scope="module")
def unembed() -> Unembedding:
    from lens_models import find_parts

    return Unembedding(find_parts(built("llava")))


def rows(n: int = 5, seed: int = 0) -> list[ReadoutRow]:
    """Rows of every kind: with and without candidates, gold and pivots, of different lengths."""
    generator = torch.Generator().manual_seed(seed)
    out = []
    for index in range(n):
        token = int(torch.randint(VOCABULARY, (), generator=generator))
        out.append(
            ReadoutRow(
                residual=torch.randn(LAYERS, WIDTH, generator=generator),
                token_id=token,
                candidates=((token, 5), (7, 8, 9), (11,))[: index % 4],
                gold=((), (3,), (7, 8, 9))[index % 3],
                pivots=((20, 21), (22,)) if index % 2 else (),
            )
        )
    return out


def naive(unembed: Unembedding, row: ReadoutRow, topk: int) -> dict[str, Any]:
    """Layer by layer in float64 with the definitions as they are written."""
    parts = unembed.parts
    norm, head = parts.norm, parts.head
    assert norm is not None
    found: dict[str, list[Any]] = {}
    all_logits = [(head.weight.double() @ norm(layer).double()) for layer in row.residual]
    p_last = torch.softmax(all_logits[-1], -1)
    for layer, logits in zip(row.residual, all_logits, strict=True):
        p = torch.softmax(logits, -1)
        order = sorted(range(VOCABULARY), key=lambda token: -float(logits[token]))[:topk]
        scores = [math.log(sum(math.exp(logits[t]) for t in group)) for group in row.candidates]
        q = torch.softmax(torch.tensor(scores), -1)
        mixture = (p + p_last) / 2
        values = {
            "logprob_pred": math.log(p[row.token_id]),
            "rank_pred": 1 + int((logits > logits[row.token_id]).sum()),
            "entropy": float(-(p * p.log()).sum()),
            "kl_last": float((p_last * (p_last / p).log()).sum()),
            "jsd_last": float((p * (p / mixture).log() + p_last * (p_last / mixture).log()).sum() / 2),
            "energy": -math.log(float(logits.exp().sum())),
            "resid_norm": float(layer.double().norm()),
            "topk_ids": order,
            "topk_logprobs": [math.log(p[token]) for token in order],
            "cand_scores": scores,
            "cand_mass": sum(float(p[t]) for group in row.candidates for t in group),
            "cand_entropy": float(-(q * q.log()).sum()) if scores else 0.0,
            "pivot_scores": [math.log(sum(math.exp(logits[t]) for t in group)) for group in row.pivots],
        }
        if row.gold:
            values["logprob_gold"] = math.log(sum(float(p[t]) for t in row.gold))
            values["rank_gold"] = 1 + int((logits > max(logits[t] for t in row.gold)).sum())
        for name, value in values.items():
            found.setdefault(name, []).append(value)
    return found


@pytest.mark.parametrize("topk", [1, 5])
@torch.no_grad()
def test_a_readout_is_the_naive_one(unembed: Unembedding, topk: int) -> None:
    batch = rows(15)  # of twelve kinds, so that some have their tokens in the same columns
    for row, readout in zip(batch, read_layers(unembed, batch, topk=topk), strict=True):
        expected = naive(unembed, row, topk)
        allowed = readout_bounds(unembed(row.residual), WIDTH, WIDTH)
        for name, values in expected.items():
            array = getattr(readout, name)
            assert array.shape == np.shape(values), name
            assert array.dtype == (np.int32 if name in ("rank_pred", "rank_gold", "topk_ids") else np.float32)
            np.testing.assert_allclose(array, np.array(values), **allowed, err_msg=name)
        assert set(expected) == {f.name for f in fields(Readout) if isinstance(getattr(readout, f.name), np.ndarray)}
        assert readout.finite
        assert readout.top1_ids.tolist() == readout.topk_ids[:, 0].tolist()
        alone = unembed(row.residual[-1])
        torch.testing.assert_close(readout.last_logits, alone, **logit_bounds(unembed, row.residual[-1]))


def test_the_last_layer_diverges_from_itself_by_exactly_nothing(unembed: Unembedding) -> None:
    for readout in read_layers(unembed, rows()):
        assert readout.kl_last[-1] == readout.jsd_last[-1] == 0.0


def test_rows_without_gold_have_none(unembed: Unembedding) -> None:
    batch = rows(6)
    for row, readout in zip(batch, read_layers(unembed, batch), strict=True):
        assert (readout.logprob_gold is None) == (readout.rank_gold is None) == (not row.gold)


ONE_ROW = (2 * LAYERS + 3) * VOCABULARY * 4
"""Bytes from which on a sample is read with all its layers in one product."""


@pytest.mark.parametrize("limit", [1, ONE_ROW // 4, ONE_ROW // 2, ONE_ROW - 1, ONE_ROW, 2 * ONE_ROW, 3 * ONE_ROW])
def test_a_memory_limit_changes_no_number(unembed: Unembedding, limit: int) -> None:
    batch = rows(5)
    everything = read_layers(unembed, batch)
    for ours, theirs in zip(read_layers(unembed, batch, memory_limit=limit), everything, strict=True):
        assert_same_readout(ours, theirs, WIDTH, WIDTH)


@pytest.mark.parametrize("limit", [1, ONE_ROW - 1, ONE_ROW, 3 * ONE_ROW, None])
@pytest.mark.parametrize("vocabulary", [VOCABULARY, 40_000])
def test_a_batch_reads_the_same_bits_beside_others(unembed: Unembedding, vocabulary: int, limit: int | None) -> None:
    if vocabulary != VOCABULARY:  # its rows of logits are cut into slices
        limit = None if limit is None else limit * vocabulary // VOCABULARY
        head = torch.nn.Linear(WIDTH, vocabulary, bias=False)
        unembed = Unembedding(replace(unembed.parts, head=head, vocab_size=vocabulary))
    batches = [
        [replace(row, batch=number) for row in rows(size, seed=number)] for number, size in enumerate((1, 3, 1, 2))
    ]
    together = read_layers(unembed, [row for batch in batches for row in batch], memory_limit=limit)
    alone = [readout for batch in batches for readout in read_layers(unembed, batch, memory_limit=limit)]
    for ours, theirs in zip(together, alone, strict=True):
        for each in fields(Readout):
            one, other = getattr(ours, each.name), getattr(theirs, each.name)
            assert type(one) is type(other)
            assert np.array_equal(np.asarray(one), np.asarray(other), equal_nan=one is not None), each.name


def test_one_row_alone_or_among_others(unembed: Unembedding) -> None:
    batch = rows(5)
    for row, readout in zip(batch, read_layers(unembed, batch), strict=True):
        assert_same_readout(readout, read_layers(unembed, [row])[0], WIDTH, WIDTH)


def test_topk_larger_than_the_vocabulary(unembed: Unembedding) -> None:
    readout = read_layers(unembed, rows(1), topk=500)[0]
    assert readout.topk_ids.shape == (LAYERS, VOCABULARY)
    # each share is off by what its log-probability is off by
    assert np.exp(readout.topk_logprobs).sum(-1) == pytest.approx(1.0, abs=readout_bounds(readout.last_logits)["atol"])


def test_a_cap_a_scale_and_masked_tokens_are_read_too(unembed: Unembedding) -> None:
    masked = (4, 7)
    transform = LogitTransform(softcap=2.0, masked=masked)
    readout = read_layers(Unembedding(unembed.parts, transform=transform), rows(3), topk=VOCABULARY)[2]
    logits = unembed(rows(3)[2].residual)
    logits = torch.tanh(logits / 2.0) * 2.0
    logits[:, list(masked)] = -math.inf
    expected = torch.distributions.Categorical(logits=logits)
    np.testing.assert_allclose(
        readout.entropy, expected.entropy(), **readout_bounds(unembed(rows(3)[2].residual), WIDTH, WIDTH)
    )
    assert readout.finite
    assert sorted(readout.topk_ids[0, -2:].tolist()) == list(masked)
    assert np.isfinite(readout.kl_last).all()


def test_without_the_final_norm(llava: Specimen) -> None:
    model = built("llava")
    lens = LogitLens(model, llava.inputs(), LensSettings(norm="none", topk=2))
    row, plain = rows(1)[0], Unembedding(lens.parts, norm="none")
    expected = row.residual @ model.lm_head.weight.T
    readout = lens.read([row])[0]
    torch.testing.assert_close(readout.last_logits, expected[-1].detach(), **logit_bounds(plain, row.residual[-1]))
    generation = lens.generate(llava.inputs((3, 6)), max_new_tokens=2, do_sample=False)
    read = lens.read([ReadoutRow(generation.residual(0, 0), generation.new_tokens[0][0])])
    assert lens.check(generation, {0: read[0].last_logits}).exact, "the check is of the exact lens in any case"


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_readout_that_is_no_number_says_so(unembed: Unembedding, bad: float) -> None:
    batch = rows(3)
    batch[1].residual[2, 5] = bad
    assert [readout.finite for readout in read_layers(unembed, batch)] == [True, False, True]


def test_an_overflow_says_so(unembed: Unembedding) -> None:
    batch = rows(2)
    batch[0].residual[1] = 1e30
    wide = Unembedding(unembed.parts, norm="none", transform=LogitTransform(1e20))
    assert [readout.finite for readout in read_layers(wide, batch)] == [False, True]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_16_bit_heads_are_multiplied_in_fp32(dtype: torch.dtype) -> None:
    from lens_models import find_parts

    parts = find_parts(built("llava", dtype))
    assert parts.norm is not None
    residual = torch.randn(3, 2, WIDTH).to(dtype)
    unembed = Unembedding(parts)
    ours = unembed(residual)
    with torch.no_grad():
        exact = parts.norm(residual).double() @ parts.head.weight.double().T
    assert ours.dtype == torch.float32
    torch.testing.assert_close(ours.double(), exact, **logit_bounds(unembed, residual))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("rows", [1, 4])
def test_a_head_larger_than_a_slice_and_with_a_bias(
    monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype, rows: int
) -> None:
    from lens_models import unembed as module

    monkeypatch.setattr(module, "_SLICE_BYTES", 4 * WIDTH * 7)
    head = torch.nn.Linear(WIDTH, 50, dtype=dtype)
    hidden = torch.randn(rows, WIDTH, dtype=dtype)
    with torch.no_grad():
        exact = hidden.double() @ head.weight.double().T + head.bias.double()
        products = hidden.double().abs() @ head.weight.double().abs().T
        allowed = bounds(torch.float32, WIDTH + 1, scale=float(products.max()))
        torch.testing.assert_close(module._head_product(head, hidden).double(), exact, **allowed)


def test_a_head_that_is_no_plain_weight_is_called_as_it_is() -> None:
    from lens_models.unembed import _head_product

    class Adapted(torch.nn.Linear):
        def forward(self, hidden: Tensor) -> Tensor:
            return super().forward(hidden) + 1.0

    head = Adapted(WIDTH, 50, dtype=torch.bfloat16)
    hidden = torch.randn(4, WIDTH)
    with torch.no_grad():
        assert torch.equal(_head_product(head, hidden), head(hidden.bfloat16()).float())


def test_nothing_to_read(unembed: Unembedding) -> None:
    assert read_layers(unembed, []) == []


@pytest.mark.parametrize(
    ("batch", "topk", "message"),
    [
        (rows(1), 0, "topk=0; expected at least 1"),
        ([*rows(1), ReadoutRow(torch.zeros(2, WIDTH), 1)], 5, r"rows of different shapes: \[\(2, 32\), \(4, 32\)\]"),
        ([ReadoutRow(torch.zeros(2, WIDTH), 160)], 5, r"token ids \[160\] are outside the model's vocabulary of 160"),
        ([ReadoutRow(torch.zeros(2, WIDTH), 1, gold=(-1,))], 5, r"token ids \[-1\] are outside"),
    ],
)
def test_wrong_rows(unembed: Unembedding, batch: list[ReadoutRow], topk: int, message: str) -> None:
    with pytest.raises(CaptureError, match=message):
        read_layers(unembed, batch, topk=topk)


@pytest.mark.parametrize(
    ("settings", "message"), [({"norm": "finale"}, "expected 'final' or 'none'"), ({"topk": 0}, "expected at least 1")]
)
def test_wrong_settings(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(LensArgumentError, match=message):
        LensSettings(**settings)
