"""reasoning_mini: CLEVR's questions in two languages, asked for an answer after steps or at once; image as in POPE."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from lens_tasks.documents import first_scalar
from lens_tasks.images import PLACEHOLDER
from lens_tasks.scenes.instructions import DIRECT, REASONING
from lens_tasks.scoring import short_answer_scores
from lens_tasks.target_types import AnswerTarget
from lens_tasks.tasks import clevr, ruclevr
from lens_tasks.vocabulary import CLEVR, RUCLEVR

TASK_NAME = re.compile(r"(^|_)reasoning_mini(_|$)", re.IGNORECASE)
COLUMNS = ("question", "answer", "language", "steps")


def target(doc: Mapping[str, Any], gold: object = None) -> AnswerTarget:
    """CLEVR's 28 answers in the language of the question; the question type is its number of steps.

    Raises:
        TargetError: the gold answer is not one of the 28.
    """
    russian = doc["language"] == "ru"
    return replace(
        clevr.target(doc, gold, RUCLEVR if russian else CLEVR),
        pivot=ruclevr.PIVOT if russian else (),
        question_type=f"{first_scalar(doc, ('steps',))} steps",
        source="reasoning",
    )


def doc_to_text(doc: Mapping[str, Any], specific: Mapping[str, str] | None = None) -> str:
    """The question and, on a new line, what asks for numbered steps and an answer after them."""
    return _asked(doc, REASONING, specific)


def text_without_steps(doc: Mapping[str, Any], specific: Mapping[str, str] | None = None) -> str:
    """The question and, on a new line, what asks for a short answer."""
    return _asked(doc, DIRECT, specific)


def doc_to_prompt(doc: Mapping[str, Any]) -> str:
    """`doc_to_text` behind the placeholder for the image: what lm-eval's `doc_to_text` gives."""
    return PLACEHOLDER + doc_to_text(doc)


def prompt_without_steps(doc: Mapping[str, Any]) -> str:
    """`text_without_steps` behind the placeholder for the image."""
    return PLACEHOLDER + text_without_steps(doc)


def process_results(doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, float]:
    """Scores of `lens_tasks.scoring`."""
    return short_answer_scores(results[0], target(doc), str(doc["question"]))


def _asked(doc: Mapping[str, Any], instructions: Mapping[str, str], specific: Mapping[str, str] | None) -> str:
    before = (specific or {}).get("pre_prompt", "")
    return f"{before}{doc['question']}\n{instructions[str(doc['language'])]}"
