"""One case: a shape, a batch, a length; all ways in turn, their times, ratios and peak memory."""

from __future__ import annotations

import functools
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.measure import Column, PeakMemory, alternate
from lens_models import find_parts
from lens_models.interventions import interventions_of

from .others import OTHERS, NotAvailableError, nnsight, transformer_lens
from .recorded import ProbedGeneration, RecordedGeneration
from .shapes import Shape

__all__ = ["COLUMNS", "LENS", "NAIVE", "PICTURE", "PLAIN", "Case", "measure"]

PLAIN, LENS, HOOKS = "plain generation", "lens", "lens, hooks alone"
NAIVE = "output_hidden_states, head everywhere"
COLUMNS = (
    Column("way", "way"),
    Column("seconds", "seconds"),
    Column("ratio", "over plain"),
    Column("added_ms", "added ms"),
    Column("peak_mib", "peak MiB"),
    Column("note", "note"),
)
"""Of the rows that `measure` gives."""
PICTURE = ("probe image_tokens", "probe attention")


@dataclass(frozen=True)
class Case:
    """What to time.

    Attributes:
        rounds: of plain generation and the lens.
        others: rounds of other ways to a readout; 0 leaves them out.
        naive: rounds of the one of them that takes ten times as long; 0 leaves it out.
        interventions: words of `lens_intervene`, each of which is timed.
    """

    shape: Shape
    batch: int
    tokens: int
    rounds: int
    others: int = 0
    naive: int = 0
    interventions: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """For messages."""
        return f"{self.shape.name}, batch {self.batch}, {self.tokens} tokens"


def measure(
    case: Case, model: Any, device: torch.device, clock: Callable[[], float] = time.perf_counter
) -> list[dict[str, Any]]:
    """One row a way: seconds, ratio to plain generation, added seconds, peak memory; or why it could not run."""
    inputs = case.shape.inputs(model, case.batch)
    inputs = {name: value.to(device) for name, value in inputs.items()}
    inputs["pixel_values"] = inputs["pixel_values"].to(model.dtype)
    arguments = {
        "max_new_tokens": case.tokens, "min_new_tokens": case.tokens, "do_sample": False, "pad_token_id": 0,
    }  # fmt: skip
    probe = {name: value.to(device) for name, value in case.shape.inputs(model, 1).items()}
    probe["pixel_values"] = probe["pixel_values"].to(model.dtype)
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        recorded = RecordedGeneration(model, probe, Path(folder))
        ways: dict[str, Callable[[], object]] = {
            PLAIN: lambda: model.generate(**inputs, **arguments),
            LENS: lambda: recorded(inputs, arguments),
            HOOKS: lambda: recorded.generate(inputs, arguments),
        }
        for name in PICTURE:
            ways[name] = functools.partial(ProbedGeneration(model, probe, name.split()[1]), inputs, arguments)
        for words in case.interventions:
            changed = interventions_of(words)
            ways[f"intervention {words}"] = functools.partial(recorded.generate, inputs, arguments, changed)
        missing = _add_others(ways, case, model, inputs, arguments)
        return _timed(case, ways, device, clock) + [
            _row(case, name, {"note": reason}) for name, reason in missing.items()
        ]


def _add_others(
    ways: dict[str, Callable[[], object]], case: Case, model: Any, inputs: Any, arguments: Any
) -> dict[str, str]:
    """Add what can run; return what cannot, with the reason."""
    if not case.others:
        return {}
    parts = find_parts(model)
    for name, way in OTHERS.items():
        if name != NAIVE or case.naive:
            ways[name] = functools.partial(way, model, parts, inputs, arguments)
    missing = {}
    traced = functools.partial(nnsight, model, parts, inputs, arguments)
    try:
        traced()
        ways["nnsight"] = traced
    except Exception as error:  # whatever a library does with a model that it does not know
        missing["nnsight"] = _reason(error)
    try:
        transformer_lens(model)
    except NotAvailableError as error:
        missing["TransformerLens"] = str(error)
    return missing


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, NotAvailableError) else f"{type(error).__name__}: {str(error)[:150]}"


def _timed(
    case: Case, ways: Mapping[str, Callable[[], object]], device: torch.device, clock: Callable[[], float]
) -> list[dict[str, Any]]:
    wait = functools.partial(torch.cuda.synchronize, device) if device.type == "cuda" else (lambda: None)
    few = dict.fromkeys((*OTHERS, "nnsight"), case.others) | {NAIVE: case.naive}
    few = {name: rounds for name, rounds in few.items() if name in ways and rounds < case.rounds}
    timings = alternate(ways, case.rounds, few=few, wait=wait, clock=clock)
    rows = []
    for name, run in ways.items():
        with PeakMemory(device) as peak:
            run()
        rows.append(
            _row(
                case,
                name,
                {
                    "seconds": timings.of(name),
                    "ratio": timings.ratio(name, PLAIN),
                    "added_ms": 1000 * timings.added(name, PLAIN).median,
                    "peak_mib": peak.mib,
                },
            )
        )
    return rows


def _row(case: Case, way: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {"shape": case.shape.name, "batch": case.batch, "tokens": case.tokens, "way": way, **values}
