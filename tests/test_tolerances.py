"""The bounds hold for every order of a sum, and are close enough to see a term that is missing or rounded away."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tolerances import bounds, near, rounding, sums_of


@pytest.mark.parametrize("n", [3, 32, 160, 4096])
def test_sums_of_products_in_other_orders_agree_and_without_a_term_do_not(n: int) -> None:
    rng = np.random.default_rng(n)
    terms = (rng.normal(size=n).astype(np.float32) * rng.normal(size=n).astype(np.float32)).astype(np.float32)
    allowed = bounds("float32", n, scale=float(np.abs(terms).sum()))["atol"]
    orders = [terms, terms[::-1], np.sort(terms), *(rng.permutation(terms) for _ in range(20))]
    one_by_one = [float(np.cumsum(order, dtype=np.float32)[-1]) for order in orders]
    in_blocks = [float(np.float32(order[::2].sum()) + np.float32(order[1::2].sum())) for order in orders]
    assert max(one_by_one + in_blocks) - min(one_by_one + in_blocks) <= allowed
    without = float(np.delete(terms, np.abs(terms).argsort()[n // 2]).sum())
    assert abs(without - one_by_one[0]) > allowed


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_one_rounding_is_that_of_the_dtype(dtype: torch.dtype) -> None:
    third = torch.tensor(1 / 3, dtype=dtype)
    assert 0 < rounding(dtype, 1) < 2.01 * torch.finfo(dtype).eps
    assert float(third) == near(1 / 3, dtype, 1)
    assert float(third) != near(1 / 3 + 3 * torch.finfo(dtype).eps, dtype, 1)


def test_long_sums_grow_with_the_root_of_their_length() -> None:
    assert rounding("float32", 40_000) / rounding("float32", 10_000) == pytest.approx(2, rel=0.01)
    assert rounding("float32", 30, 34) == rounding("float32", 64)


def test_a_dtype_without_a_digit_left_is_no_comparison() -> None:
    with pytest.raises(AssertionError, match="10000 roundings in bfloat16 leave no digit to compare"):
        rounding("bfloat16", 10_000)


def test_the_sums_of_a_model_are_those_of_its_products_norms_and_attention() -> None:
    block = torch.nn.ModuleDict({"norm": torch.nn.LayerNorm(8), "q_proj": torch.nn.Linear(8, 4)})
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 2), block)
    assert sums_of(model, sequence=100) == 3 * 2 * 2 + 8 + 8 + 100
