"""The continuations of one multiple-choice document: scored prompt by prompt, and compared as the harness does."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from harness_ext.recording.forced import Tokens
from lens_models import LogitLens
from lens_models.continuations import ScoredContinuation
from lens_models.memory import free_memory

from .failures import failure
from .position import Unlocated

__all__ = ["ChoiceRule", "choice_rule", "score_choices", "scored_beside"]

T = TypeVar("T")


@dataclass(frozen=True)
class ChoiceRule:
    """By what a harness compares choices: their log-probabilities over something's length.

    Attributes:
        score: its name, see `candidate_score` in docs/record-format.md.
        lengths: what the sum of log-probabilities of each choice is divided by.
    """

    score: str
    lengths: tuple[float, ...]

    def chosen(self, scored: Sequence[ScoredContinuation]) -> int:
        """The choice that the harness counts as the answer: the first of the highest, a NaN before all (numpy)."""
        return int(np.argmax([each.logprob / length for each, length in zip(scored, self.lengths, strict=True)]))


def choice_rule(
    metrics: Collection[str], choices: Sequence[str] | None, n_tokens: Sequence[int], *, per_token: bool
) -> ChoiceRule:
    """The rule of a task.

    Args:
        metrics: names of the task's metrics.
        choices: texts of the choices as the task counts their characters; None where it does not tell.
        n_tokens: number of tokens of each choice.
        per_token: the harness's scorer is handed means over tokens (lmms-eval), not sums (lm-eval).

    `acc` compares what the scorer is handed; where the task has only a normalised accuracy, that one counts.
    """
    base = tuple(float(count) if per_token else 1.0 for count in n_tokens)
    name = "logprob_per_token" if per_token else "logprob"
    if "acc" not in metrics and choices is not None and len(choices) == len(base) and all(choices):
        if "acc_norm" in metrics:
            lengths = tuple(each * len(text) for each, text in zip(base, choices, strict=True))
            return ChoiceRule(f"{name}_char" if per_token else f"{name}_per_char", lengths)
        if "acc_bytes" in metrics and not per_token:
            return ChoiceRule(f"{name}_per_byte", tuple(float(len(text.encode())) for text in choices))
    return ChoiceRule(name, base)


def score_choices(
    prompts: Sequence[str],
    sequences: Sequence[Tokens],
    score: Callable[[int, list[Tokens]], list[ScoredContinuation]],
) -> list[ScoredContinuation]:
    """A score for each choice, in order; choices with the same prompt are scored together.

    Args:
        prompts: the prompt of each choice; usually one and the same.
        sequences: the token ids of each choice.
        score: (first choice with this prompt, token ids of all of them) -> their scores.
    """
    by_prompt: dict[str, list[int]] = {}
    for place, prompt in enumerate(prompts):
        by_prompt.setdefault(prompt, []).append(place)
    scored: dict[int, ScoredContinuation] = {}
    for members in by_prompt.values():
        results = score(members[0], [sequences[place] for place in members])
        scored.update(zip(members, results, strict=True))
    return [scored[place] for place in range(len(prompts))]


def scored_beside(lens: LogitLens | None, score: Callable[[LogitLens | None], T]) -> tuple[T, Unlocated | None]:
    """Scores with the lens beside them, and None; scores without it and why, where that failed with it.

    What fails without the lens too is the model's own failure and is raised.
    """
    if lens is None:
        return score(None), None
    try:
        return score(lens), None
    except Exception as error:  # whatever it is: without the lens the run may go on
        problem = failure(error)
    free_memory()
    return score(None), problem
