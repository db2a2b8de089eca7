"""One question ready to be asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness_ext.recording import SampleRequest

__all__ = ["Sample"]


@dataclass(frozen=True)
class Sample:
    """A request, its encoded prompt and images (a batch of one, on the model's device), the arguments of `generate`."""

    request: SampleRequest
    inputs: Mapping[str, Any]
    arguments: Mapping[str, Any]
