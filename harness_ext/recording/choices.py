"""The continuations of one multiple-choice document, scored prompt by prompt."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from harness_ext.recording.forced import Tokens
from lens_models.continuations import ScoredContinuation

__all__ = ["score_choices"]


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
