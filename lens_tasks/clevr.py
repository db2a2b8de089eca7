"""CLEVR: 28 possible answers, question families from the functional program."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from lens_tasks.documents import first_scalar, label_of
from lens_tasks.target_types import AnswerTarget, TargetError, gold_texts_of
from lens_tasks.vocabulary import CLEVR

TASK_NAME = re.compile(r"(^|_)clevr(_|$)", re.IGNORECASE)
COLUMNS = ("question",)


def target(doc: Mapping[str, Any], gold: object = None) -> AnswerTarget:
    """All 28 answers as candidates; `binary` is set where the right answer is yes or no.

    Raises:
        TargetError: the gold answer is not one of the 28.
    """
    texts = gold_texts_of(gold) or gold_texts_of(doc.get("answer"))
    label = label_of(texts[0], CLEVR) if texts else None
    if texts and label is None:
        raise TargetError(f"not one of CLEVR's 28 answers: {texts[0]!r}")
    return AnswerTarget(
        candidates=CLEVR,
        gold=label,
        gold_texts=texts,
        cluster=first_scalar(doc, ("image_filename", "image_index", "image_id", "image_source", "image")),
        question_type=first_scalar(doc, ("question_family", "question_type", "family", "category")),
        binary=("yes", "no") if label in ("yes", "no") else None,
        source="clevr",
    )
