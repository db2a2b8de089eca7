"""`load_in_8bit` and `load_in_4bit`, as the harnesses' users write them, in the form that transformers takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from transformers import BitsAndBytesConfig

from .errors import LensArgumentError

__all__ = ["QUANTISATION_ARGUMENTS", "is_quantised", "quantisation_config"]

QUANTISATION_ARGUMENTS = (
    "load_in_8bit",
    "load_in_4bit",
    "bnb_4bit_quant_type",
    "bnb_4bit_compute_dtype",
    "bnb_4bit_use_double_quant",
)
"""Names that `from_pretrained` once took itself."""


def quantisation_config(arguments: Mapping[str, Any]) -> BitsAndBytesConfig | None:
    """The bitsandbytes configuration of `QUANTISATION_ARGUMENTS`; None when neither 8 nor 4 bits are asked for.

    Raises:
        LensArgumentError: both widths at once, a 4-bit setting without 4 bits, or bitsandbytes is not installed.
    """
    given = {name: value for name, value in arguments.items() if value not in (None, False)}
    widths = [name for name in QUANTISATION_ARGUMENTS[:2] if given.get(name)]
    if len(widths) == 2:
        raise LensArgumentError("load_in_8bit and load_in_4bit exclude each other; choose one")
    rest = sorted(given.keys() - set(widths))
    if rest and widths != ["load_in_4bit"]:
        raise LensArgumentError(f"{rest[0]} is a setting of 4-bit weights; it needs load_in_4bit=True")
    if not widths:
        return None
    _check_four_bits(given)
    try:
        import bitsandbytes  # noqa: F401
    except ImportError as error:
        raise LensArgumentError(
            f"{widths[0]} needs the package bitsandbytes, which is not installed: "
            "pip install 'mm-logit-lens[bitsandbytes]'"
        ) from error
    return BitsAndBytesConfig(**given)


def _check_four_bits(given: dict[str, Any]) -> None:
    compute = given.get("bnb_4bit_compute_dtype")
    if compute is not None:
        found = getattr(torch, str(compute).removeprefix("torch."), None)
        if not (isinstance(found, torch.dtype) and found.is_floating_point):
            raise LensArgumentError(f"bnb_4bit_compute_dtype={compute!r} is unknown; use bfloat16, float16 or float32")
        given["bnb_4bit_compute_dtype"] = found
    kind = given.get("bnb_4bit_quant_type")
    if kind not in (None, "nf4", "fp4"):
        raise LensArgumentError(f"bnb_4bit_quant_type={kind!r}; expected nf4 or fp4")


def is_quantised(model_config: object) -> bool:
    """Whether a checkpoint's own configuration says that its weights are quantised (GPTQ, AWQ, bitsandbytes, ...)."""
    return getattr(model_config, "quantization_config", None) is not None
