"""ruCommonVQA (MERA): short open answers in Russian; several may be right."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from lens_tasks.documents import first_scalar, label_of, nested
from lens_tasks.target_types import AnswerTarget, gold_texts_of
from lens_tasks.vocabulary import YES_NO, YES_NO_RUSSIAN, pivot_of

TASK_NAME = re.compile(r"(^|_)rucommonvqa(_|$)", re.IGNORECASE)
COLUMNS = ("instruction", "inputs")


def target(doc: Mapping[str, Any], gold: object = None) -> AnswerTarget:
    """да/нет where a right answer is one of the two, open otherwise (the adapter takes answer given and gold)."""
    texts = gold_texts_of(gold) or gold_texts_of(doc.get("outputs"))
    label = label_of(texts[0], YES_NO_RUSSIAN) if texts else None
    meta = nested(doc, "meta") or {}
    return AnswerTarget(
        candidates=YES_NO_RUSSIAN if label else (),
        gold=label,
        gold_texts=texts,
        cluster=first_scalar(meta, ("image_id", "img_id", "source_id")),
        question_type=first_scalar(meta, ("question_type", "question_category")),
        binary=("да", "нет") if label else None,
        pivot=pivot_of(YES_NO_RUSSIAN, YES_NO) if label else (),
        source="rucommonvqa",
    )
