"""From generations to records: where the answer stands, what is read there, under which other images again."""

from __future__ import annotations

import functools
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lens_models import CaptureError, IdentityReport, Readout, ReadoutRow, StepNotKeptError
from lens_models.candidates import TEACHER_FORCED
from lens_models.continuations import ScoredContinuation
from lens_models.image_tokens import ImageTokens
from lens_models.memory import free_memory
from lens_models.metrics import Thresholds
from lens_results import SampleRecord
from lens_tasks import AnswerSpan

from .candidates import SampleCandidates, resolve_candidates
from .choices import ChoiceRule, score_choices
from .controls import (
    ControlReading,
    OwnReading,
    ReadAgain,
    controlled_record,
    controlled_records,
)
from .engine import BatchTrace, Engine, Generation, Lens, Replacement, Tokens, as_shown
from .failures import NoReadout, failure
from .forced_candidates import force_candidates, layers_of, with_scores
from .image_maps import Observed
from .observations import Observations, Watched
from .position import AnswerPosition, find_position, n_generated
from .records import NON_FINITE, ReadSample, RecordAssembler
from .rereading import Rereading
from .sample import Choices, Sample
from .steps import Thought

__all__ = ["Reader"]

log = logging.getLogger(__name__)

LOOK = "crop"
"""What the second look of the intervention `crop` found, among the probes of a record."""
_Answered = tuple[Sample, Generation]


@dataclass(frozen=True)
class _Generated(OwnReading):
    """The same of a generated answer of a batch.

    Attributes:
        observed: by probes.
        image_tokens: of its prompt, where probes looked at them.
        first: what was read, where the text begins with the answer and candidates are compared by one token: such
            samples of a batch are read again together.
    """

    observed: Observed
    image_tokens: ImageTokens | None
    first: ReadSample | None = None


class Reader:
    """Makes one record of each answered sample; what needs the model again is asked of the engine.

    Whatever fails here is a fault of the lens, for the answers are known: the sample gets a status and a reason.

    Args:
        engine: what answered.
        lens: the proven lens of its model.
        tokenizer: of its model.
        thresholds: cut-offs of the scalar metrics.
        again: what reads each sample again.
        whole_maps: keep the image maps of all layers.
    """

    def __init__(
        self,
        engine: Engine,
        lens: Lens,
        tokenizer: Any,
        thresholds: Thresholds,
        again: Rereading | None = None,
        *,
        whole_maps: bool = False,
    ) -> None:
        self._engine = engine
        self._lens = lens
        self._again = again or Rereading()
        self._tokenizer = tokenizer
        self._observations = Observations(tokenizer, lens, whole_maps=whole_maps, relative=self._again.relative)
        self._assembler = RecordAssembler(lens, tokenizer, thresholds)
        self._end_ids = frozenset(lens.end_token_ids(tokenizer))
        self._runs_again: set[str] = set()  # tasks whose candidates are scored by running the model again
        self._warned: set[str] = set()

    def held(self, samples: Sequence[Sample], generations: Sequence[Generation]) -> int | None:
        """Bytes that a batch holds while it waits to be read with others; None where nothing is gained by that.

        What runs the model again is done at once, while its encoder's output is at hand.
        """
        traces = {id(each.trace): each.trace for each in generations}.values()
        media = [sample.media for sample in samples]
        at_once = (
            self._again.anything
            or any(sample.key[0] in self._runs_again for sample in samples)
            or any(each.other_than_images for each in media)
        )
        if at_once:
            return None
        held = sum(len(image.getbands()) * image.width * image.height for each in media for image in each.pictures)
        for trace in traces:
            own = None if trace is None or isinstance(trace, CaptureError) else trace.held_bytes
            if own is None:
                return None
            held += own
        return held

    def read(self, samples: Sequence[Sample], generations: Sequence[Generation]) -> list[SampleRecord]:
        """One record a sample, in order. A sample without a readable answer gets a status and a reason.

        The samples may be those of several batches; their layers are read together.
        """
        answered = list(zip(samples, generations, strict=True))
        found = iter(self._read_together([each for each in answered if _observed(each[1])]))
        records = [next(found) if _observed(each[1]) else self._unseen(*each) for each in answered]
        return [self._looked(record, sample) for record, sample in zip(records, samples, strict=True)]

    def _looked(self, record: SampleRecord, sample: Sample) -> SampleRecord:
        """The record with what a second look made of the prompt, where there was one."""
        look = as_shown(self._engine, sample).look
        if look is None:
            return record
        status = "ok" if look.box is not None else f"nothing: {look.problem}"
        found = {} if look.box is None else {LOOK: {"box": np.asarray([look.box], dtype=np.float32)}}
        return replace(record, probes={**record.probes, **found}, probe_status={**record.probe_status, LOOK: status})

    def _unseen(self, sample: Sample, generation: Generation) -> SampleRecord:
        unseen = CaptureError("nothing was observed while this answer was generated")
        why = generation.trace if isinstance(generation.trace, CaptureError) else unseen
        return self._failed(sample, generation.text, why)

    def _read_together(self, batch: Sequence[_Answered]) -> list[SampleRecord]:
        if not batch:
            return []
        try:
            return self._read(batch)
        except Exception as error:  # a fault of the lens never ends a run
            why = failure(error)
        free_memory()
        if len(batch) == 1:
            return [self._failed(batch[0][0], batch[0][1].text, why)]
        self._warn_once(f"A batch could not be read together ({why.reason}); its samples are read one by one.")
        return [record for each in batch for record in self._read_together([each])]

    def _warn_once(self, message: str) -> None:
        if message not in self._warned:
            self._warned.add(message)
            log.warning(message)

    def _read(self, batch: Sequence[_Answered]) -> list[SampleRecord]:
        """The records of some samples of traced batches, in order."""
        tokens = [self._own_tokens(generation) for _, generation in batch]
        positions = [self._position(*each, own) for each, own in zip(batch, tokens, strict=True)]
        batches = _batches(batch)
        for members in batches:
            finite = self._lens.finite(batch[members[0]][1].trace)
            for place in members:  # such logits say nothing of the answer
                if not finite[batch[place][1].row] and isinstance(positions[place], NoReadout):
                    positions[place] = NoReadout("non_finite", NON_FINITE)
        found = {place: position for place, position in enumerate(positions) if isinstance(position, AnswerPosition)}
        candidates = {
            place: resolve_candidates(self._tokenizer, batch[place][0].target, position)
            for place, position in found.items()
        }
        # a number for each batch, so that what is read of it does not depend on those that waited beside it
        numbers = {place: number for number, members in enumerate(batches) for place in members}
        rows = [
            self._row(*batch[place], position, candidates[place], numbers[place]) for place, position in found.items()
        ]
        readouts = dict(zip(found, self._lens.read(rows), strict=True))
        known = {place: readouts[place].last_logits for place, position in found.items() if position.step == 0}
        identities = self._identities(batch, batches, known)
        for place, position in found.items():
            if candidates[place].sequences:
                sample = batch[place][0]
                self._runs_again.add(sample.key[0])
                score = functools.partial(self._engine.score, sample, before=tokens[place][: position.step])
                readouts[place], candidates[place] = force_candidates(readouts[place], candidates[place], score)
        readings = []
        for place, (sample, generation) in enumerate(batch):
            trace, row, n_tokens = _trace_of(generation), generation.row, len(tokens[place])
            where = positions[place]
            step = where.step if isinstance(where, AnswerPosition) else None
            watched = Watched.generation(trace, row, n_tokens)
            observed = self._observations.of(watched, sample, step, candidates.get(place))
            if self._again.steps and not sample.padding:
                thought = self._thought(sample, generation, where, candidates.get(place))
                thought = replace(thought, watched=watched)  # once for all readers, which share its steps
                for reader in self._again.steps.values():
                    reader.add(observed, thought)
            own = trace.image_tokens[row] if trace.image_tokens else None
            identity, compared = identities[place]
            if isinstance(where, NoReadout):
                checked = identity if compared else None
                record = self._assembler.unread(
                    sample, generation.text, where, n_generated=n_tokens, identity=checked, observed=observed
                )
                readings.append(_Generated(sample, record, None, observed, own))
            else:
                chosen = candidates[place]
                read = ReadSample(sample, generation.text, n_tokens, where, chosen, readouts[place], observed)
                record = self._assembler.read(read, identity, compared=compared)
                again = functools.partial(self._answer_again, read, tokens[place][: where.step])
                first = read if where.step == 0 and not chosen.sequences else None
                readings.append(_Generated(sample, record, again, observed, own, first))
        return self._read_again(readings)

    def _identities(
        self, batch: Sequence[_Answered], batches: Sequence[Sequence[int]], known: Mapping[int, Any]
    ) -> list[tuple[IdentityReport | None, bool]]:
        """Of each sample the identity of its batch, and whether the sample itself was compared.

        Args:
            batch: samples of one or several batches.
            batches: the places of each batch among them.
            known: place -> last-layer logits of the first step, where it was read.
        """
        found: dict[int, tuple[IdentityReport | None, bool]] = {}
        for own in batches:
            trace = batch[own[0]][1].trace
            logits = {batch[place][1].row: known[place] for place in own if place in known}
            identity, compared = self._lens.check(trace, logits), self._lens.compared(trace, logits)
            found |= {place: (identity, batch[place][1].row in compared) for place in own}
        return [found[place] for place in range(len(batch))]

    def _read_again(self, readings: Sequence[_Generated]) -> list[SampleRecord]:
        """The records of a batch with what its controls and masks gave."""
        firsts = {place: each.first for place, each in enumerate(readings) if each.first is not None}
        together = functools.partial(self._first_tokens_again, firsts)
        records = controlled_records(readings, self._again.controls, together)
        return [
            self._masked(replace(each, record=record), each.observed, each.image_tokens)
            for record, each in zip(records, readings, strict=True)
        ]

    def _masked(self, own: OwnReading, observed: Observed, tokens: ImageTokens | None) -> SampleRecord:
        if self._again.masks is None or own.again is None:
            return own.record
        locate = functools.partial(self._engine.locate, own.sample) if tokens is None else lambda: tokens
        return self._again.masks.read(own.record, own.sample, observed, locate, own.again)

    def _own_tokens(self, generation: Generation) -> Tokens:
        tokens = _trace_of(generation).new_tokens[generation.row]
        return tuple(tokens[: n_generated(tokens, self._end_ids)])

    def _thought(
        self,
        sample: Sample,
        generation: Generation,
        position: AnswerPosition | NoReadout,
        candidates: SampleCandidates | None,
    ) -> Thought:
        tokens = self._own_tokens(generation)
        return Thought(
            self._tokenizer,
            sample,
            self._text(generation.text, tokens),
            tokens,
            position if isinstance(position, AnswerPosition) else None,
            candidates,
            functools.partial(self._residual_before, sample, generation),
        )

    def _text(self, text: str, tokens: Tokens) -> str:
        """The response; the whole generated text, where the harness dropped the text's beginning."""
        decode = functools.partial(self._tokenizer.decode, tokens, skip_special_tokens=True)
        whole = decode(clean_up_tokenization_spaces=False)
        if not whole.startswith(text):
            cleaned = decode()
            text = text if cleaned.startswith(text) else cleaned
        return text

    def _position(self, sample: Sample, generation: Generation, tokens: Tokens) -> AnswerPosition | NoReadout:
        return find_position(self._tokenizer, sample, self._text(generation.text, tokens), tokens)

    def _row(
        self,
        sample: Sample,
        generation: Generation,
        position: AnswerPosition,
        candidates: SampleCandidates,
        batch: int,
    ) -> ReadoutRow:
        return ReadoutRow(
            residual=self._residual_before(sample, generation, position.step),
            token_id=position.token_id,
            candidates=candidates.ids,
            gold=candidates.gold_ids,
            pivots=candidates.pivots,
            batch=batch,
        )

    def _residual_before(self, sample: Sample, generation: Generation, step: int) -> Any:
        """`[layers, d]`, what predicted a token of a generated text."""
        trace = _trace_of(generation)
        try:
            return trace.residual(generation.row, step)
        except StepNotKeptError:  # the same tokens, given, lead to it again
            tokens = trace.new_tokens[generation.row]
            return residual_of(self._engine.score(sample, [(tokens[step],)], before=tokens[:step])[0])

    def _answer_again(self, read: ReadSample, before: Tokens, replacement: Replacement) -> ControlReading:
        """The answer of a generated text, its tokens up to there given, read under other images."""
        candidates, token = read.candidates, read.position.token_id
        forced = [sequence for own in candidates.sequences for sequence in own]
        with self._lens.counted_passes() as passes:
            scored = self._engine.score(read.sample, forced or [(token,)], before=before, replacement=replacement)
        (readout,) = self._lens.read([self._again_row(scored[0], read, () if forced else None)])
        if forced:
            readout, _ = force_candidates(readout, candidates, lambda _: scored)
        return self._assembler.control(read, readout, self._own_identity(scored[0]), passes=passes())

    def _first_tokens_again(
        self, reads: Mapping[int, ReadSample], shown: Mapping[int, Replacement]
    ) -> dict[int, ControlReading]:
        """Answers that a generated text begins with, read under other images in one run of the model.

        Args:
            reads: place in the batch -> the sample.
            shown: place -> what it is run with.
        """
        asked = {place: reads[place] for place in shown if place in reads}
        if len(asked) < 2:
            return {}
        samples = [read.sample.under(shown[place].images, shown[place].videos) for place, read in asked.items()]
        with self._lens.counted_passes() as passes:
            scored = self._engine.score_first(samples, [read.position.token_id for read in asked.values()])
        readouts = self._lens.read([self._again_row(*each) for each in zip(scored, asked.values(), strict=True)])
        counts = [passes(), *[0] * (len(asked) - 1)]  # what all of them took stands beside the first
        return {
            place: self._assembler.control(read, readout, self._own_identity(each), passes=count)
            for (place, read), readout, each, count in zip(asked.items(), readouts, scored, counts, strict=True)
        }

    @staticmethod
    def _again_row(scored: ScoredContinuation, read: ReadSample, ids: Any = None) -> ReadoutRow:
        """What is read of an answer that was scored under something else; `ids` in place of its candidates'."""
        own = read.candidates
        ids = own.ids if ids is None else ids
        return ReadoutRow(residual_of(scored), read.position.token_id, ids, own.gold_ids, own.pivots)

    def read_choices(
        self, choices: Choices, scored: Sequence[ScoredContinuation], problem: NoReadout | None = None
    ) -> SampleRecord:
        """The record of a multiple-choice document: its candidates are the continuations that were scored.

        Args:
            choices: the choices, in the harness's order; the target's `choices` are their labels.
            scored: their scores, with layers.
            problem: why the scores are without layers.
        """
        return self._looked(self._read_choices(choices, scored, problem), choices.samples[0])

    def _read_choices(
        self, choices: Choices, scored: Sequence[ScoredContinuation], problem: NoReadout | None
    ) -> SampleRecord:
        sample, rule = choices.samples[0], choices.rule()
        labels = sample.target.choice_labels(len(choices.sequences))
        pred = rule.chosen(scored)
        if problem is not None:
            return self._failed(sample, labels[pred], problem)
        try:
            read = self._choice_sample(choices, labels, scored, rule)
            record = self._assembler.read(read, self._own_identity(scored[pred]))
            again: ReadAgain = functools.partial(self._choices_again, read, choices, rule)
            record = controlled_record(OwnReading(sample, record, again), self._again.controls)
            return self._masked(OwnReading(sample, record, again), read.observed, scored[pred].image_tokens)
        except Exception as error:  # a fault of the lens never ends a run
            why = failure(error)
        return self._failed(sample, labels[pred], why)

    def _choice_sample(
        self, choices: Choices, labels: tuple[str, ...], scored: Sequence[ScoredContinuation], rule: ChoiceRule
    ) -> ReadSample:
        sample, sequences = choices.samples[0], choices.sequences
        pred = rule.chosen(scored)
        gold = labels.index(sample.target.gold) if sample.target.gold in labels else None
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
        chosen = scored[pred]
        watched = Watched(chosen.probes, chosen.image_tokens, 0, lambda: [0])
        observed = self._observations.of(watched, sample, position.step, candidates)
        return ReadSample(sample, labels[pred], len(sequences[pred]), position, candidates, readout, observed)

    def _choices_again(
        self, read: ReadSample, choices: Choices, rule: ChoiceRule, replacement: Replacement
    ) -> ControlReading:
        """The choices of a document scored under other images."""
        pred = read.candidates.pred
        assert pred is not None
        with self._lens.counted_passes() as passes:
            scored = score_choices(self._engine, choices, replacement=replacement)
        readout = self._choice_readout(read.position.token_id, scored, pred, rule)
        return self._assembler.control(read, readout, self._own_identity(scored[pred]), passes=passes())

    def _choice_readout(self, token: int, scored: Sequence[ScoredContinuation], pred: int, rule: ChoiceRule) -> Readout:
        readout = self._lens.read([ReadoutRow(residual_of(scored[pred]), token)])[0]
        return with_scores(readout, np.stack([layers_of(each) for each in scored], axis=1), np.asarray(rule.lengths))

    def _failed(self, sample: Sample, response: str, why: NoReadout | CaptureError) -> SampleRecord:
        """The record of a sample that the model answered and the lens could not read."""
        why = why if isinstance(why, NoReadout) else failure(why)
        record = self._assembler.unread(sample, response, why)
        return controlled_record(OwnReading(sample, record, None), self._again.controls)

    def _own_identity(self, scored: ScoredContinuation) -> IdentityReport | None:
        """Identity of the pass that scored a continuation; None where its logits are NaN or infinite."""
        if not np.isfinite(scored.logprob):
            return None
        return self._lens.compare_position(residual_of(scored), scored.first_logits)


def _observed(generation: Generation) -> bool:
    return not isinstance(generation.trace, CaptureError | None)


def _batches(answered: Sequence[_Answered]) -> list[list[int]]:
    """The places of the samples of each batch, in order."""
    places: dict[int, list[int]] = {}
    for place, (_, generation) in enumerate(answered):
        places.setdefault(id(generation.trace), []).append(place)
    return list(places.values())


def _trace_of(generation: Generation) -> BatchTrace:
    assert generation.trace is not None
    assert not isinstance(generation.trace, CaptureError)
    return generation.trace


def residual_of(scored: ScoredContinuation) -> Any:
    assert scored.residual is not None
    return scored.residual
