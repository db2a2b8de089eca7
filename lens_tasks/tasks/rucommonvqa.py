"""ruCommonVQA (MERA): short open answers in Russian; several may be right."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lens_tasks.documents import cluster_of, question_type_of
from lens_tasks.gold import gold_texts_of
from lens_tasks.target_types import AnswerTarget
from lens_tasks.yes_no_questions import question_of, yes_no_target

TASK_NAME = re.compile(r"(^|_)rucommonvqa(_|$)", re.IGNORECASE)
COLUMNS = ("instruction", "inputs")


def target(doc: Mapping[str, Any], gold: object = None) -> AnswerTarget:
    """да/нет where all right answers are one of the two, open otherwise (the adapter takes answer given and gold)."""
    target = AnswerTarget(
        candidates=(),
        gold=None,
        gold_texts=gold_texts_of(gold) or gold_texts_of(doc.get("outputs")),
        cluster=cluster_of(doc),
        question_type=question_type_of(doc),
        source="rucommonvqa",
    )
    closed = yes_no_target(target, "", question_of(doc, ""))
    return target if closed is None or closed.gold is None else replace(closed, source="rucommonvqa")
