"""Read the answers of a generated batch and make their records."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from harness_ext.end_tokens import end_token_ids
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
from lens_models.memory import free_memory
from lens_models.metrics import Thresholds
from lens_results import SampleRecord
from lens_tasks import AnswerSpan

from .assemble import NON_FINITE, ReadSample, RecordAssembler
from .candidates import SampleCandidates, resolve_candidates
from .choices import ChoiceRule
from .controlled import ControlReading, Controls, ReadAgain, controlled_record, counted_passes
from .failures import failure
from .forced import Rescore, RescoreUnder, Tokens, force_candidates, layers_of, with_scores
from .position import AnswerPosition, Unlocated, find_position, n_generated
from .request import Images, SampleRequest

__all__ = ["BatchReader"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Batch:
    """What `BatchReader.read` is given."""

    requests: Sequence[SampleRequest]
    generation: TracedGeneration
    responses: Sequence[str]
    rescore: Rescore
    rescore_under: RescoreUnder | None
    controls: Controls | None


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
        self._told: set[str] = set()
        self._end_ids = frozenset(end_token_ids(lens.model, tokenizer))

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

        Whatever fails here is a fault of the lens, for the answers are known: the samples are then read one by one, and
        the one that fails alone gets a status and a reason too.

        Args:
            requests: what was asked, one a row of the batch.
            generation: the batch as it was generated.
            responses: the texts.
            rescore: runs the model again on one sample of the batch, for candidates that need teacher forcing.
            rescore_under: the same under other images, for `controls`.
            controls: read each sample again under other images.
        """
        batch = _Batch(requests, generation, responses, rescore, rescore_under, controls)
        everything = range(len(requests))
        try:
            return self._read(batch, everything)
        except Exception as error:  # a fault of the lens never ends a run
            why = failure(error)
            self._tell_once(why.reason)
        free_memory()
        return [self._read_alone(batch, i, why if len(requests) == 1 else None) for i in everything]

    def _tell_once(self, reason: str) -> None:
        if reason not in self._told:
            self._told.add(reason)
            log.warning("A batch could not be read together (%s); its samples are read one by one.", reason)

    def _read_alone(self, batch: _Batch, i: int, known: Unlocated | None) -> SampleRecord:
        """The record of one sample of a batch; `known` is why it failed when it was read already."""
        why = known
        if why is None:
            try:
                return self._read(batch, [i])[0]
            except Exception as error:
                why = failure(error)
        return self.failed(batch.requests[i], batch.responses[i], why, batch.controls)

    def _read(self, batch: _Batch, chosen: Sequence[int]) -> list[SampleRecord]:
        """The records of some samples of a batch, in order."""
        requests, generation, responses = batch.requests, batch.generation, batch.responses
        tokens = {i: self._own_tokens(generation, i) for i in chosen}
        positions = {i: find_position(self.tokenizer, requests[i], responses[i], tokens[i]) for i in chosen}
        for i, finite in enumerate(self.lens.finite(generation)):
            if not finite and isinstance(positions.get(i), Unlocated):  # what such logits say is no lack of an answer
                positions[i] = Unlocated("non_finite", NON_FINITE)
        found = {i: position for i, position in positions.items() if isinstance(position, AnswerPosition)}
        candidates = {i: resolve_candidates(self.tokenizer, requests[i].target, found[i]) for i in found}
        rows = [self._row(generation, batch.rescore, i, found[i], candidates[i]) for i in found]
        readouts = dict(zip(found, self.lens.read(rows), strict=True))
        known = {i: readouts[i].last_logits for i, position in found.items() if position.step == 0}
        identity, compared = self.lens.check(generation, known), self.lens.compared(generation, known)
        for i in found:
            if candidates[i].sequences:
                before = tokens[i][: found[i].step]
                score = functools.partial(batch.rescore, i, before)
                readouts[i], candidates[i] = force_candidates(readouts[i], candidates[i], score)
        records = []
        for i, position in positions.items():
            request, response = requests[i], responses[i]
            again: ReadAgain | None = None
            if isinstance(position, Unlocated):
                record = self.assembler.unread(
                    request,
                    response,
                    position,
                    n_generated=len(tokens[i]),
                    identity=identity if i in compared else None,
                )
            else:
                sample = ReadSample(request, response, len(tokens[i]), position, candidates[i], readouts[i])
                record = self.assembler.read(sample, identity, compared=i in compared)
                if batch.rescore_under is not None:
                    score_under = functools.partial(batch.rescore_under, i, tokens[i][: position.step])
                    again = functools.partial(self._answer_again, sample, score_under)
            records.append(controlled_record(record, request, again, batch.controls))
        return records

    def _own_tokens(self, generation: TracedGeneration, sample: int) -> Tokens:
        row = generation.new_tokens[sample]
        return tuple(row[: n_generated(row, self._end_ids)])

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
        rule: ChoiceRule,
        rescore_under: Callable[[Images], Sequence[ScoredContinuation]] | None = None,
        controls: Controls | None = None,
    ) -> SampleRecord:
        """The record of a multiple-choice document: its candidates are the continuations that were scored.

        Whatever fails here is a fault of the lens and gives the document a status and a reason.

        Args:
            request: the document; its target's `choices` are the labels of the choices, in the harness's order.
            sequences: token ids of each choice.
            scored: their scores, with layers.
            rule: by what the harness compares the choices.
            rescore_under: scores the same choices under other images, for `controls`.
            controls: read the document again under other images.
        """
        labels = request.target.choice_labels(len(sequences))
        pred = rule.chosen(scored)
        try:
            sample = self._choice_sample(request, labels, sequences, scored, rule)
            record = self.assembler.read(sample, self._own_identity(scored[pred]))
            again = functools.partial(self._choices_again, sample, rule, rescore_under) if rescore_under else None
            return controlled_record(record, request, again, controls)
        except Exception as error:  # a fault of the lens never ends a run
            why = failure(error)
        return self.failed(request, labels[pred], why, controls)

    def _choice_sample(
        self,
        request: SampleRequest,
        labels: tuple[str, ...],
        sequences: Sequence[Tokens],
        scored: Sequence[ScoredContinuation],
        rule: ChoiceRule,
    ) -> ReadSample:
        pred = rule.chosen(scored)
        gold = labels.index(request.target.gold) if request.target.gold in labels else None
        candidates = SampleCandidates(
            labels=labels,
            ids=tuple((sequence[0],) for sequence in sequences),
            gold=gold,
            pred=pred,
            method=TEACHER_FORCED,
            score=rule.score,
            correct=None if gold is None else gold == pred,
        )
        span = AnswerSpan(0, len(labels[pred]), labels[pred], "continuation", True, labels[pred])
        position = AnswerPosition(span, 0, sequences[pred][0])
        readout = self._choice_readout(position.token_id, scored, pred, rule)
        return ReadSample(request, labels[pred], len(sequences[pred]), position, candidates, readout)

    def _choices_again(
        self,
        sample: ReadSample,
        rule: ChoiceRule,
        rescore_under: Callable[[Images], Sequence[ScoredContinuation]],
        images: Images,
    ) -> ControlReading:
        """The choices of a document scored under other images."""
        pred = sample.candidates.pred
        assert pred is not None
        with counted_passes(self.lens.parts.head) as passes:
            scored = rescore_under(images)
        readout = self._choice_readout(sample.position.token_id, scored, pred, rule)
        return self.assembler.control(sample, readout, self._own_identity(scored[pred]), passes=passes())

    def _choice_readout(self, token: int, scored: Sequence[ScoredContinuation], pred: int, rule: ChoiceRule) -> Readout:
        readout = self.lens.read([ReadoutRow(_residual(scored[pred]), token)])[0]
        return with_scores(readout, np.stack([layers_of(each) for each in scored], axis=1), np.asarray(rule.lengths))

    def failed(
        self, request: SampleRequest, response: str, why: Unlocated | CaptureError, controls: Controls | None = None
    ) -> SampleRecord:
        """The record of a sample that the model answered and the lens could not read."""
        why = why if isinstance(why, Unlocated) else failure(why)
        record = self.assembler.unread(request, response, why)
        return controlled_record(record, request, None, controls)

    def _row(
        self,
        generation: TracedGeneration,
        rescore: Rescore,
        sample: int,
        position: AnswerPosition,
        candidates: SampleCandidates,
    ) -> ReadoutRow:
        try:
            residual = generation.residual(sample, position.step)
        except StepNotKeptError:  # the same tokens, given, lead to it again
            before = generation.new_tokens[sample][: position.step]
            residual = _residual(rescore(sample, before, [(position.token_id,)])[0])
        return ReadoutRow(
            residual=residual,
            token_id=position.token_id,
            candidates=candidates.ids,
            gold=candidates.gold_ids,
            pivots=candidates.pivots,
        )

    def _own_identity(self, scored: ScoredContinuation) -> IdentityReport | None:
        """Identity of the pass that scored a continuation; None where its logits are NaN or infinite."""
        if not np.isfinite(scored.logprob):
            return None
        return self.lens.compare(_residual(scored)[-1:], scored.first_logits.unsqueeze(0))


def _residual(scored: ScoredContinuation) -> Tensor:
    assert scored.residual is not None
    return scored.residual
