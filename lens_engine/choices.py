"""The continuations of one multiple-choice document: scored prompt by prompt, and compared as the harness does."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from lens_models.continuations import ScoredContinuation
from lens_models.memory import free_memory

from .batching import in_order
from .engine import UNCHANGED, Engine, Replacement
from .failures import NoReadout, failure
from .sample import Choices

__all__ = ["ChoiceRule", "choice_rule", "score_choices", "scored_beside"]


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
        choices: texts of the choices as the task counts their characters; None where they are not known.
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
    engine: Engine,
    choices: Choices,
    *,
    replacement: Replacement = UNCHANGED,
    observe: bool = True,
    probes: bool = False,
) -> list[ScoredContinuation]:
    """A score for each choice, in order; choices with the same prompt are scored together.

    Args:
        engine: what scores them.
        choices: their prompts and token ids.
        replacement: what the document is run with in place of its own.
        observe: with the layers of the lens.
        probes: with its probes of image tokens too.
    """
    by_prompt: dict[str, list[int]] = {}
    for place, sample in enumerate(choices.samples):
        by_prompt.setdefault(sample.prompt, []).append(place)

    def score(places: Sequence[int]) -> list[ScoredContinuation]:
        sequences = [choices.sequences[place] for place in places]
        sample = choices.samples[places[0]]
        return engine.score(sample, sequences, replacement=replacement, observe=observe, probes=probes)

    return in_order(by_prompt.values(), score)


def scored_beside(
    engine: Engine, choices: Choices, *, observe: bool
) -> tuple[list[ScoredContinuation], NoReadout | None]:
    """Scores with the lens beside them, and None; scores without it and why, where that failed with it.

    What fails without the lens too is the model's own failure and is raised.
    """
    if not observe or engine.lens is None:
        return score_choices(engine, choices, observe=False), None
    try:
        return score_choices(engine, choices, probes=True), None
    except Exception as error:  # whatever it is: without the lens the run may go on
        problem = failure(error)
    free_memory()
    return score_choices(engine, choices, observe=False), problem
