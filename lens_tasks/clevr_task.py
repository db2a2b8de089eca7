"""What a harness needs to run CLEVR-like tasks: prompt, image, scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lens_tasks.clevr import target
from lens_tasks.pope_task import doc_to_prompt, doc_to_text, doc_to_visual
from lens_tasks.scoring import short_answer_scores

__all__ = ["doc_to_prompt", "doc_to_text", "doc_to_visual", "process_results"]


def process_results(doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, float]:
    """Scores of `lens_tasks.scoring`."""
    return short_answer_scores(results[0], target(doc))
