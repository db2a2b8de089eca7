"""Read the answers of a generated batch and make their records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lens_models import CaptureError, IdentityReport, LogitLens, Readout, ReadoutRow, TracedGeneration
from lens_models.metrics import Thresholds
from lens_results import SampleRecord

from .assemble import ReadSample, RecordAssembler
from .candidates import SampleCandidates, resolve_candidates
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
        self, requests: Sequence[SampleRequest], generation: TracedGeneration, responses: Sequence[str]
    ) -> list[SampleRecord]:
        """One record a request, in order. A sample without a readable answer gets a status and a reason."""
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
