"""Generate with the lens beside it; a capture that fails costs no answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lens_models import CaptureError, LogitLens, TracedGeneration
from lens_models.generation import unchanged_random_state

__all__ = ["generate_traced"]


def generate_traced(
    lens: LogitLens, inputs: Mapping[str, Any], arguments: Mapping[str, Any]
) -> tuple[Any, TracedGeneration | CaptureError]:
    """What `model.generate(**inputs, **arguments)` returns, and the trace or why there is none."""
    with unchanged_random_state() as rewind:
        try:
            trace = lens.generate(inputs, **arguments)
            return trace.sequences, trace
        except CaptureError as error:
            rewind()
            return lens.model.generate(**inputs, **arguments), error
