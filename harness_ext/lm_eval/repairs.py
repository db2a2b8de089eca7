"""Functions of lm-eval that would spoil or end a lens run, as they should be; in their place while it lasts."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from lm_eval import evaluator
from PIL import Image

from harness_ext.tasks import shadowed

__all__ = ["repaired"]

_MODES_OF_PNG = ("1", "L", "LA", "I", "I;16", "P", "RGB", "RGBA")


@contextmanager
def repaired() -> Iterator[None]:
    """While this lasts, lm-eval counts documents and hashes pictures as it should; not all versions have both."""
    repairs = {"consolidate_results": _of_true_size, "hash_dict_images": _of_any_mode}
    with ExitStack() as stack:
        for name, repair in repairs.items():
            if hasattr(evaluator, name):
                stack.enter_context(shadowed(evaluator, **{name: repair(getattr(evaluator, name))}))
        yield


def _of_true_size(original: Callable[..., Any]) -> Callable[..., Any]:
    """lm-eval 0.4.9 takes the length of the last metric for the size of a task, and weights groups by it."""

    @functools.wraps(original)
    def consolidate_results(eval_tasks: Any) -> Any:
        for output in eval_tasks:
            output.sample_len = max((len(values) for values in output.sample_metrics.values()), default=None)
        return original(eval_tasks)

    return consolidate_results


def _of_any_mode(original: Callable[..., Any]) -> Callable[..., Any]:
    """lm-eval hashes pictures as PNG files, which have no CMYK: the run ended there, after its last answer."""

    @functools.wraps(original)
    def hash_dict_images(samples: Any) -> Any:
        return original(_as_png_has_it(samples))

    return hash_dict_images


def _as_png_has_it(value: Any) -> Any:
    """A copy of nested dicts, lists and tuples with each picture in a mode that PNG has."""
    if isinstance(value, Image.Image):
        return value if value.mode in _MODES_OF_PNG else value.convert("RGB")
    if isinstance(value, dict):
        return {key: _as_png_has_it(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_as_png_has_it(each) for each in value]
    if type(value) is tuple:
        return tuple(_as_png_has_it(each) for each in value)
    return value
