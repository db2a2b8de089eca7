"""An answer and what a server gave with it, as a record; see docs/mera.md for what is in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import exp
from typing import Any

from lens_engine.candidates import SampleCandidates, named_candidates
from lens_engine.failures import NoReadout
from lens_engine.position import HiddenReasoning, find_answer
from lens_engine.records import common_fields, valid_record
from lens_engine.sample import Choices, Sample
from lens_results import SampleRecord
from lens_tasks import AnswerSpan
from lens_tasks.answers import same_answer

from .output import Output, candidate_shares, output_of
from .tokens import step_at, tokens_of

__all__ = ["OUTPUT", "ServedAnswer", "ServedReader"]

OUTPUT = "output"
"""Name of what a record keeps of the output's distribution, among its probes."""


@dataclass(frozen=True)
class ServedAnswer:
    """The answer to one sample.

    Attributes:
        text: as the harness takes it.
        content: the text as the server gave it; None where it gave none.
        choice: the entry of `choices` that it came in, as JSON values.
        n_tokens: number of tokens that were generated, where the server said so.
        why_none: why the server was not asked for log-probabilities, or refused; empty where it was asked.
    """

    text: str
    content: str | None = None
    choice: Mapping[str, Any] = field(default_factory=dict, repr=False)
    n_tokens: int | None = None
    why_none: str = ""


class ServedReader:
    """Makes one record of each answer; a `lens_engine.recording.Reads`."""

    def held(self, samples: Sequence[Sample], answers: Sequence[ServedAnswer], /) -> None:
        """Each answer is read by itself."""

    def read(self, samples: Sequence[Sample], answers: Sequence[ServedAnswer], /) -> list[SampleRecord]:
        """One record a sample, in order; without log-probabilities it holds the answer and why there is no more."""
        return [_record(sample, answer) for sample, answer in zip(samples, answers, strict=True)]

    def read_choices(self, choices: Choices, scored: Any, problem: NoReadout | None = None, /) -> SampleRecord:
        """Chat completions score no given text."""
        raise NotImplementedError(f"{choices.samples[0].where}: chat completions score no choices")


def _record(sample: Sample, answer: ServedAnswer) -> SampleRecord:
    common = common_fields(sample, answer.text, answer.n_tokens, None)
    span = find_answer(sample, answer.text, HiddenReasoning())
    if isinstance(span, NoReadout):
        return valid_record(sample, answer.text, common, status=span.status, status_reason=span.reason)
    named = _named(sample, span)
    common |= {
        "candidates": named.labels,
        "gold_candidate": named.gold,
        "pred_candidate": named.pred,
        "binary": named.binary,
        "correct": named.correct,
        "answer_rule": span.rule,
        "answer_aligned": span.aligned,
    }
    found = _output(answer, span)
    if isinstance(found, NoReadout):
        return valid_record(sample, answer.text, common, status=found.status, status_reason=found.reason)
    step, output = found
    return valid_record(sample, answer.text, common | _readout(sample, named, output), answer_step=step)


def _named(sample: Sample, span: AnswerSpan) -> SampleCandidates:
    """The candidates where they are known without the right answer, and whether the answer is right."""
    target = sample.target
    if target.candidates:
        named = named_candidates(target, span)
        return named if named.fixed else SampleCandidates(fixed=False, correct=named.correct)
    right = any(same_answer(span.text.strip(), gold.strip()) for gold in target.gold_texts if gold.strip())
    # another wording than the gold text's may be right as well
    return SampleCandidates(fixed=False, correct=True if right else None)


def _output(answer: ServedAnswer, span: AnswerSpan) -> tuple[int, Output] | NoReadout:
    """The step at which the answer is decided, and the distribution there."""
    if answer.why_none:
        return NoReadout("not_run", answer.why_none)
    tokens = tokens_of(answer.choice)
    if isinstance(tokens, NoReadout):
        return tokens
    step = step_at(tokens, answer.content or "", answer.text, span.decided_at)
    if isinstance(step, NoReadout):
        return step
    output = output_of(tokens[step])
    return output if isinstance(output, NoReadout) else (step, output)


def _readout(sample: Sample, named: SampleCandidates, output: Output) -> dict[str, Any]:
    logprob = output.own.logprob
    arrays: dict[str, Any] = {"logprobs": [each.logprob for each in output.top], "outside": [output.outside]}
    status = {OUTPUT: "ok"}
    scalars: dict[str, float | None] = {}
    if logprob is None:
        status[f"{OUTPUT} answer"] = "not_told: the server calls the token of the answer unlikely and says no more"
    else:
        arrays["logprob_pred"] = [logprob]
    if not named.labels:
        scalars["vocab_final_prob"] = None if logprob is None else exp(logprob)
    elif len(named.labels) > 1:
        found = candidate_shares(output, sample.target.candidates, named.pred)
        status |= {f"{OUTPUT} {name}": f"uncertain: {why}" for name, why in found.reasons.items()}
        if found.shares is not None:
            arrays["shares"] = found.shares
        if found.entropy is not None:
            arrays["cand_entropy"] = [found.entropy]
        own = None if found.shares is None or named.pred is None else float(found.shares[named.pred])
        scalars |= {"final_prob": own, "final_margin": found.margin}
    return {
        "output_tokens": tuple(each.text for each in output.top),
        "probes": {OUTPUT: arrays},
        "probe_status": status,
        "label_free": scalars,
    }
