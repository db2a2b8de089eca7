"""ruCLEVR (MERA): CLEVR's answers in Russian, with their English equivalents tracked beside them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from lens_tasks.documents import first_scalar, label_of, nested
from lens_tasks.gold import gold_texts_of
from lens_tasks.kinds import kind_of
from lens_tasks.target_types import AnswerTarget, TargetError
from lens_tasks.vocabulary import CLEVR, RUCLEVR, pivot_of

TASK_NAME = re.compile(r"(^|_)ruclevr(_|$)", re.IGNORECASE)
COLUMNS = ("instruction", "inputs")
_KIND_OF_TYPE = {
    "binary": "yes_no",
    "colors": "colour",
    "count": "number",
    "materials": "material",
    "shapes": "shape",
    "size": "size",
}
PIVOT = pivot_of(RUCLEVR, CLEVR)


def target(doc: Mapping[str, Any], gold: object = None) -> AnswerTarget:
    """The closed Russian vocabulary; question type binary, colors, count, materials, shapes, size.

    Raises:
        TargetError: there is a gold answer and it is not in the vocabulary.
    """
    texts = gold_texts_of(gold) or gold_texts_of(doc.get("outputs"))
    label = label_of(texts[0], RUCLEVR) if texts else None
    if texts and label is None:
        raise TargetError(f"not in ruCLEVR's vocabulary: {texts[0]!r}")
    meta = nested(doc, "meta") or {}
    question_type = first_scalar(meta, ("question_type",))
    question = str(nested(doc, "inputs", "question") or "")
    kind, kind_from = kind_of(_KIND_OF_TYPE.get(question_type or ""), question, label, RUCLEVR)
    return AnswerTarget(
        candidates=RUCLEVR,
        gold=label,
        gold_texts=texts,
        cluster=first_scalar(meta, ("image_id", "image_source")) or _file_name(doc),
        question_type=question_type,
        binary=("да", "нет") if kind == "yes_no" else None,
        pivot=PIVOT,
        source="ruclevr",
        kind=kind,
        kind_from=kind_from,
        from_gold=kind_from == "gold",
    )


def _file_name(doc: Mapping[str, Any]) -> str | None:
    path = nested(doc, "inputs", "image", "path") or nested(doc, "inputs", "image")
    return path if isinstance(path, str) and path else None
