"""Generate with the lens beside it; a capture that fails, or has no memory, costs no answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lens_models import CaptureError, LogitLens, TracedGeneration
from lens_models.generation import unchanged_random_state
from lens_models.memory import attempted, free_memory

__all__ = ["generate_traced"]


def generate_traced(
    lens: LogitLens, inputs: Mapping[str, Any], arguments: Mapping[str, Any]
) -> tuple[Any, TracedGeneration | CaptureError]:
    """What `model.generate(**inputs, **arguments)` returns, and the trace or why there is none.

    A batch that does not fit into memory is the caller's to make smaller. A prompt alone is tried without the lens;
    what fails then too is the model's.
    """
    with unchanged_random_state() as rewind:
        try:
            traced, problem = attempted(lambda: lens.generate(inputs, **arguments))
        except CaptureError as error:
            rewind()
            return lens.model.generate(**inputs, **arguments), error
        if traced is not None:
            return traced.sequences, traced
        if len(inputs.get("input_ids", ())) > 1:
            raise MemoryError(problem)
        free_memory()
        rewind()
        answer = lens.model.generate(**inputs, **arguments)
        return answer, CaptureError(f"the lens had no memory beside the model ({problem}); the answer is not concerned")
