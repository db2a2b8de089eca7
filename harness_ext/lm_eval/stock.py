"""The model class of lm-eval that the lens stands beside: found by what it can do, in whatever version there is."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import version
from types import ModuleType
from typing import Any

from lm_eval.api.registry import MODEL_REGISTRY

from harness_ext.wrapping import UnsupportedHarnessError

__all__ = ["multimodal_class"]

_METHODS = (
    "generate_until",
    "loglikelihood",
    "apply_chat_template",
    "tok_batch_encode",
    "tok_batch_multimodal_encode",
    "_model_multimodal_generate",
    "_create_model",
)
"""What the lens puts something before, or asks."""


def multimodal_class(module: ModuleType | None = None, registered: Any = None) -> type:
    """The class for pictures and text of transformers' models.

    It is looked for among the classes of lm-eval's module for them, then among those registered under any name (MERA's
    fork has had other names, and classes of their own for videos and sounds): one that takes media and has the methods
    that the lens needs. Of several, where one is made from another, the first of them in that line: what others add to
    it the lens does as well.

    Args:
        module: where it is in lm-eval; its own when None.
        registered: name -> class; lm-eval's registry when None. A class that cannot be imported here is passed over.

    Raises:
        UnsupportedHarnessError: there is none, or several that have nothing to do with each other.
    """
    module = module or _own_module()
    found = _first_in_line(list(_classes(vars(module)))) if module is not None else []
    if not found:
        found = _first_in_line(list(_classes(MODEL_REGISTRY if registered is None else registered)))
    if len(found) == 1:
        return found[0]
    names = ", ".join(f"{each.__module__}.{each.__qualname__}" for each in found)
    raise UnsupportedHarnessError(
        f"lm-eval {version('lm-eval')}: expected one model class with {', '.join(_METHODS)} that takes media; found "
        f"{names or 'none'}. Install lm-eval 0.4.9 or 0.4.13, or MERA's lm-eval of 2025"
    )


def _own_module() -> ModuleType | None:
    try:
        return import_module("lm_eval.models.hf_vlms")
    except ImportError:
        return None


def _classes(named: Any) -> Iterator[type]:
    """Classes that take media and have all methods, each once, in order."""
    seen: set[type] = set()
    for name in list(named):
        try:
            each = named[name]
        except Exception:  # a model whose packages are not installed is imported when it is looked up
            continue
        if isinstance(each, type) and each not in seen and _is_capable(each):
            seen.add(each)
            yield each


def _is_capable(each: type) -> bool:
    lens = any(base.__module__.startswith("harness_ext.") for base in each.__mro__)
    return not lens and bool(getattr(each, "MULTIMODAL", False)) and all(hasattr(each, name) for name in _METHODS)


def _first_in_line(found: list[type]) -> list[type]:
    """Those that are made from no other one among them."""
    return [each for each in found if not any(other is not each and issubclass(each, other) for other in found)]
