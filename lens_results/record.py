"""`SampleRecord`: what is kept of one sample.

Per-layer arrays list the layers of the run's `lens.layer_index` (or of the record's own `layer_index`) in rising
order; index 0 is the embedding output, index l the output of decoder block l before the final norm. Logarithms are
natural, entropies and divergences in nats. A value that could not be computed is None, never 0 or NaN.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from lens_results import checks
from lens_results.errors import InvalidRecordError
from lens_results.schema import SCHEMA

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int32]
Key = tuple[str, int, int, int]

KINDS = ("generate", "loglikelihood", "multi_round")
STATUSES = ("ok", "no_answer", "unaligned", "capture_failed", "non_finite", "not_run", "identity_failed")
CANDIDATE_METHODS = ("first_token", "teacher_forced")
CANDIDATE_SCORES = (
    "logit",
    "logprob",
    "logprob_per_token",
    "logprob_per_char",
    "logprob_per_byte",
    "logprob_per_token_char",
)
CONTROL_STATUSES = ("ok", "no_image", "no_other_image", "not_run", "failed", "non_finite", "identity_failed")

RANK_QUANTITIES = ("rank_pred", "rank_gold")
LAYER_QUANTITIES = (
    "logprob_pred",
    "rank_pred",
    "logprob_gold",
    "rank_gold",
    "entropy",
    "cand_entropy",
    "cand_mass",
    "kl_last",
    "jsd_last",
    "margin_pred",
    "log_odds",
    "energy",
    "resid_norm",
)
"""Quantities with one number a layer."""
ARRAY_MAPS = ("controls", "probes")
"""Fields with several named arrays: by control or probe, then by quantity."""
WIDE_QUANTITIES = ("cand_scores", "pivot_scores", "topk_ids", "topk_logprobs")
"""Quantities with one row a layer."""

_NO_ARRAYS = ("non_finite", "not_run")


@dataclass(frozen=True, eq=False, kw_only=True)
class SampleRecord:
    """One sample: identity, content, target, outcome, readout by layer, controls, scalars, scores.

    Values are normalised on construction (arrays become read-only copies, sequences tuples). Raises
    `InvalidRecordError` when shapes disagree, a number is NaN or infinite, or a status lacks its reason.
    `docs/record-format.md` defines every field.
    """

    # identity
    task: str
    doc_id: int
    kind: str
    split: str | None = None
    request_idx: int = 0
    repeat: int = 0
    # content
    question: str = ""
    response: str = ""
    gold: tuple[str, ...] = ()
    image_sha256: tuple[str, ...] = ()
    videos: tuple[Mapping[str, Any], ...] = ()
    sounds: tuple[Mapping[str, Any], ...] = ()
    prompt_sha256: str | None = None
    fingerprint: Mapping[str, str] = field(default_factory=dict)
    # target
    candidates: tuple[str, ...] = ()
    candidate_token_ids: tuple[tuple[int, ...], ...] = ()
    candidate_method: str | None = None
    candidate_score: str | None = None
    gold_candidate: int | None = None
    pred_candidate: int | None = None
    pivot_labels: tuple[str, ...] = ()
    cluster: str | None = None
    question_type: str | None = None
    dialogue: str | None = None
    turn: int | None = None
    answers_shown: int | None = None
    binary: tuple[int, int] | None = None
    # outcome
    status: str = "ok"
    status_reason: str | None = None
    correct: bool | None = None
    answer_rule: str | None = None
    answer_aligned: bool | None = None
    answer_step: int | None = None
    answer_token_id: int | None = None
    n_generated: int | None = None
    identity_deviation: float | None = None
    identity_argmax: bool | None = None
    # layers
    layer_index: tuple[int, ...] | None = None
    logprob_pred: FloatArray | None = None
    rank_pred: IntArray | None = None
    logprob_gold: FloatArray | None = None
    rank_gold: IntArray | None = None
    entropy: FloatArray | None = None
    cand_entropy: FloatArray | None = None
    cand_mass: FloatArray | None = None
    kl_last: FloatArray | None = None
    jsd_last: FloatArray | None = None
    margin_pred: FloatArray | None = None
    log_odds: FloatArray | None = None
    energy: FloatArray | None = None
    resid_norm: FloatArray | None = None
    cand_scores: FloatArray | None = None
    pivot_scores: FloatArray | None = None
    topk_ids: IntArray | None = None
    topk_logprobs: FloatArray | None = None
    topk_tokens: tuple[tuple[str, ...], ...] | None = None
    # a served model's output
    output_tokens: tuple[str, ...] = ()
    # controls
    controls: Mapping[str, Mapping[str, FloatArray]] = field(default_factory=dict)
    control_source: Mapping[str, int] = field(default_factory=dict)
    control_status: Mapping[str, str] = field(default_factory=dict)
    control_reason: Mapping[str, str] = field(default_factory=dict)
    # further probes
    probes: Mapping[str, Mapping[str, FloatArray]] = field(default_factory=dict)
    probe_status: Mapping[str, str] = field(default_factory=dict)
    token_texts: Mapping[str, str] = field(default_factory=dict)
    # scalars
    label_free: Mapping[str, float | None] = field(default_factory=dict)
    gold_based: Mapping[str, float | None] = field(default_factory=dict)
    scores: Mapping[str, float | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, value in self._normalised():
            object.__setattr__(self, name, value)
        self._check_choices()
        self._check_target()
        self._check_layers()
        self._check_status()

    @property
    def key(self) -> Key:
        """`(task, doc_id, request_idx, repeat)`: unique within a run."""
        return (self.task, self.doc_id, self.request_idx, self.repeat)

    @property
    def n_layers(self) -> int | None:
        """Length of the layer axis; None for a record without arrays."""
        return next((len(value) for _, value in self._by_layer()), None)

    def __eq__(self, other: object) -> bool:
        """All fields equal, arrays element by element."""
        if not isinstance(other, SampleRecord):
            return NotImplemented
        return all(_same(getattr(self, f.name), getattr(other, f.name)) for f in fields(self))

    def __hash__(self) -> int:
        """By key."""
        return hash(self.key)

    def _normalised(self) -> Iterator[tuple[str, Any]]:
        for name, convert in _CONVERTERS.items():
            value = getattr(self, name)
            as_it_is = value is None and name in _NULLABLE
            as_it_is |= type(value) is tuple and not value and name in _EMPTY_BY_DEFAULT
            if not as_it_is:
                yield name, convert(name, value)

    def _by_layer(self) -> Iterator[tuple[str, Any]]:
        """Everything whose first axis is the layers."""
        for name in (*LAYER_QUANTITIES, *WIDE_QUANTITIES, "topk_tokens", "layer_index"):
            if getattr(self, name) is not None:
                yield name, getattr(self, name)
        for control, arrays in self.controls.items():
            for name, value in arrays.items():
                yield f"controls[{control!r}][{name!r}]", value

    def _check_choices(self) -> None:
        checks.one_of("kind", self.kind, KINDS)
        checks.one_of("status", self.status, STATUSES)
        if self.candidate_method is not None:
            checks.one_of("candidate_method", self.candidate_method, CANDIDATE_METHODS)
        if self.candidate_score is not None:
            checks.one_of("candidate_score", self.candidate_score, CANDIDATE_SCORES)
        for control, status in self.control_status.items():
            checks.one_of(f"control_status[{control!r}]", status, CONTROL_STATUSES)

    def _check_target(self) -> None:
        n = len(self.candidates)
        checks.index("gold_candidate", self.gold_candidate, n)
        checks.index("pred_candidate", self.pred_candidate, n)
        if self.binary is not None:
            if len(self.binary) != 2 or self.binary[0] == self.binary[1]:
                raise InvalidRecordError(f"binary: found {self.binary}, expected (positive, negative) or None.")
            for i in self.binary:
                checks.index("binary", i, n)
        if self.candidate_token_ids and len(self.candidate_token_ids) != n:
            raise InvalidRecordError(
                f"candidate_token_ids: found {len(self.candidate_token_ids)} entries, expected {n}, one a candidate."
            )
        checks.width("cand_scores", self.cand_scores, n, "the candidates")
        if self.pivot_labels:
            checks.width("pivot_scores", self.pivot_scores, len(self.pivot_labels), "pivot_labels")

    def _check_layers(self) -> None:
        n, first = None, ""
        for name, value in self._by_layer():
            if n is None:
                n, first = len(value), name
            if len(value) != n:
                raise InvalidRecordError(
                    f"{name}: found {len(value)} layers, expected {n} as in {first}. "
                    "All arrays of a record list the same layers."
                )
        widths = {array.shape[1] for array in (self.topk_ids, self.topk_logprobs) if array is not None}
        widths |= {len(row) for row in self.topk_tokens or ()}
        if len(widths) > 1:
            raise InvalidRecordError(f"top-k: found widths {sorted(widths)}, expected the same k in all of topk_*.")
        known = self.probes.get("output", {}).get("logprobs", ())
        if len(known) != len(self.output_tokens):
            raise InvalidRecordError(
                f"output_tokens: found {len(self.output_tokens)} tokens and {len(known)} log-probabilities of them "
                "(probe output, logprobs), expected as many."
            )

    def _check_status(self) -> None:
        if self.status != "ok" and not self.status_reason:
            raise InvalidRecordError(f"status_reason: found none for status {self.status!r}, expected why, in words.")
        arrays = [name for name, _ in self._by_layer() if name != "layer_index"]
        if self.status in _NO_ARRAYS and arrays:
            raise InvalidRecordError(f"status {self.status!r}: found {arrays[0]}, expected no arrays.")
        for control, status in self.control_status.items():
            if status != "ok" and not self.control_reason.get(control):
                raise InvalidRecordError(f"control_reason: found none for {control} with {status!r}, expected why.")
            if status != "ok" and control in self.controls:
                raise InvalidRecordError(f"control_status {status!r} of {control}: found arrays, expected none.")


def _layer_array(name: str, value: Any) -> npt.NDArray[Any] | None:
    """A per-layer array; None where it is empty: without candidates or layers nothing was read out."""
    whole = name in RANK_QUANTITIES or name == "topk_ids"
    ndim = (1,) if name in LAYER_QUANTITIES else (2,)
    return None if np.size(value) == 0 else checks.array(name, value, np.int32 if whole else np.float32, ndim)


def _arrays(field_name: str, given: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Name -> quantity -> float array of one or two axes; empty arrays are left out."""
    found = {
        name: {
            q: checks.array(f"{field_name}[{name!r}][{q!r}]", value, np.float32, (1, 2))
            for q, value in arrays.items()
            if np.size(value)
        }
        for name, arrays in given.items()
    }
    return {name: arrays for name, arrays in found.items() if arrays}


_CONVERTERS: dict[str, checks.Converter] = {
    **{item.name: checks.converter(item.type) for item in SCHEMA},
    **dict.fromkeys((*LAYER_QUANTITIES, *WIDE_QUANTITIES), _layer_array),
    **dict.fromkeys(ARRAY_MAPS, _arrays),
}
_NULLABLE = frozenset(item.name for item in SCHEMA if item.nullable)
_EMPTY_BY_DEFAULT = frozenset(item.name for item in fields(SampleRecord) if item.default == ())


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return a.dtype == b.dtype and np.array_equal(a, b)
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(_same(a[k], b[k]) for k in a)
    return type(a) is type(b) and bool(a == b)
