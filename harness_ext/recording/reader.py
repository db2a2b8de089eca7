"""Read the answers of a generated batch and make their records."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from lens_models import CaptureError, IdentityReport, LogitLens, Readout, ReadoutRow, TracedGeneration
from lens_models.candidates import TEACHER_FORCED
from lens_models.continuations import ScoredContinuation
from lens_models.metrics import Thresholds
from lens_results import SampleRecord
from lens_tasks import AnswerSpan

from .assemble import ReadSample, RecordAssembler
from .candidates import SampleCandidates, resolve_candidates
from .forced import Rescore, Tokens, force_candidates, with_scores
from .position import AnswerPosition, Unlocated, find_position, n_generated
from .request import SampleRequest

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
    ) -> list[SampleRecord]:
        """One record a request, in order. A sample without a readable answer gets a status and a reason.

        `rescore` runs the model again on one sample of the batch, for candidates that need teacher forcing.
        """
        tokens = [row[: n_generated(row, self._end_ids)] for row in generation.new_tokens]
        positions = [
            find_position(self.tokenizer, request, response, row)
            for request, response, row in zip(requests, responses, tokens, strict=True)
        ]
        found = {i: position for i, position in enumerate(positions) if isinstance(position, AnswerPosition)}
        candidates = {i: resolve_candidates(self.tokenizer, requests[i].target, found[i]) for i in found}
        rows = [self._row(generation, i, found[i], candidates[i]) for i in found]
        readouts = dict(zip(found, self.lens.read(rows), strict=True))
        identity = self._identity(generation, found, readouts)
        for i in found:
            if candidates[i].sequences:
                before = tokens[i][: found[i].step]
                score = functools.partial(rescore, i, before)
                readouts[i], candidates[i] = force_candidates(readouts[i], candidates[i], score)
        records = []
        for i, (request, response, position) in enumerate(zip(requests, responses, positions, strict=True)):
            if isinstance(position, Unlocated):
                record = self.assembler.unread(
                    request, response, position, n_generated=len(tokens[i]), identity=identity
                )
            else:
                sample = ReadSample(request, response, len(tokens[i]), position, candidates[i], readouts[i])
                record = self.assembler.read(sample, identity)
            records.append(record)
        return records

    def read_choices(
        self, request: SampleRequest, sequences: Sequence[Tokens], scored: Sequence[ScoredContinuation], pred: int
    ) -> SampleRecord:
        """The record of a multiple-choice document: its candidates are the continuations that were scored.

        Args:
            request: the document; its target's candidates are the choices, in order.
            sequences: token ids of each choice.
            scored: their scores, with layers.
            pred: the choice that the harness counts as the model's answer.
        """
        labels = request.target.labels if len(request.target.labels) == len(sequences) else ()
        labels = labels or tuple(f"choice {number}" for number in range(len(sequences)))
        gold = labels.index(request.target.gold) if request.target.gold in labels else None
        best = scored[pred]
        assert best.residual is not None
        token = sequences[pred][0]
        readout = self.lens.read([ReadoutRow(best.residual, token)])[0]
        scores = np.stack([np.asarray(each.layer_logprobs, dtype=np.float32) for each in scored], axis=1)
        readout = replace(with_scores(readout, scores, gold), logprob_pred=scores[:, pred])
        candidates = SampleCandidates(
            labels=labels,
            ids=tuple((sequence[0],) for sequence in sequences),
            gold=gold,
            pred=pred,
            method=TEACHER_FORCED,
            correct=None if gold is None else gold == pred,
        )
        span = AnswerSpan(0, len(labels[pred]), labels[pred], "continuation", True, labels[pred])
        sample = ReadSample(
            request, labels[pred], len(sequences[pred]), AnswerPosition(span, 0, token), candidates, readout
        )
        return self.assembler.read(sample, self.lens.compare(best.residual[-1:], best.first_logits.unsqueeze(0)))

    def failed(self, request: SampleRequest, response: str, error: CaptureError) -> SampleRecord:
        """The record of a sample whose capture failed although the model answered."""
        return self.assembler.unread(request, response, Unlocated("capture_failed", str(error)))

    def _row(
        self, generation: TracedGeneration, sample: int, position: AnswerPosition, candidates: SampleCandidates
    ) -> ReadoutRow:
        return ReadoutRow(
            residual=generation.residual(sample, position.step),
            token_id=position.token_id,
            candidates=candidates.ids,
            gold=candidates.gold_ids,
            pivots=candidates.pivots,
        )

    def _identity(
        self, generation: TracedGeneration, found: dict[int, AnswerPosition], readouts: dict[int, Readout]
    ) -> IdentityReport:
        known = {i: readouts[i].last_logits for i, position in found.items() if position.step == 0}
        return self.lens.check(generation, known)


def _end_ids(model: Any, tokenizer: Any) -> frozenset[int]:
    ids: set[int] = set()
    config = getattr(model, "generation_config", None)
    for value in (getattr(config, "eos_token_id", None), getattr(tokenizer, "eos_token_id", None)):
        ids.update([value] if isinstance(value, int) else value or [])
    return frozenset(ids)
