"""Interventions as users write them in `--model_args`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from lens_models.errors import LensArgumentError
from lens_models.nearest import did_you_mean

from .adaptvis import AdaptVis
from .crop import Crop
from .deco import Deco
from .dola import Dola
from .early_exit import EarlyExit
from .icd import Icd
from .icot import Icot
from .memvr import Memvr
from .pai import Pai
from .protocol import Intervention
from .selecting import Select
from .steer import Steer
from .vcd import Vcd
from .vista import Vista

__all__ = ["INTERVENTIONS", "interventions_of"]

INTERVENTIONS: Mapping[str, Callable[..., Intervention]] = {
    each.name: each
    for each in (Dola, Deco, EarlyExit, Steer, Vcd, Icd, Pai, AdaptVis, Vista, Memvr, Crop, Icot, Select)
}
"""Name in `lens_intervene` -> what makes the intervention of its strength and settings."""
_SPELT = {"layers_of": "layers", "rounds_of": "rounds"}


def interventions_of(words: object) -> tuple[Intervention, ...]:
    """The interventions of "dola", "deco:0.6", "dola:1:layers=high:cut=0.1+steer:2:file=v.safetensors", or none.

    Raises:
        LensArgumentError: a name, setting or value that does not exist, with the nearest known one.
    """
    if words is None or words is False or str(words).strip().lower() in ("", "none"):
        return ()
    made = tuple(_one(each.strip()) for each in str(words).split("+"))
    names = [each.name for each in made]
    if len(set(names)) < len(names):
        raise LensArgumentError(f"lens_intervene={words}: {names} names one more than once")
    return made


def _one(words: str) -> Intervention:
    name, *rest = words.split(":")
    if name not in INTERVENTIONS:
        raise LensArgumentError(f"lens_intervene={words!r}: {_expected(name, INTERVENTIONS)}")
    make: Any = INTERVENTIONS[name]
    known = {_SPELT.get(each.name, each.name): each for each in fields(make) if each.repr}
    given: dict[str, Any] = {}
    for place, piece in enumerate(rest):
        setting, equals, value = piece.partition("=")
        if not equals and place == 0:
            setting, value = "strength", piece
        if setting not in known:
            raise LensArgumentError(f"lens_intervene={words!r}: {_expected(setting, known)}")
        given[known[setting].name] = _value(value, known[setting].default, f"{name}:{setting}")
    return make(**given)  # type: ignore[no-any-return]


def _expected(name: str, known: Mapping[str, Any]) -> str:
    return f"{name!r} is unknown." + (did_you_mean(name, known) or f" Known: {', '.join(known)}.")


def _value(text: str, default: Any, what: str) -> Any:
    """A value of the type of its default."""
    if isinstance(default, str):
        return text
    try:
        found = float(text)
    except ValueError as error:
        raise LensArgumentError(f"{what}={text!r} is not a number") from error
    whole = isinstance(default, int)
    if not math.isfinite(found) or (whole and found != int(found)):
        raise LensArgumentError(f"{what}={text!r}; expected a {'whole' if whole else 'finite'} number")
    return int(found) if whole else found
