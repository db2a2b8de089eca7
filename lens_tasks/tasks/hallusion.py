"""HallusionBench: yes/no questions whose right answer is a number, with a sentence beside it for a judge."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from lens_tasks.documents import first_scalar
from lens_tasks.gold import gold_texts_of
from lens_tasks.target_types import AnswerTarget, TargetError
from lens_tasks.vocabulary import YES_NO

TASK_NAME = re.compile(r"(^|_)hallusion_?bench(_|$)", re.IGNORECASE)
COLUMNS = ("question", "gt_answer")
_RIGHT = {"1": "yes", "0": "no"}


def target(doc: Mapping[str, Any], gold: object = None) -> AnswerTarget:
    """Yes/no by `gt_answer` (1 or 0); clustered by the set of figures that a question and its changed versions share.

    Raises:
        TargetError: `gt_answer` is neither 1 nor 0.
    """
    answer = gold_texts_of(doc["gt_answer"])
    if answer and answer[0] not in _RIGHT:
        raise TargetError(f"a right answer of HallusionBench is 1 or 0, found {answer[0]!r}")
    figures = [first_scalar(doc, (column,)) for column in ("category", "subcategory", "set_id")]
    return AnswerTarget(
        candidates=YES_NO,
        gold=_RIGHT[answer[0]] if answer else None,
        gold_texts=gold_texts_of(gold),
        cluster="/".join(filter(None, figures)) if all(figures) else None,
        question_type=first_scalar(doc, ("subcategory", "category")),
        binary=("yes", "no"),
        source="hallusion",
    )
