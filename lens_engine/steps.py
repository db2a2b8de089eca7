"""The steps that a response writes before its answer, each read for what the model would answer there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import logsumexp

from lens_models import ReadoutRow
from lens_models.alignment import step_of_char
from lens_models.metrics import steps_gold_based, steps_label_free
from lens_models.probes import WrittenSteps
from lens_tasks.answers import WrittenReasoning, ends_in_reasoning, written_reasoning

from .candidates import SampleCandidates
from .controls import ControlCost
from .engine import Engine, Lens, Tokens
from .failures import failure
from .image_maps import Observed
from .observations import Watched
from .position import AnswerPosition, hidden_reasoning
from .sample import Sample

__all__ = ["MOST_STEPS", "STEPS", "StepReader", "Thought", "spread"]

STEPS = WrittenSteps.name
MOST_STEPS = 32
"""Steps of a response after which answers are forced, unless another number is asked for."""
Floats = npt.NDArray[np.float32]
_OF_ALL = ("commit_step", "steps_after_commit", "flips_over_steps")
"""What is known of a chain only where answers are forced after each of its steps."""


@dataclass(frozen=True)
class Thought:
    """A generated response with what its steps are read by.

    Attributes:
        tokenizer: of the model.
        sample: what was asked.
        text: the response as its tokens decode, without special tokens.
        tokens: ids of the response.
        position: where the answer stands; None where it was not located.
        candidates: what it is compared with; None where it was not located.
        residual: token number -> `[layers, d]`, what predicted that token.
        watched: the probes of its generation.
    """

    tokenizer: Any
    sample: Sample
    text: str
    tokens: Tokens
    position: AnswerPosition | None
    candidates: SampleCandidates | None
    residual: Callable[[int], Any] = field(repr=False)
    watched: Watched | None = field(default=None, repr=False)

    @cached_property
    def reasoning(self) -> WrittenReasoning:
        """Its steps."""
        hidden = hidden_reasoning(self.tokenizer, self.tokens, self.text)
        opened = hidden.open or (not hidden.end and ends_in_reasoning(self.sample.prompt))
        answer = None if self.position is None else self.position.span.decided_at
        return written_reasoning(self.text, answer, in_reasoning=opened, hidden_end=hidden.end)

    @cached_property
    def begins(self) -> list[int]:
        """Number of the token with which each step begins."""
        return [self._token(start) for start, _ in self.reasoning.segments]

    @cached_property
    def ends(self) -> list[int]:
        """Number of the token behind each step; one that holds the end of a step belongs to it whole."""
        return [self._token(end - 1) + 1 for _, end in self.reasoning.segments]

    def _token(self, char: int) -> int:
        return step_of_char(self.tokenizer, self.tokens, char, text=self.text)

    def forced(self, after: int) -> Tokens:
        """The response's own tokens up to the end of so many steps, and those that lead from the last to the answer.

        After all steps they are the tokens before the answer.
        """
        segments = self.reasoning.segments
        first = {start: token for (start, _), token in zip(segments, self.begins, strict=True)}
        behind = {end: token for (_, end), token in zip(segments, self.ends, strict=True)}
        given = list(self.tokens[: self.ends[after - 1] if after else self.begins[0]])
        answer = len(self.tokens) if self.position is None else self.position.step
        for start, end in self.reasoning.bridge(after):
            given += self.tokens[behind.get(start, answer) : first.get(end, answer)]
        return tuple(given)


class StepReader:
    """Reads the steps of responses: forced early answers, the lens at each step's end, entropy and length.

    An early answer is forced by the response's own words: after a step come those that led from the last step to the
    answer, so that the reading after the last step is that of the answer itself. It takes one pass for the start and
    one for each step, more for candidates of several tokens.

    Args:
        engine: what answered.
        lens: the proven lens of its model.
        most: after how many steps of a response answers are forced; of more, those at equal distances, the last one
            among them.
    """

    def __init__(self, engine: Engine, lens: Lens, most: int = MOST_STEPS) -> None:
        self._engine = engine
        self._lens = lens
        self._most = most
        self.cost = ControlCost()

    def add(self, observed: Observed, thought: Thought) -> None:
        """Put into `observed` what is read of the steps, in place of the entropy of the tokens; or why it is not there.

        `probes["steps"]` has `start` and `end` (characters of the generated text), `tokens`, `entropy` (nats, mean over
        the tokens), each `[steps]`; where the answer is one of the task's candidates also `forced`,
        `[steps + 1, candidates]`, their log-probabilities in nats without any step, after the first, and so on, and
        where these are told apart by their first tokens `lens_lead`, `[steps, layers]`: the score of the answer given
        minus that of the best other candidate at the last token of a step. Of more steps than are read, `forced` and
        `lens_lead` have those alone whose numbers from 1 stand in `read`, and the scalars that need all are None.
        """
        entropy = observed.probes.pop(STEPS, {}).get("entropy")
        if entropy is None:
            return
        try:
            with self.cost.counting(self._lens):
                observed.status[STEPS] = self._read(observed, thought, entropy)
            self.cost.samples += "forced" in observed.probes.get(STEPS, {})
        except Exception as error:  # the answer is given; what this alone cannot do becomes its status
            observed.probes.pop(STEPS, None)
            observed.status[STEPS] = f"failed: {failure(error).reason}"

    def _read(self, observed: Observed, thought: Thought, entropy: Floats) -> str:
        segments = thought.reasoning.segments
        if not segments:
            return "nothing: no step is written before the answer"
        spans = list(zip(thought.begins, thought.ends, strict=True))
        arrays = {
            "start": np.asarray([start for start, _ in segments], dtype=np.float32),
            "end": np.asarray([end for _, end in segments], dtype=np.float32),
            "tokens": np.asarray([end - begin for begin, end in spans], dtype=np.float32),
            "entropy": np.asarray([entropy[begin:end].mean() for begin, end in spans], dtype=np.float32),
        }
        observed.probes[STEPS] = arrays
        candidates = thought.candidates
        if candidates is None:
            return "no_answer: the answer was not located, so that none is forced"
        if not candidates.fixed or candidates.pred is None or not (candidates.ids or candidates.sequences):
            return "open: the answer is none of the task's candidates, so that none is forced"
        read = spread(len(segments), self._most)
        forced = np.stack([self._forced(thought, candidates, after) for after in (0, *read)])
        if not np.isfinite(forced).all():
            raise ValueError("the log-probability of a forced answer is NaN or infinite")
        arrays["forced"] = forced
        if not candidates.sequences:
            arrays["lens_lead"] = self._lead(thought, candidates, read)
        scalars = steps_label_free(forced, candidates.pred)
        if len(read) < len(segments):
            arrays["read"] = np.asarray(read, dtype=np.float32)
            scalars |= dict.fromkeys(_OF_ALL) | {"written_steps": float(len(segments))}
        observed.label_free |= scalars
        observed.gold_based |= steps_gold_based(forced, candidates.gold)
        if len(read) < len(segments):
            return f"thinned: answers are forced after {len(read)} of {len(segments)} steps (lens_most_steps)"
        return "ok"

    def _forced(self, thought: Thought, candidates: SampleCandidates, after: int) -> Floats:
        """Log-probability of each candidate `[candidates]` where the answer follows so many steps."""
        variants = candidates.sequences or tuple(tuple((token,) for token in own) for own in candidates.ids)
        flat = list(dict.fromkeys(sequence for own in variants for sequence in own))
        scored = self._engine.score(thought.sample, flat, before=thought.forced(after), observe=False)
        logprobs = dict(zip(flat, (each.logprob for each in scored), strict=True))
        return np.asarray([logsumexp([logprobs[each] for each in own]) for own in variants], dtype=np.float32)

    def _lead(self, thought: Thought, candidates: SampleCandidates, read: Sequence[int]) -> Floats:
        """`[steps read, layers]`."""
        ends = [thought.ends[number - 1] for number in read]
        rows = [ReadoutRow(thought.residual(end), thought.tokens[end], candidates.ids) for end in ends]
        scores = np.stack([readout.cand_scores for readout in self._lens.read(rows)])
        pred: Any = candidates.pred
        others: Sequence[int] = [place for place in range(scores.shape[-1]) if place != pred]
        return np.asarray(scores[..., pred] - scores[..., others].max(axis=-1), dtype=np.float32)


def spread(n: int, most: int) -> list[int]:
    """Up to `most` numbers out of 1..n at equal distances, n among them."""
    count = min(n, most)
    return [round((place + 1) * n / count) for place in range(count)]
