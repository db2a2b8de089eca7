"""Functions of lm-eval that would spoil or end a lens run, as they should be; in their place while it lasts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from lm_eval import evaluator, utils

from lens_models.shadowing import shadowed

__all__ = ["repaired"]

_MODES_OF_PNG = ("1", "L", "LA", "I", "I;16", "P", "RGB", "RGBA")


@contextmanager
def repaired() -> Iterator[None]:
    """While this lasts, lm-eval counts documents and hashes pictures as it should; not all versions have both."""
    repairs = (evaluator, "consolidate_results", _of_true_size), (utils, "convert_pil_to_hash", _of_any_mode)
    with ExitStack() as stack:
        for module, name, repair in repairs:
            if hasattr(module, name):
                stack.enter_context(shadowed(module, **{name: repair(getattr(module, name))}))
        yield


def _of_true_size(original: Callable[..., Any]) -> Callable[..., Any]:
    """lm-eval 0.4.9 takes the length of the last metric for the size of a task, and weights groups by it."""

    def consolidate_results(eval_tasks: Any) -> Any:
        for output in eval_tasks:
            output.sample_len = max((len(values) for values in output.sample_metrics.values()), default=None)
        return original(eval_tasks)

    return consolidate_results


def _of_any_mode(original: Callable[..., Any]) -> Callable[..., Any]:
    """lm-eval hashes pictures as PNG files, which have no CMYK: the run ended there, after its last answer."""
    return lambda image: original(image if image.mode in _MODES_OF_PNG else image.convert("RGB"))
