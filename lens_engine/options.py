"""The lens's own entries of `--model_args`, the same for every harness."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lens_models import LensArgumentError, LensSettings
from lens_models.interventions import Intervention, interventions_of
from lens_models.metrics import Thresholds
from lens_models.nearest import did_you_mean, nearest
from lens_models.probes import PROBES

from .controls import CONTROL_NAMES, MASK_NAMES, MASK_WAYS
from .steps import MOST_STEPS

__all__ = [
    "LENS_ARGUMENTS",
    "LensOptions",
    "flag",
    "number",
    "parse_layers",
    "reject_unknown",
    "take_lens_options",
    "whole_number",
]

_LARGEST_LAYER = 9999

LENS_ARGUMENTS: dict[str, str] = {
    "lens": "record lens readouts (True) or run the model alone (False)",
    "lens_layers": "layers to read: all, or numbers and ranges joined by '+', such as 0+4-8+24; 0 is the embedding",
    "lens_topk": "tokens kept of each layer (5)",
    "lens_norm": "final: through the model's final norm; none: without it",
    "lens_kind": "how a layer is turned into what the model's unembedding reads: logit (each layer as it is), tuned "
    "or jacobian (of lens_tiny), tuned:FOLDER or jacobian:FOLDER of `mmlens train-lens`",
    "lens_allow_worse": "read with a learnt lens that is not known to be better than the logit lens (False)",
    "lens_probes": "what else is observed at each generated step: names joined by '+', such as step_entropy, or none",
    "lens_most_steps": "steps of a response after which the probe steps forces the answer; of more, evenly (32)",
    "lens_maps": "image maps kept of each sample: top (the layers that fit into a kilobyte) or all",
    "lens_relative_attention": "divide attention maps by those of a generic prompt: one more pass an image (False)",
    "lens_intervene": "change the run, NAME:STRENGTH:SETTING=VALUE, joined by '+': "
    "adaptvis, crop, deco, dola, early_exit, icd, icot, memvr, pai, select, steer, vcd, vista",
    "lens_controls": "read each answer again under other images: blank, shuffled, blank+shuffled, or none",
    "lens_causal": "read answers again without image tokens: of boxes, top_attention, top_lens, joined by '+', or none",
    "lens_causal_by": "embedding: image tokens become their mean; pixels: their places are painted over",
    "lens_one_prefill": "score all choices of a question behind one run of its prompt; scores then differ from the "
    "harness's own by rounding (False)",
    "lens_shared_prefix": "go on from the keys and values of the prompt before where one begins with the same picture; "
    "logits then differ from the harness's own by rounding (False)",
    "lens_shared_vision": "encode each picture once, whatever stands beside it in a batch; logits then differ from the "
    "harness's own by rounding (False)",
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
    whole_maps: bool = False
    relative_attention: bool = False
    masks: tuple[str, ...] = ()
    mask_way: str = MASK_WAYS[0]
    interventions: tuple[Intervention, ...] = ()
    one_prefill: bool = False
    shared_prefix: bool = False
    shared_vision: bool = False
    most_steps: int = MOST_STEPS


def take_lens_options(arguments: Mapping[str, Any]) -> tuple[LensOptions, dict[str, Any]]:
    """Split model arguments into the lens's options and the rest.

    Raises:
        LensArgumentError: a name that is meant for the lens and does not exist ("did you mean"), or a wrong value.
    """
    own = {name: value for name, value in arguments.items() if name in LENS_ARGUMENTS}
    rest = {name: value for name, value in arguments.items() if name not in own}
    reject_unknown([name for name in rest if _means_the_lens(name)], LENS_ARGUMENTS)
    thresholds = _thresholds(own)
    settings = LensSettings(
        layers=parse_layers(own.get("lens_layers", "all")),
        topk=whole_number(own.get("lens_topk", 5), "lens_topk"),
        norm=_norm(own.get("lens_norm", "final")),
        lens=str(own.get("lens_kind", "logit")).strip(),
        allow_worse=flag(own.get("lens_allow_worse", False), "lens_allow_worse"),
        probes=_names("lens_probes", own.get("lens_probes"), PROBES),
        memory_limit=whole_number(own["lens_memory_mb"], "lens_memory_mb") * 2**20 if "lens_memory_mb" in own else None,
    )
    relative_attention = flag(own.get("lens_relative_attention", False), "lens_relative_attention")
    if relative_attention and "attention" not in settings.probes:
        raise LensArgumentError("lens_relative_attention=True divides attention maps; add lens_probes=attention")
    options = LensOptions(
        enabled=flag(own.get("lens", True), "lens"),
        settings=settings,
        thresholds=thresholds,
        directory=_directory(own.get("lens_dir")),
        thumbnails=flag(own.get("lens_thumbnails", True), "lens_thumbnails"),
        controls=_names("lens_controls", own.get("lens_controls"), CONTROL_NAMES),
        whole_maps=_one_of("lens_maps", own.get("lens_maps", "top"), ("top", "all")) == "all",
        relative_attention=relative_attention,
        masks=_names("lens_causal", own.get("lens_causal"), MASK_NAMES),
        interventions=interventions_of(own.get("lens_intervene")),
        one_prefill=flag(own.get("lens_one_prefill", False), "lens_one_prefill"),
        shared_prefix=flag(own.get("lens_shared_prefix", False), "lens_shared_prefix"),
        shared_vision=flag(own.get("lens_shared_vision", False), "lens_shared_vision"),
        most_steps=whole_number(own.get("lens_most_steps", MOST_STEPS), "lens_most_steps"),
        mask_way=_one_of("lens_causal_by", own.get("lens_causal_by", MASK_WAYS[0]), MASK_WAYS),
    )
    return options, rest


def _means_the_lens(name: str) -> bool:
    """Whether an argument of another name is a slip of one of the lens's, which must not pass to the model unseen."""
    spelt = _spelt(name)
    return spelt.startswith("lens") or nearest(spelt, LENS_ARGUMENTS, cutoff=0.85) is not None


def _spelt(name: str) -> str:
    return name.lower().replace("-", "_")


def _norm(value: object) -> Any:
    return "none" if value is None else value  # lm-eval reads the word as Python's None


def _one_of(argument: str, value: object, known: Collection[str]) -> str:
    name = str(value).strip().lower()
    if name not in known:
        raise LensArgumentError(f"{argument}={value!r}; expected one of {', '.join(known)}.{did_you_mean(name, known)}")
    return name


def _directory(value: object) -> Path | None:
    if value is None:
        return None
    if isinstance(value, bool) or not str(value).strip():
        raise LensArgumentError(f"lens_dir={value!r}; expected the path of a folder")
    return Path(str(value)).expanduser()


def _thresholds(own: Mapping[str, Any]) -> Thresholds:
    default = Thresholds()
    try:
        return Thresholds(
            theta=number(own.get("lens_theta", default.theta), "lens_theta"),
            m=whole_number(own.get("lens_m", default.m), "lens_m"),
            delta=number(own.get("lens_delta", default.delta), "lens_delta"),
            tau=number(own.get("lens_tau", default.tau), "lens_tau"),
        )
    except LensArgumentError:
        raise
    except ValueError as error:
        raise LensArgumentError(f"lens_{error}") from error


def parse_layers(value: object) -> tuple[int, ...] | None:
    """Layer numbers of "all" (None), 7, "0+4-8+24" or a list of numbers, in ascending order.

    Raises:
        LensArgumentError: anything else: a range that descends, a layer named twice, signs, fractions, gaps.
    """
    if value is None or (isinstance(value, str) and value.strip().lower() == "all"):
        return None
    pieces = list(value) if isinstance(value, list | tuple) else str(value).split("+")
    numbers = [layer for piece in pieces for layer in _layers(piece, value)]
    if not numbers:
        raise LensArgumentError(f"lens_layers={value!r} names no layer")
    twice = sorted(layer for layer, times in Counter(numbers).items() if times > 1)
    if twice:
        raise LensArgumentError(f"lens_layers={value!r} names layer {twice[0]} more than once")
    return tuple(sorted(numbers))


def _layers(piece: object, value: object) -> range:
    """The layers of "4" or "4-8"; `value` is what the user gave in all."""
    text = "" if isinstance(piece, bool) else str(piece)
    found = re.fullmatch(r"\s*([0-9]+)\s*(?:-\s*([0-9]+)\s*)?", text)
    if found is None:
        raise LensArgumentError(f"lens_layers={value!r}: expected 'all' or numbers and ranges such as 0+4-8+24")
    first, last = int(found[1]), int(found[2] or found[1])
    if last < first:
        raise LensArgumentError(f"lens_layers={value!r}: the range {first}-{last} descends; write {last}-{first}")
    if last > _LARGEST_LAYER:
        raise LensArgumentError(f"lens_layers={value!r}: no model has a layer {last}")
    return range(first, last + 1)


def _names(argument: str, value: object, known: Collection[str]) -> tuple[str, ...]:
    """Names out of `known`, in its order, of "blank+shuffled", a list of names, or none.

    Raises:
        LensArgumentError: a name that does not exist ("did you mean"), or one named twice.
    """
    if value is None or value is False:
        return ()
    pieces = list(value) if isinstance(value, list | tuple) else str(value).split("+")
    names = [str(piece).strip().lower() for piece in pieces]
    if names in ([], ["none"]):
        return ()
    wrong = next((name for name in names if name not in known or names.count(name) > 1), None)
    if wrong is not None:
        hint = did_you_mean(wrong, known) if wrong not in known else ""
        raise LensArgumentError(f"{argument}={value!r}: expected none, or {_listed(known)}.{hint}")
    return tuple(name for name in known if name in names)


def _listed(names: Collection[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} or {last}, or several joined by '+'" if first else last


def reject_unknown(names: Iterable[str], known: Iterable[str], what: str = "model argument") -> None:
    """Raise for the first unknown name, with the nearest known one; `what` says of what it is a name.

    Raises:
        LensArgumentError: `names` is not empty.
    """
    known = sorted(known)
    for name in names:
        hint = did_you_mean(_spelt(name), known) or f" Known: {', '.join(known)}."
        raise LensArgumentError(f"unknown {what} '{name}'.{hint}")


def number(value: object, name: str) -> float:
    """A finite number from a number or its text.

    Raises:
        LensArgumentError: anything else, True and False included.
    """
    try:
        found = math.nan if isinstance(value, bool) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise LensArgumentError(f"{name}={value!r} is not a number") from error
    if not math.isfinite(found):
        raise LensArgumentError(f"{name}={value!r} is not a finite number")
    return found


def whole_number(value: object, name: str) -> int:
    """A whole number from 1 on, from a number or its text.

    Raises:
        LensArgumentError: anything else.
    """
    found = number(value, name)
    if found != int(found) or found < 1:
        raise LensArgumentError(f"{name}={value!r}; expected a whole number from 1 on")
    return int(found)


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
