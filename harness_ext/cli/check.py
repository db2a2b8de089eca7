"""`mmlens check MODEL`: what the lens found in a model, whether it reads it exactly, and what it costs."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness_ext.cli.failures import exit_on
from harness_ext.cli.model_options import Device, DeviceMap, Dtype, IncludePath, Revision, TrustRemoteCode
from harness_ext.cli.printing import AsFormat, Format, print_board
from harness_ext.cli.progress import progress

if TYPE_CHECKING:
    from harness_ext.cli.model_board import Part
    from harness_ext.model_check import CandidateSet, Costs
    from harness_ext.model_check.costs import Spread

__all__ = ["check"]

log = logging.getLogger(__name__)

_SETS_SHOWN = 8
_COLLISIONS_SHOWN = 3
_READ = {
    "first_token": "first token",
    "teacher_forced": "teacher forced: their first tokens are not distinct",
    "not_encodable": "not read: the tokenizer has no pieces for a candidate",
    "open": "open: the answer given is read, and the gold answer",
}


def check(
    model: Annotated[
        str, typer.Argument(help="A folder, a repository name, lens_tiny, lens_tiny_video or lens_tiny_audio.")
    ] = "lens_tiny",
    task: Annotated[str | None, typer.Option(help="A task of lmms-eval whose candidates and costs to look at.")] = None,
    include_path: IncludePath = None,
    documents: Annotated[int, typer.Option(min=1, help="Documents of the task whose candidates are looked at.")] = 50,
    samples: Annotated[int, typer.Option(min=0, help="Samples to answer for time and memory; 0 leaves it out.")] = 8,
    dtype: Dtype = "auto",
    device: Device = None,
    device_map: DeviceMap = None,
    revision: Revision = None,
    trust_remote_code: TrustRemoteCode = False,
    peft: Annotated[str | None, typer.Option(help="Folder or repository of an adapter for MODEL.")] = None,
    load_in_8bit: Annotated[bool, typer.Option("--load-in-8bit", help="Quantise by bitsandbytes.")] = False,
    load_in_4bit: Annotated[bool, typer.Option("--load-in-4bit", help="Quantise by bitsandbytes.")] = False,
    form: AsFormat = None,
) -> None:
    """Load MODEL, say which layers, norm and head were found, and prove the readout of the last layer.

    Then answer a few samples without and with the lens, twice each, for memory and for time. With --task the samples
    are documents of the task, and its candidates are looked up in the model's tokens.

    Exit code: 0 when the lens reads the model exactly; 1 when the model or the task cannot be loaded, or the model is
    refused; 2 for wrong options. Candidates that need teacher forcing are no failure.
    """
    from harness_ext.cli.model_board import Part
    from harness_ext.model_check import (
        ExamplePrompts,
        TaskError,
        candidate_sets,
        example_sample,
        load_task,
        measure_costs,
        task_samples,
    )
    from lens_engine import TransformersEngine
    from lens_engine.prompts import ProcessorPrompts
    from lens_models import LensError, LensSettings, load_model

    parts: list[Part] = []
    with exit_on(LensError, TaskError), _printed_whatever_comes(model, parts, form), progress("Loading", __name__):
        asked = None if task is None else load_task(task, include_path)
        loaded = load_model(
            model,
            dtype=dtype,
            device=device,
            device_map=device_map,
            revision=revision,
            trust_remote_code=trust_remote_code,
            peft=peft,
            quantisation={"load_in_8bit": load_in_8bit, "load_in_4bit": load_in_4bit},
        )
        prompts = (ExamplePrompts if asked is None else ProcessorPrompts)(
            loaded.model, loaded.processor, use_cache=True, warn=log.warning
        )
        log.info("Proving the readout of the last layer")
        engine = TransformersEngine(loaded.model, loaded.processor, prompts, LensSettings())
        parts.append(Part(f"{model} is read exactly", _findings(engine, loaded.model)))
        if asked is None:
            questions = [example_sample()] * samples
        else:
            questions = task_samples(asked, loaded, documents)
            sets = candidate_sets(loaded.tokenizer, [each.target for each in questions])
            parts.append(Part(f"Candidates of {task} in {len(questions)} documents", _candidates(sets)))
        if samples:
            log.info("Answering samples without and with the lens")
            costs = measure_costs(engine, loaded.tokenizer, questions[:: max(1, len(questions) // samples)][:samples])
            parts.append(Part(f"Costs of a sample ({len(costs.seconds_on)} answered one by one)", _costs(costs)))


@contextmanager
def _printed_whatever_comes(model: str, parts: Sequence[Part], form: Format | None) -> Iterator[None]:
    """What was found until something failed is printed too."""
    try:
        yield
    finally:
        if parts:
            from harness_ext.cli.model_board import ModelBoard

            print_board(ModelBoard(model, parts), form)


def _findings(engine: Any, model: Any) -> list[tuple[str, str]]:
    from lens_models.audio import sampling_rate_of

    lens = engine.lens
    parts, report = lens.parts, lens.identity
    return [
        ("class", parts.model_class),
        ("layers", f"{parts.n_layers} in {parts.decoder_path}"),
        ("final norm", str(parts.norm_path)),
        ("head", f"{parts.head_path} ({parts.hidden_size} -> {parts.vocab_size})"),
        ("after the head", report.transform),
        ("dtype, device", f"{str(model.dtype).removeprefix('torch.')}, {model.device}"),
        ("identity", f"off by {report.deviation:.1e} of the logit range (allowed {report.tolerance:.1e})"),
        ("top-1 token", "agrees" if report.argmax_agrees else "differs"),
        ("teacher forcing", _forcing(lens.forcing)),
        ("image tokens", _geometry(engine.image_tokens.report)),
        ("video tokens", _geometry(engine.image_tokens.video_report)),
        *([] if sampling_rate_of(engine.processor) is None else [("sound tokens", _of_sounds(engine))]),
    ]


def _of_sounds(engine: Any) -> str:
    problem = engine.image_tokens.sound_problem
    return f"not known: {problem}" if problem else "known: another sound changes exactly these"


def _geometry(report: Any) -> str:
    figures = report.figures
    if report.status != "proven":
        return f"geometry {report.status}: {report.reason}"
    return f"geometry proven ({figures.top1:.0%} of {figures.cases} painted spots)"


def _forcing(forcing: Any) -> str:
    """How multiple choice, candidates of several tokens and controls are scored."""
    if forcing.way is None:
        return f"refused for multiple choice, candidates of several tokens and controls: {forcing.reason}"
    said = f"{forcing.way}: off from generation by {forcing.deviation:.1e} (allowed {forcing.tolerance:.1e})"
    return said if forcing.reason is None else f"{said}; not in {forcing.reason}"


def _candidates(sets: Sequence[CandidateSet]) -> list[tuple[str, str]]:
    rows = []
    for each in sets[:_SETS_SHOWN]:
        lines = [f"{_READ[each.method]} ({each.n_documents} documents)", *each.collisions[:_COLLISIONS_SHOWN]]
        rows.append((", ".join(each.labels) or "none", "\n".join(lines)))
    if len(sets) > _SETS_SHOWN:
        rest = sets[_SETS_SHOWN:]
        forced = sum(each.method != "first_token" for each in rest)
        rows.append((f"{len(rest)} more sets", f"{len(rest) - forced} by first token, {forced} otherwise"))
    return rows


def _costs(costs: Costs) -> list[tuple[str, str]]:
    from harness_ext.model_check.costs import Spread

    rows = [
        ("seconds without the lens", _spread(Spread.of(costs.seconds_off), ".3f")),
        ("seconds with the lens", _spread(Spread.of(costs.seconds_on), ".3f")),
        ("the lens adds", _added(costs)),
    ]
    if costs.memory_off is not None and costs.memory_on is not None:
        more = (costs.memory_on - costs.memory_off) / 2**20
        rows += [
            ("peak memory without the lens", f"{costs.memory_off / 2**20:.0f} MiB"),
            ("peak memory with the lens", f"{costs.memory_on / 2**20:.0f} MiB ({more:+.0f} MiB)"),
        ]
    return rows


def _added(costs: Costs) -> str:
    """A share of the time only where three quarters of the samples took more of it: a busy machine hides it."""
    from harness_ext.model_check.costs import FEWEST_PAIRS

    added, n = costs.added, len(costs.seconds_on)
    if added is None or added.low is None or added.high is None:
        return f"not stated: {n} answered, at least {FEWEST_PAIRS} are needed (--samples)"
    if added.low < 0:
        spread = f"quartiles {added.low:+.0%} to {added.high:+.0%} of {n} samples"
        return f"not told apart from the machine's own changes ({spread}); try more --samples, on a quiet one"
    return _spread(added, "+.0%")


def _spread(values: Spread, form: str) -> str:
    if values.low is None or values.high is None:
        return f"{values.middle:{form}}"
    return f"{values.middle:{form}} (quartiles {values.low:{form}} to {values.high:{form}})"
