"""`RunInfo`: which model, which lens, which settings made the records of a run; stored as JSON with every file."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime, timezone
from typing import Any, TypeVar

from lens_results.checks import text
from lens_results.errors import InvalidRecordError, RecordFormatError
from lens_results.schema import VERSION

T = TypeVar("T")

PARTS_LEFT_ASIDE = "parts_left_aside"
"""Key of the description: how many parts could not be read when the run was merged."""


def new_run_id() -> str:
    """A name no other run has: UTC time to the second and 32 random bits, e.g. `20260131T120000Z-1f2e3d4c`."""
    return f"{datetime.now(timezone.utc):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"


def utc_now() -> str:
    """The time now as ISO 8601 in UTC, to the second."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


@dataclass(frozen=True)
class HarnessInfo:
    """The harness that drove the run."""

    name: str = ""
    version: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ModelInfo:
    """The model that answered; `n_layers` is the number of decoder blocks, L in every relative depth l / L.

    None behind a server, which gives no layers.
    """

    name_or_path: str
    n_layers: int | None
    hidden_size: int | None = None
    vocab_size: int | None = None
    revision: str | None = None
    model_class: str | None = None
    dtype: str | None = None
    device: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class LensInfo:
    """What a readout means in this run.

    `layer_index` lists the layers read out in rising order (0: embedding output, l: output of block l);
    `thresholds` holds the constants of the scalars (tau, theta, m, delta, ...). `controls` names the other inputs under
    which each answer is read again.
    """

    layer_index: tuple[int, ...]
    norm: str = "final"
    topk: int | None = None
    scaling: str | float | None = None
    head: str | None = None
    candidate_rule: str | None = None
    position_rule: str | None = None
    thresholds: Mapping[str, float] = field(default_factory=dict)
    controls: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        layers = tuple(int(i) for i in self.layer_index)
        if list(layers) != sorted(set(layers)) or (layers and layers[0] < 0):
            raise InvalidRecordError(f"lens.layer_index: found {layers}, expected rising indices from 0 on.")
        object.__setattr__(self, "layer_index", layers)
        object.__setattr__(self, "controls", tuple(self.controls))


@dataclass(frozen=True)
class IdentityInfo:
    """How well the last layer's readout equals the model's own logits.

    Deviations are max |Δ| relative to the range of the logits. `run_*` and `n_checked` are computed from the
    samples' own values: by `merge` those of its file, by `load` those of the whole run.
    """

    load_deviation: float | None = None
    load_argmax: bool | None = None
    tolerance: float | None = None
    run_deviation: float | None = None
    run_argmax: bool | None = None
    n_checked: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RunInfo:
    """Everything that defines the numbers of a run. Keys of the JSON that are not known here are kept in `extra`.

    `metrics` lists for each task the metrics of its table, in the task's own order: name -> whether higher is better.
    """

    run_id: str
    model: ModelInfo
    lens: LensInfo
    created: str = field(default_factory=utc_now)
    harness: HarnessInfo = field(default_factory=HarnessInfo)
    identity: IdentityInfo = field(default_factory=IdentityInfo)
    generation: Mapping[str, Any] = field(default_factory=dict)
    prompt: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, Any] = field(default_factory=dict)
    seeds: Mapping[str, Any] = field(default_factory=dict)
    args: Mapping[str, Any] = field(default_factory=dict)
    control_cost: Mapping[str, Any] = field(default_factory=dict)
    answer_cost: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Mapping[str, bool | None]] = field(default_factory=dict)
    fingerprint: Mapping[str, Any] = field(default_factory=dict)
    format_version: str = VERSION
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.run_id or not all(c.isascii() and (c.isalnum() or c in "-_.") for c in self.run_id):
            raise InvalidRecordError(
                f"run_id: found {self.run_id!r}, expected ASCII letters, digits, '-', '_' or '.'. Use new_run_id()."
            )
        if self.run_id.startswith("."):
            raise InvalidRecordError(f"run_id: found {self.run_id!r}, expected no leading dot. Use new_run_id().")

    @property
    def has_layers(self) -> bool:
        """Whether layers were read; not where the model is behind a server."""
        return bool(self.lens.layer_index)

    def to_json(self) -> str:
        """The description as JSON. Values JSON does not know (paths, dtypes) become their `str`.

        Raises `InvalidRecordError` on NaN or infinity.
        """
        try:
            return text(json.dumps(_to_plain(self), ensure_ascii=False, allow_nan=False, default=str))
        except ValueError as err:
            raise InvalidRecordError(f"Run description: {err}. Store None for a number that is not finite.") from err

    @staticmethod
    def from_json(content: str) -> RunInfo:
        """The description `to_json` wrote, or one of a later minor version. Raises `RecordFormatError`."""
        try:
            plain = json.loads(content)
        except ValueError as err:
            raise RecordFormatError(f"Run description is not JSON ({err}); the file's metadata is damaged.") from err
        return _from_plain(RunInfo, plain, "run")


_NESTED: dict[str, type[Any]] = {
    "harness": HarnessInfo,
    "model": ModelInfo,
    "lens": LensInfo,
    "identity": IdentityInfo,
}


def _to_plain(info: Any) -> dict[str, Any]:
    plain = dict(info.extra)
    for item in fields(info):
        if item.name != "extra":
            value = getattr(info, item.name)
            plain[item.name] = _to_plain(value) if item.name in _NESTED else value
    return plain


def _from_plain(cls: Callable[..., T], plain: Any, where: str) -> T:
    if not isinstance(plain, dict):
        raise RecordFormatError(f"{where}: found {type(plain).__name__}, expected a JSON object.")
    names = {item.name for item in fields(cls)} - {"extra"}  # type: ignore[arg-type]
    known = {
        name: _from_plain(_NESTED[name], value, f"{where}.{name}") if cls is RunInfo and name in _NESTED else value
        for name, value in plain.items()
        if name in names
    }
    try:
        return cls(**known, extra={name: value for name, value in plain.items() if name not in names})
    except TypeError as err:
        raise RecordFormatError(f"{where}: {err}. The file's metadata is incomplete.") from err
