"""Why a sample has no readout. The answers are known by then, so a fault of the lens is no reason to end a run."""

from __future__ import annotations

from dataclasses import dataclass

from lens_models import CaptureError
from lens_models.memory import is_out_of_memory

__all__ = ["NoReadout", "failure"]


@dataclass(frozen=True)
class NoReadout:
    """Why a sample has no readout, as its record says it.

    Attributes:
        status: a record status other than `ok`, see docs/record-format.md.
        reason: what happened, in words.
    """

    status: str
    reason: str


def failure(error: Exception) -> NoReadout:
    """Status and reason of a sample that could not be read because of `error`."""
    if isinstance(error, CaptureError):
        return NoReadout("capture_failed", str(error) or type(error).__name__)
    said = str(error).strip().split("\n")[0]
    if is_out_of_memory(error):
        return NoReadout(
            "not_run", f"there was no memory for the lens beside the model ({said or type(error).__name__})"
        )
    return NoReadout("not_run", f"the lens failed on this sample: {type(error).__name__}: {said}".rstrip(": "))
