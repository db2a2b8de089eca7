"""POPE and its relatives: is an object in the image, yes or no."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from lens_tasks.documents import first_scalar, label_of
from lens_tasks.gold import gold_texts_of
from lens_tasks.target_types import AnswerTarget, TargetError
from lens_tasks.vocabulary import YES_NO

TASK_NAME = re.compile(r"(^|_)pope(_|$)", re.IGNORECASE)
COLUMNS = ("question",)


def target(doc: Mapping[str, Any], gold: object = None) -> AnswerTarget:
    """Yes/no; clustered by image, because several questions share one; question type random, popular, adversarial.

    Raises:
        TargetError: the gold answer is neither yes nor no.
    """
    texts = gold_texts_of(gold) or gold_texts_of(doc.get("answer"))
    label = label_of(texts[0], YES_NO) if texts else None
    if texts and label is None:
        raise TargetError(f"a POPE answer is yes or no, found {texts[0]!r}")
    return AnswerTarget(
        candidates=YES_NO,
        gold=label,
        gold_texts=texts,
        cluster=first_scalar(doc, ("image_source", "image_id", "image_filename", "image")),
        question_type=first_scalar(doc, ("category", "question_type")),
        binary=("yes", "no"),
        source="pope",
    )
