"""How far two right computations of one number may lie apart, from the dtype's rounding and the length of its sums.

A sum of n products is off by at most n u / (1 - n u) of the sum of their absolute values, u being half the dtype's eps,
in whatever order, blocks, vector width or number of threads it is added up, and with or without fused multiply-add
(Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed. 2002, section 3.1). In long sums the errors cancel:
with lambda sqrt(n) in place of n the bound is exceeded with probability 2 exp(-lambda^2 / 2) at most (Higham and Mary
2019, SIAM J. Sci. Comput. 41(5), theorem 2.4), for lambda = 8 once in 10^13 numbers. The roundings of sums that follow
one another add up (Higham, lemma 3.3), so a network counts as one sum as long as all of its sums.

Floats that were added up in another order, in another shape or by another library are compared within these bounds;
copies, whole numbers, and the same operation on the same data are compared exactly.
"""

from __future__ import annotations

from math import sqrt
from typing import Any

import pytest

_UNITS = {"float64": 2.0**-53, "float32": 2.0**-24, "float16": 2.0**-11, "bfloat16": 2.0**-8}
_LAMBDA = 8
FUNCTION = 4
"""Roundings of one exp, log or tanh: the vector libraries keep to an error of one unit in the last place or two."""


def rounding(dtype: Any, *lengths: int) -> float:
    """Largest difference of two computations in `dtype` as a share of the sum of the absolute values of the terms.

    `lengths` are the numbers of terms of the sums that follow one another on the way to the number.
    """
    n = sum(lengths)
    error = min(n, _LAMBDA * sqrt(n)) * _UNITS[str(dtype).removeprefix("torch.")]
    assert error < 0.5, f"{n} roundings in {dtype} leave no digit to compare"
    return 2 * error / (1 - error)


def bounds(dtype: Any, *lengths: int, scale: float = 1.0) -> dict[str, float]:
    """`rtol` and `atol` for numpy and torch; `scale` is the size of the terms where they cancel in the result."""
    share = rounding(dtype, *lengths)
    return {"rtol": share, "atol": share * scale}


def near(expected: Any, dtype: Any, *lengths: int, scale: float = 1.0) -> Any:
    """The same as a `pytest.approx`."""
    share = rounding(dtype, *lengths)
    return pytest.approx(expected, rel=share, abs=share * scale)


def sums_of(model: Any, sequence: int = 0) -> int:
    """Length of all sums of one forward pass: what each product, convolution and norm of a torch module adds up.

    `sequence` is the number of tokens that attention adds up in each module that has query weights.
    """
    weights = {name: weight for name, weight in model.named_parameters() if name.endswith("weight")}
    products = sum(weight[0].numel() if weight.dim() > 1 else weight.numel() for weight in weights.values())
    attention = sum(any(part in name for part in ("q_proj", "qkv")) for name in weights)
    return int(products + attention * sequence)
