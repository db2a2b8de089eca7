"""What failed while a sample was read, as a record says it: a fault of the lens is no reason to end a run."""

from __future__ import annotations

from lens_models import CaptureError
from lens_models.memory import is_out_of_memory

from .position import Unlocated

__all__ = ["failure"]


def failure(error: Exception) -> Unlocated:
    """Status and reason of a sample that could not be read because of `error`."""
    if isinstance(error, CaptureError):
        return Unlocated("capture_failed", str(error) or type(error).__name__)
    said = str(error).strip().split("\n")[0]
    if is_out_of_memory(error):
        return Unlocated(
            "not_run", f"there was no memory for the lens beside the model ({said or type(error).__name__})"
        )
    return Unlocated("not_run", f"the lens failed on this sample: {type(error).__name__}: {said}".rstrip(": "))
