"""The lens's own entries of `--model_args`, the same for every harness."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness_ext.controls import CONTROL_NAMES
from lens_models import LensArgumentError, LensSettings
from lens_models.metrics import Thresholds

__all__ = [
    "LENS_ARGUMENTS",
    "LensOptions",
    "flag",
    "parse_controls",
    "parse_layers",
    "reject_unknown",
    "take_lens_options",
]

LENS_ARGUMENTS: dict[str, str] = {
    "lens": "record lens readouts (True) or run the model alone (False)",
    "lens_layers": "layers to read: all, or numbers and ranges joined by '+', such as 0+4-8+24; 0 is the embedding",
    "lens_topk": "tokens kept of each layer (5)",
    "lens_norm": "final: through the model's final norm; none: without it",
    "lens_controls": "read each answer again under other images: blank, shuffled, blank+shuffled, or none",
    "lens_dir": "folder of the records, instead of the harness's output folder",
    "lens_theta": "candidate mass above which a layer is read as being about the candidates",
    "lens_m": "layers in a row for which a lead must last",
    "lens_delta": "clear lead, in nats",
    "lens_tau": "Jensen-Shannon divergence below which a layer equals the last, in nats",
    "lens_thumbnails": "keep a small picture of each image beside the records, for the report (True)",
    "lens_memory_mb": "memory that one readout may use, in MiB",
}
"""Name -> meaning of every lens argument."""


@dataclass(frozen=True)
class LensOptions:
    """What the user asked of the lens."""

    enabled: bool = True
    settings: LensSettings = field(default_factory=LensSettings)
    thresholds: Thresholds = field(default_factory=Thresholds)
    directory: Path | None = None
    thumbnails: bool = True
    controls: tuple[str, ...] = ()


def take_lens_options(arguments: Mapping[str, Any]) -> tuple[LensOptions, dict[str, Any]]:
    """Split model arguments into the lens's options and the rest.

    Raises:
        LensArgumentError: a `lens*` name that does not exist ("did you mean"), or a value out of range.
    """
    own = {name: value for name, value in arguments.items() if name == "lens" or name.startswith("lens_")}
    rest = {name: value for name, value in arguments.items() if name not in own}
    reject_unknown([name for name in own if name not in LENS_ARGUMENTS], LENS_ARGUMENTS)
    thresholds = _thresholds(own)
    settings = LensSettings(
        layers=parse_layers(own.get("lens_layers", "all")),
        topk=_whole(own, "lens_topk", 5),
        norm=own.get("lens_norm", "final"),
        memory_limit=_whole(own, "lens_memory_mb", 0) * 2**20 or None,
    )
    directory = Path(str(own["lens_dir"])).expanduser() if own.get("lens_dir") else None
    options = LensOptions(
        enabled=flag(own.get("lens", True), "lens"),
        settings=settings,
        thresholds=thresholds,
        directory=directory,
        thumbnails=flag(own.get("lens_thumbnails", True), "lens_thumbnails"),
        controls=parse_controls(own.get("lens_controls")),
    )
    return options, rest


def _thresholds(own: Mapping[str, Any]) -> Thresholds:
    default = Thresholds()
    try:
        return Thresholds(
            theta=_number(own, "lens_theta", default.theta),
            m=_whole(own, "lens_m", default.m),
            delta=_number(own, "lens_delta", default.delta),
            tau=_number(own, "lens_tau", default.tau),
        )
    except LensArgumentError:
        raise
    except ValueError as error:
        raise LensArgumentError(str(error)) from error


def parse_layers(value: object) -> tuple[int, ...] | None:
    """Layer numbers of "all" (None), 7, "0+4-8+24" or a list of numbers.

    Raises:
        LensArgumentError: anything else.
    """
    if value is None or value == "all":
        return None
    if isinstance(value, list | tuple):
        value = "+".join(str(item) for item in value)
    numbers: list[int] = []
    for piece in str(value).replace(" ", "").split("+"):
        first, dash, last = piece.partition("-")
        if not first.isdigit() or (dash and not last.isdigit()):
            raise LensArgumentError(f"lens_layers={value!r}: expected 'all' or numbers and ranges such as 0+4-8+24")
        numbers.extend(range(int(first), int(last or first) + 1))
    if not numbers:
        raise LensArgumentError(f"lens_layers={value!r} names no layer")
    return tuple(sorted(set(numbers)))


def parse_controls(value: object) -> tuple[str, ...]:
    """Names out of `CONTROL_NAMES`, in that order, of "blank+shuffled", a list of names, or none.

    Raises:
        LensArgumentError: a control that does not exist ("did you mean").
    """
    pieces = value if isinstance(value, list | tuple) else str(value or "none").split("+")
    names = {str(piece).strip().lower() for piece in pieces} - {"none", ""}
    for name in sorted(names - set(CONTROL_NAMES)):
        near = difflib.get_close_matches(name, CONTROL_NAMES, n=1, cutoff=0.6)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise LensArgumentError(
            f"lens_controls={value!r}: expected none, {' or '.join(CONTROL_NAMES)}, or both joined by '+'.{hint}"
        )
    return tuple(name for name in CONTROL_NAMES if name in names)


def reject_unknown(names: Iterable[str], known: Iterable[str]) -> None:
    """Raise for the first unknown name, with the nearest known ones.

    Raises:
        LensArgumentError: `names` is not empty.
    """
    known = sorted(known)
    for name in names:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
        hint = f"Did you mean {near[0]}?" if near else f"Known: {', '.join(known)}."
        raise LensArgumentError(f"unknown model argument '{name}'. {hint}")


def _number(own: Mapping[str, Any], name: str, default: float) -> float:
    try:
        return float(own.get(name, default))
    except (TypeError, ValueError) as error:
        raise LensArgumentError(f"{name}={own[name]!r} is not a number") from error


def _whole(own: Mapping[str, Any], name: str, default: int) -> int:
    if name not in own:
        return default
    value = _number(own, name, default)
    if value != int(value) or value < 1:
        raise LensArgumentError(f"{name}={own[name]!r}; expected a whole number from 1 on")
    return int(value)


def flag(value: object, name: str) -> bool:
    """True or False from the ways in which users write them.

    Raises:
        LensArgumentError: anything else, so that no word is taken for a yes.
    """
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text in ("true", "1", "yes", "on"):
        return True
    if text in ("false", "0", "no", "off"):
        return False
    raise LensArgumentError(f"{name}={value!r}; expected True or False")
