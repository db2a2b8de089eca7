"""Does a step's result depend on its boxes, and the answer on the step's text? Every run is teacher-forced."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import logsumexp

from lens_models.image_tokens import ImageTokens
from lens_models.probes import StepCauses

from .candidates import SampleCandidates
from .controls import PIXELS, ControlCost, NoMaskError, masks_of_boxes, replacement
from .engine import UNCHANGED, Engine, Lens, Replacement, Tokens
from .failures import failure
from .image_maps import Observed
from .linked_steps import LinkedSteps, NotLinkedError, in_pictures, linked_steps
from .position import AnswerPosition
from .steps import Thought

__all__ = ["STEP_CAUSES", "StepCauseReader", "step_cause_scalars"]

STEP_CAUSES = StepCauses.name
Floats = npt.NDArray[np.float64]
_MARKS = (";", "!", "…")
"""What a step's last mark becomes in the null of its text."""


@dataclass(frozen=True)
class _Reading:
    """Log-probability of each stated result `[steps]` and log-odds of the answer given, in nats."""

    results: Floats
    log_odds: float


@dataclass(frozen=True)
class _Answer:
    """The answer that a response gives among its candidates.

    Attributes:
        position: where it stands.
        pred: number of the candidate.
        variants: token ids of each way to write each candidate.
    """

    position: AnswerPosition
    pred: int
    variants: tuple[tuple[Tokens, ...], ...]

    @classmethod
    def of(cls, linked: LinkedSteps) -> _Answer:
        """That of a response.

        Raises:
            NotLinkedError: there is none whose log-odds could be told.
        """
        position, candidates = linked.thought.position, linked.thought.candidates
        if position is None or candidates is None:
            raise NotLinkedError("no_answer", "the answer was not located")
        variants = _variants(candidates)
        if not candidates.fixed or candidates.pred is None or not variants:
            raise NotLinkedError("open", "the answer is none of the task's candidates")
        if len(variants) < 2:
            raise NotLinkedError("open", "there is one candidate alone")
        if linked.places[-1][1] > position.step:
            raise NotLinkedError("no_answer", "the last step's result is the answer itself")
        return cls(position, candidates.pred, variants)

    @property
    def tokens(self) -> list[Tokens]:
        """Each way to write a candidate, once."""
        return list(dict.fromkeys(each for own in self.variants for each in own))

    def log_odds(self, logprobs: Mapping[Tokens, float]) -> float:
        """Of the answer given against all other candidates together, in nats."""
        scores = np.array([logsumexp([logprobs[each] for each in own]) for own in self.variants])
        return float(scores[self.pred] - logsumexp(np.delete(scores, self.pred)))


class StepCauseReader:
    """Masks the boxes of each step, and replaces the result of each step in the text.

    Args:
        engine: what answered.
        lens: the proven lens of its model.
    """

    def __init__(self, engine: Engine, lens: Lens) -> None:
        self._engine = engine
        self._lens = lens
        self.cost = ControlCost()

    def add(self, observed: Observed, thought: Thought) -> None:
        """See `ReadsSteps`; what the arrays are stands in docs/record-format.md."""
        try:
            with self.cost.counting(self._lens):
                linked = linked_steps(thought)
                answer = _Answer.of(linked)
                problems: list[str] = []
                arrays = self._masked(linked, answer, problems) | self._replaced(linked, answer, problems)
            if not all(np.isfinite(each).all() for each in arrays.values()):
                raise NotLinkedError("non_finite", "a log-probability is NaN or infinite")
        except NotLinkedError as why:
            observed.status[STEP_CAUSES] = ": ".join(why.args)
        except Exception as error:  # the answer is given; what this alone cannot do becomes its status
            observed.status[STEP_CAUSES] = f"failed: {failure(error).reason}"
        else:
            observed.probes[STEP_CAUSES] = linked.stored() | arrays
            observed.gold_based |= step_cause_scalars(arrays)
            observed.status[STEP_CAUSES] = f"partial: {problems[0]}" if problems else "ok"
            self.cost.samples += 1

    def _masked(self, linked: LinkedSteps, answer: _Answer, problems: list[str]) -> dict[str, Any]:
        """Drops under the boxes of each step: `masked` `[k, 2 + steps]`, and under each null: `masked null`."""
        thought, rows = linked.thought, _Rows("masked")
        try:
            boxes = linked.boxes
            tokens = self._image_tokens(thought) if any(boxes) else None
        except NotLinkedError as why:
            problems.append(why.args[-1])
            return {}
        if tokens is None:
            return {}
        whole = self._read(linked, answer, UNCHANGED)
        for number, own in enumerate(boxes):
            if not own:
                continue
            try:
                masks = masks_of_boxes(
                    f"step {number}", thought.sample.key, tokens, thought.sample.picture_sizes, own
                )  # fmt: skip
                shown = [replacement(PIXELS, thought.sample, tokens, each) for each in (masks.own, *masks.null)]
            except NoMaskError as why:
                problems.append(why.args[-1])
                continue
            for null, each in enumerate(shown):
                under = self._read(linked, answer, each)
                drops = [whole.log_odds - under.log_odds, *(whole.results - under.results)]
                rows.add(number, drops, null=null > 0)
        return rows.arrays()

    def _image_tokens(self, thought: Thought) -> ImageTokens:
        known = None if thought.watched is None else thought.watched.tokens
        return in_pictures(self._engine.locate(thought.sample) if known is None else known)

    def _replaced(self, linked: LinkedSteps, answer: _Answer, problems: list[str]) -> dict[str, Any]:
        """Drops of the answer's log-odds: `replaced` `[k, 2]`, one row a value put in place; `replaced null`."""
        thought, rows = linked.thought, _Rows("replaced")
        whole = self._log_odds(thought, answer, thought.tokens[: answer.position.step])
        for number in range(len(linked.stated)):
            others = list(_other_results(linked, answer.position, number))
            if not others:
                problems.append(f"no other value fits into the text of step {number + 1}")
                continue
            for null, texts in ((False, others), (True, _other_marks(linked, answer.position, number))):
                for before in texts:
                    rows.add(number, [whole - self._log_odds(thought, answer, before)], null=null)
        return rows.arrays()

    def _read(self, linked: LinkedSteps, answer: _Answer, shown: Replacement) -> _Reading:
        """All results and the answer from one pass, where candidates have one token."""
        thought = linked.thought
        tokens, first = thought.tokens, linked.places[0][0]
        given = tokens[first : answer.position.step]
        parts = [tokens[first:place] for pair in linked.places for place in pair if place > first]
        asked = list(dict.fromkeys([*parts, *((*given, *each) for each in answer.tokens)]))
        sums = self._logprobs(thought, asked, tokens[:first], shown) | {(): 0.0}
        results = [sums[tokens[first:end]] - sums[tokens[first:begin]] for begin, end in linked.places]
        return _Reading(np.asarray(results), answer.log_odds({each: sums[(*given, *each)] for each in answer.tokens}))

    def _log_odds(self, thought: Thought, answer: _Answer, before: Tokens) -> float:
        return answer.log_odds(self._logprobs(thought, answer.tokens, before, UNCHANGED))

    def _logprobs(
        self, thought: Thought, asked: Sequence[Tokens], before: Tokens, shown: Replacement
    ) -> dict[Tokens, float]:
        scored = self._engine.score(thought.sample, asked, before=before, replacement=shown, observe=False)
        return dict(zip(asked, (each.logprob for each in scored), strict=True))


class _Rows:
    """Rows of an array and of its null, each a step's number and what was measured."""

    def __init__(self, name: str) -> None:
        self._rows: dict[str, list[list[float]]] = {name: [], f"{name} null": []}
        self._name = name

    def add(self, number: int, drops: Sequence[float], *, null: bool) -> None:
        """One row."""
        self._rows[f"{self._name} null" if null else self._name].append([number, *drops])

    def arrays(self) -> dict[str, Any]:
        """Those that have rows."""
        return {name: np.asarray(rows, dtype=np.float32) for name, rows in self._rows.items() if rows}


def _variants(candidates: SampleCandidates) -> tuple[tuple[Tokens, ...], ...]:
    return candidates.sequences or tuple(tuple((token,) for token in own) for own in candidates.ids)


def _other_results(linked: LinkedSteps, position: AnswerPosition, number: int) -> Iterator[Tokens]:
    """What stands before the answer, with another value of the same kind as the result of a step."""
    for other in linked.stated[number].others:
        yield from _with(linked.thought, position, linked.places[number], linked.results[number], other)


def _other_marks(linked: LinkedSteps, position: AnswerPosition, number: int) -> Iterator[Tokens]:
    """The same with another punctuation mark at the end of a step, which changes no value."""
    thought = linked.thought
    end, behind = thought.reasoning.segments[number][1], thought.ends[number]
    mark = thought.text[end - 1]
    if mark.isalnum() or linked.places[number][1] > behind - 1:
        return
    for other in _MARKS:
        if other != mark:
            yield from _with(thought, position, (behind - 1, behind), (end - 1, end), other)


def _with(
    thought: Thought, position: AnswerPosition, places: tuple[int, int], chars: tuple[int, int], other: str
) -> Iterator[Tokens]:
    """The tokens before the answer with `other` in place of some characters of the text, which some tokens hold.

    Nothing where the tokens do not hold them, or those that are put in do not say what was meant.
    """
    decode = thought.tokenizer.decode
    piece, own = decode(thought.tokens[slice(*places)]), thought.text[slice(*chars)]
    if piece.count(own) != 1:
        return
    changed = piece.replace(own, other)
    put = tuple(thought.tokenizer(changed, add_special_tokens=False)["input_ids"])
    if decode(put) == changed:
        yield (*thought.tokens[: places[0]], *put, *thought.tokens[places[1] : position.step])


def step_cause_scalars(arrays: Mapping[str, Any]) -> dict[str, float | None]:
    """Means over the steps of a response, in nats; what was not measured is not there."""
    found: dict[str, float | None] = {}
    for null in ("", "null"):
        suffix = f"_{null}" if null else ""
        masked, replaced = (arrays.get(f"{name} {null}".strip()) for name in ("masked", "replaced"))
        if masked is not None:
            steps = masked[:, 0].astype(np.int64)
            own = masked[np.arange(len(masked)), 2 + steps]
            found[f"step_result_drop{suffix}"] = _mean_of_steps(steps, own)
            found[f"step_answer_drop{suffix}"] = _mean_of_steps(steps, masked[:, 1])
        if replaced is not None:
            found[f"step_text_drop{suffix}"] = _mean_of_steps(replaced[:, 0].astype(np.int64), replaced[:, 1])
    return found


def _mean_of_steps(steps: npt.NDArray[np.int64], values: npt.NDArray[np.float32]) -> float:
    """Every step counts alike, however many rows it has."""
    return float(np.mean([values[steps == step].mean() for step in np.unique(steps)]))
