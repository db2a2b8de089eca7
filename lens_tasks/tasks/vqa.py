"""VQA with ten annotators (TextVQA, VQAv2, VizWiz, OK-VQA): the right answer is what at least three of them gave."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lens_tasks.documents import first_scalar
from lens_tasks.gold import accepted_answers
from lens_tasks.target_types import AnswerTarget
from lens_tasks.yes_no_questions import question_of, yes_no_target

TASK_NAME = re.compile(r"(^|_)(textvqa|vqav2|vizwiz_vqa|ok_?vqa)(_|$)", re.IGNORECASE)
COLUMNS = ("question", "answers")


def target(doc: Mapping[str, Any], gold: object = None) -> AnswerTarget:
    """Open, or yes/no; the harness's own `doc_to_target` names a column that these data sets do not have.

    Their accuracy gives an answer its full mark where three annotators gave it (Antol et al. 2015). Where both yes and
    no have that, neither is the right one.
    """
    texts = accepted_answers(doc["answers"])
    target = AnswerTarget(
        candidates=(),
        gold=None,
        gold_texts=texts,
        cluster=first_scalar(doc, ("image_id",)),
        question_type=first_scalar(doc, ("question_type", "answer_type")),
        source="vqa",
        note=None if texts or not doc["answers"] else "no answer was given by three annotators",
    )
    closed = yes_no_target(target, "", question_of(doc, ""))
    return target if closed is None else replace(closed, source="vqa")
