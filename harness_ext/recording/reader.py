"""Read the answers of a generated batch and make their records."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from torch import Tensor

from lens_models import (
    CaptureError,
    IdentityReport,
    LogitLens,
    Readout,
    ReadoutRow,
    StepNotKeptError,
    TracedGeneration,
)
from lens_models.candidates import TEACHER_FORCED
from lens_models.continuations import ScoredContinuation
from lens_models.metrics import Thresholds
from lens_results import SampleRecord
from lens_tasks import AnswerSpan

from .assemble import NON_FINITE, ReadSample, RecordAssembler
from .candidates import SampleCandidates, resolve_candidates
from .controlled import ControlReading, Controls, ReadAgain, controlled_record, counted_passes
from .forced import Rescore, RescoreUnder, Tokens, force_candidates, layer_scores, with_scores
from .position import AnswerPosition, Unlocated, find_position, n_generated
from .reading import Reading, attempt, read_rows
from .request import Images, SampleRequest

__all__ = ["BatchReader"]


class BatchReader:
    """Turns a traced batch into one record a request; nothing of the batch is changed.

    Args:
        lens: the proven lens of the model that generated.
        tokenizer: its tokenizer.
        thresholds: cut-offs of the scalar metrics.
    """

    def __init__(self, lens: LogitLens, tokenizer: Any, thresholds: Thresholds) -> None:
        self.lens = lens
        self.tokenizer = tokenizer
        self.assembler = RecordAssembler(lens, tokenizer, thresholds)
        self._end_ids = _end_ids(lens.model, tokenizer)

    def read(
        self,
        requests: Sequence[SampleRequest],
        generation: TracedGeneration,
        responses: Sequence[str],
        rescore: Rescore,
        rescore_under: RescoreUnder | None = None,
        controls: Controls | None = None,
    ) -> list[SampleRecord]:
        """One record a request, in order. A sample without a readable answer gets a status and a reason.

        Args:
            requests: what was asked, one a row of the batch.
            generation: the batch as it was generated.
            responses: the texts.
            rescore: runs the model again on one sample of the batch, for candidates that need teacher forcing.
            rescore_under: the same under other images, for `controls`.
            controls: read each sample again under other images.
        """
        readings = self._located(requests, responses, generation)
        for i, reading in enumerate(readings):
            score = functools.partial(rescore, i)
            reading.tried(functools.partial(self._take_row, requests[i], generation, i, reading, score))
        read_rows(self.lens, readings)
        self._check(generation, readings)
        records = []
        for i, (request, response, reading) in enumerate(zip(requests, responses, readings, strict=True)):
            reading.tried(functools.partial(_force, reading, functools.partial(rescore, i)))
            under = None if rescore_under is None else functools.partial(rescore_under, i)
            records.append(self._record(request, response, reading, under, controls))
        return records

    def _located(
        self, requests: Sequence[SampleRequest], responses: Sequence[str], generation: TracedGeneration
    ) -> list[Reading]:
        readings = []
        finite = self.lens.finite(generation)
        for i, (request, response) in enumerate(zip(requests, responses, strict=True)):
            row = generation.new_tokens[i]
            tokens = row[: n_generated(row, self._end_ids)]
            position = find_position(self.tokenizer, request, response, tokens)
            if not finite[i] and isinstance(position, Unlocated):  # what such logits say is no lack of an answer
                position = Unlocated("non_finite", NON_FINITE)
            readings.append(Reading(tokens, position))
        return readings

    def _take_row(
        self,
        request: SampleRequest,
        generation: TracedGeneration,
        sample: int,
        reading: Reading,
        score: Callable[[Tokens, Sequence[Tokens]], list[ScoredContinuation]],
        position: AnswerPosition,
    ) -> None:
        """The residuals at the answer; those of a step that was let go are made again, its tokens given."""
        reading.candidates = candidates = resolve_candidates(self.tokenizer, request.target, position)
        try:
            residual = generation.residual(sample, position.step)
        except StepNotKeptError:
            (scored,) = score(reading.tokens[: position.step], [(position.token_id,)])
            residual, reading.identity = _residual(scored), self._own_identity(scored)
        reading.row = ReadoutRow(residual, position.token_id, candidates.ids, candidates.gold_ids, candidates.pivots)

    def _check(self, generation: TracedGeneration, readings: Sequence[Reading]) -> None:
        """Each sample's first step against the model's own logits there."""
        known = {
            i: each.readout.last_logits
            for i, each in enumerate(readings)
            if each.readout is not None and isinstance(each.position, AnswerPosition) and each.position.step == 0
        }
        checks = attempt(lambda: self.lens.check_each(generation, known))
        for i, reading in enumerate(readings):
            if isinstance(checks, Unlocated):
                reading.position = checks if isinstance(reading.position, AnswerPosition) else reading.position
                continue
            own = [report for report in (reading.identity, checks[i]) if report is not None]
            reading.identity = functools.reduce(IdentityReport.worst, own) if own else None

    def _record(
        self,
        request: SampleRequest,
        response: str,
        reading: Reading,
        rescore_under: Callable[[Tokens, Sequence[Tokens], Images], list[ScoredContinuation]] | None,
        controls: Controls | None,
    ) -> SampleRecord:
        n_tokens = len(reading.tokens)
        if isinstance(reading.position, Unlocated):
            record = self.assembler.unread(
                request, response, reading.position, n_generated=n_tokens, identity=reading.identity
            )
            return controlled_record(record, request, None, controls)
        assert reading.readout is not None
        sample = ReadSample(request, response, n_tokens, reading.position, reading.candidates, reading.readout)
        again: ReadAgain | None = None
        if rescore_under is not None:
            score_under = functools.partial(rescore_under, reading.tokens[: reading.position.step])
            again = functools.partial(self._answer_again, sample, score_under)
        return controlled_record(self.assembler.read(sample, reading.identity), request, again, controls)

    def _answer_again(
        self,
        sample: ReadSample,
        score_under: Callable[[Sequence[Tokens], Images], list[ScoredContinuation]],
        images: Images,
    ) -> ControlReading:
        """The answer of a generated text, its tokens up to there given, read under other images."""
        candidates, token = sample.candidates, sample.position.token_id
        forced = [sequence for own in candidates.sequences for sequence in own]
        with counted_passes(self.lens.parts.head) as passes:
            scored = score_under(forced or [(token,)], images)
        residual = _residual(scored[0])
        ids = () if forced else candidates.ids
        (readout,) = self.lens.read([ReadoutRow(residual, token, ids, candidates.gold_ids, candidates.pivots)])
        if forced:
            readout, _ = force_candidates(readout, candidates, lambda _: scored)
        return self.assembler.control(sample, readout, self._own_identity(scored[0]), passes=passes())

    def read_choices(
        self,
        request: SampleRequest,
        sequences: Sequence[Tokens],
        scored: Sequence[ScoredContinuation],
        pred: int,
        rescore_under: Callable[[Images], Sequence[ScoredContinuation]] | None = None,
        controls: Controls | None = None,
    ) -> SampleRecord:
        """The record of a multiple-choice document: its candidates are the continuations that were scored.

        Args:
            request: the document; its target's `choices` are the labels of the choices, in the harness's order.
            sequences: token ids of each choice.
            scored: their scores, with layers.
            pred: the choice that the harness counts as the model's answer.
            rescore_under: scores the same choices under other images, for `controls`.
            controls: read the document again under other images.
        """
        labels = request.target.choice_labels(len(sequences))
        gold = labels.index(request.target.gold) if request.target.gold in labels else None
        candidates = SampleCandidates(
            labels=labels,
            ids=tuple((sequence[0],) for sequence in sequences),
            gold=gold,
            pred=pred,
            method=TEACHER_FORCED,
            correct=None if gold is None else gold == pred,
        )
        span = AnswerSpan(0, len(labels[pred]), labels[pred], "continuation", True, labels[pred])
        position = AnswerPosition(span, 0, sequences[pred][0])
        read = attempt(
            lambda: (self._choice_readout(position.token_id, scored, pred, gold), self._own_identity(scored[pred]))
        )
        if isinstance(read, Unlocated):
            record = self.assembler.unread(request, labels[pred], read)
            return controlled_record(record, request, None, controls)
        readout, identity = read
        sample = ReadSample(request, labels[pred], len(sequences[pred]), position, candidates, readout)
        record = self.assembler.read(sample, identity)
        again = None if rescore_under is None else functools.partial(self._choices_again, sample, rescore_under)
        return controlled_record(record, request, again, controls)

    def _choices_again(
        self, sample: ReadSample, rescore_under: Callable[[Images], Sequence[ScoredContinuation]], images: Images
    ) -> ControlReading:
        """The choices of a document scored under other images."""
        pred = sample.candidates.pred
        assert pred is not None
        with counted_passes(self.lens.parts.head) as passes:
            scored = rescore_under(images)
        readout = self._choice_readout(sample.position.token_id, scored, pred, sample.candidates.gold)
        return self.assembler.control(sample, readout, self._own_identity(scored[pred]), passes=passes())

    def _choice_readout(self, token: int, scored: Sequence[ScoredContinuation], pred: int, gold: int | None) -> Readout:
        readout = self.lens.read([ReadoutRow(_residual(scored[pred]), token)])[0]
        scores = np.stack([layer_scores(each) for each in scored], axis=1)
        return replace(with_scores(readout, scores, gold), logprob_pred=scores[:, pred])

    def failed(
        self, request: SampleRequest, response: str, error: CaptureError, controls: Controls | None = None
    ) -> SampleRecord:
        """The record of a sample whose capture failed although the model answered."""
        record = self.assembler.unread(request, response, Unlocated("capture_failed", str(error)))
        return controlled_record(record, request, None, controls)

    def _own_identity(self, scored: ScoredContinuation) -> IdentityReport | None:
        """Identity of the pass that scored a continuation; None where its logits are NaN or infinite."""
        if not np.isfinite(scored.logprob):
            return None
        return self.lens.compare(_residual(scored)[-1:], scored.first_logits.unsqueeze(0))


def _force(
    reading: Reading,
    score: Callable[[Tokens, Sequence[Tokens]], list[ScoredContinuation]],
    position: AnswerPosition,
) -> None:
    """Candidates whose first tokens do not tell them apart are scored on all their tokens."""
    if reading.candidates.sequences and reading.readout is not None:
        before = functools.partial(score, reading.tokens[: position.step])
        reading.readout, reading.candidates = force_candidates(reading.readout, reading.candidates, before)


def _residual(scored: ScoredContinuation) -> Tensor:
    if scored.residual is None:
        raise CaptureError(scored.lens_failure or "the continuation was scored without the lens")
    return scored.residual


def _end_ids(model: Any, tokenizer: Any) -> frozenset[int]:
    ids: set[int] = set()
    config = getattr(model, "generation_config", None)
    for value in (getattr(config, "eos_token_id", None), getattr(tokenizer, "eos_token_id", None)):
        ids.update([value] if isinstance(value, int) else value or [])
    return frozenset(ids)
