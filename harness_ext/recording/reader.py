"""Read the answers of a generated batch and make their records."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

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
from .forced import Rescore, RescoreUnder, Tokens, force_candidates, with_scores
from .position import AnswerPosition, Unlocated, find_position, n_generated
from .request import Images, SampleRequest

__all__ = ["BatchReader"]

T = TypeVar("T")


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
        tokens = [row[: n_generated(row, self._end_ids)] for row in generation.new_tokens]
        positions = [
            find_position(self.tokenizer, request, response, row)
            for request, response, row in zip(requests, responses, tokens, strict=True)
        ]
        for i, finite in enumerate(self.lens.finite(generation)):
            if not finite and isinstance(positions[i], Unlocated):  # what such logits say is no lack of an answer
                positions[i] = Unlocated("non_finite", NON_FINITE)
        found = {i: position for i, position in enumerate(positions) if isinstance(position, AnswerPosition)}
        candidates = {i: resolve_candidates(self.tokenizer, requests[i].target, found[i]) for i in found}
        row = functools.partial(self._row, generation, rescore)
        rows = _taken(positions, {i: functools.partial(row, i, found[i], candidates[i]) for i in found})
        readouts = dict(zip(rows, self.lens.read(list(rows.values())), strict=True))
        identity = self._identity(generation, {i: found[i] for i in rows}, readouts)
        score = {i: functools.partial(rescore, i, tokens[i][: found[i].step]) for i in rows if candidates[i].sequences}
        force = {i: functools.partial(force_candidates, readouts[i], candidates[i], score[i]) for i in score}
        for i, (readout, own) in _taken(positions, force).items():
            readouts[i], candidates[i] = readout, own
        records = []
        for i, (request, response, position) in enumerate(zip(requests, responses, positions, strict=True)):
            again: ReadAgain | None = None
            if isinstance(position, Unlocated):
                record = self.assembler.unread(
                    request, response, position, n_generated=len(tokens[i]), identity=identity
                )
            else:
                sample = ReadSample(request, response, len(tokens[i]), position, candidates[i], readouts[i])
                record = self.assembler.read(sample, identity)
                if rescore_under is not None:
                    score_under = functools.partial(rescore_under, i, tokens[i][: position.step])
                    again = functools.partial(self._answer_again, sample, score_under)
            records.append(controlled_record(record, request, again, controls))
        return records

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
        readout = self._choice_readout(position.token_id, scored, pred, gold)
        sample = ReadSample(request, labels[pred], len(sequences[pred]), position, candidates, readout)
        record = self.assembler.read(sample, self._own_identity(scored[pred]))
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
        scores = np.stack([np.asarray(each.layer_logprobs, dtype=np.float32) for each in scored], axis=1)
        return replace(with_scores(readout, scores, gold), logprob_pred=scores[:, pred])

    def failed(
        self, request: SampleRequest, response: str, error: CaptureError, controls: Controls | None = None
    ) -> SampleRecord:
        """The record of a sample whose capture failed although the model answered."""
        record = self.assembler.unread(request, response, Unlocated("capture_failed", str(error)))
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

    def _identity(
        self, generation: TracedGeneration, found: dict[int, AnswerPosition], readouts: dict[int, Readout]
    ) -> IdentityReport | None:
        known = {i: readouts[i].last_logits for i, position in found.items() if position.step == 0}
        return self.lens.check(generation, known)


def _taken(positions: list[AnswerPosition | Unlocated], calls: Mapping[int, Callable[[], T]]) -> dict[int, T]:
    """What the calls give for their samples; where one cannot, the sample's position becomes the reason."""
    taken = {}
    for i, call in calls.items():
        try:
            taken[i] = call()
        except CaptureError as error:
            positions[i] = Unlocated("capture_failed", str(error))
    return taken


def _residual(scored: ScoredContinuation) -> Tensor:
    assert scored.residual is not None
    return scored.residual


def _end_ids(model: Any, tokenizer: Any) -> frozenset[int]:
    ids: set[int] = set()
    config = getattr(model, "generation_config", None)
    for value in (getattr(config, "eos_token_id", None), getattr(tokenizer, "eos_token_id", None)):
        ids.update([value] if isinstance(value, int) else value or [])
    return frozenset(ids)
