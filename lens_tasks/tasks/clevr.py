"""CLEVR: 28 possible answers, question families from the functional program; prompt and image are those of POPE."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from lens_tasks.documents import first_scalar, label_of, nested
from lens_tasks.gold import gold_texts_of
from lens_tasks.kinds import kind_of
from lens_tasks.scoring import short_answer_scores
from lens_tasks.target_types import AnswerTarget, Candidate, TargetError
from lens_tasks.vocabulary import CLEVR

TASK_NAME = re.compile(r"(^|_)clevr(_|$)", re.IGNORECASE)
COLUMNS = ("question",)
_KIND_OF_FUNCTION = {
    "count": "number",
    "query_color": "colour",
    "query_shape": "shape",
    "query_size": "size",
    "query_material": "material",
    **dict.fromkeys(("exist", "compare_integer", "compare_attribute"), "yes_no"),
    **dict.fromkeys(("equal_integer", "less_than", "greater_than"), "yes_no"),
    **dict.fromkeys(("equal_color", "equal_shape", "equal_size", "equal_material"), "yes_no"),
}


def target(doc: Mapping[str, Any], gold: object = None, vocabulary: tuple[Candidate, ...] = CLEVR) -> AnswerTarget:
    """All 28 answers as candidates; `kind` says which of them the question asks for, `binary` whether yes or no.

    Args:
        doc: with the columns of CLEVR's questions.
        gold: what the harness says is right.
        vocabulary: the 28 answers in the language of the question, in the order of `CLEVR`.

    Raises:
        TargetError: the gold answer is not one of the 28.
    """
    texts = gold_texts_of(gold) or gold_texts_of(doc.get("answer"))
    label = label_of(texts[0], vocabulary) if texts else None
    if texts and label is None:
        raise TargetError(f"not one of CLEVR's 28 answers: {texts[0]!r}")
    kind, kind_from = kind_of(_kind_of_program(doc), first_scalar(doc, ("question",)) or "", label, vocabulary)
    yes, no = (candidate.label for candidate in vocabulary[:2])
    return AnswerTarget(
        candidates=vocabulary,
        gold=label,
        gold_texts=texts,
        cluster=first_scalar(doc, ("image_filename", "image_index", "image_id", "image_source", "image")),
        question_type=first_scalar(doc, ("question_family", "question_type", "family", "category")),
        binary=(yes, no) if kind == "yes_no" else None,
        source="clevr",
        kind=kind,
        kind_from=kind_from,
        from_gold=kind_from == "gold",
    )


def _kind_of_program(doc: Mapping[str, Any]) -> str | None:
    """From the last function of the functional program, or from the question family."""
    steps = _program(doc)
    last = str(nested(steps[-1], "function") or nested(steps[-1], "type") or "") if steps else ""
    return _KIND_OF_FUNCTION.get(last) or _KIND_OF_FUNCTION.get(str(doc.get("question_family")))


def _program(doc: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    program = doc.get("program")
    return json.loads(program) if isinstance(program, str) and program.strip() else program or ()


def asked_words(doc: Mapping[str, Any]) -> tuple[str, ...]:
    """The attributes by which the question names the objects that it is about: "large", "cube"; none without a program.

    Those of objects that are only named to find these are left out.
    """
    steps = _program(doc)
    words: list[str] = []
    open_steps = [steps[-1]] if steps else []
    while open_steps:
        step = open_steps.pop()
        function = str(step.get("function") or step.get("type"))
        if function.startswith("filter_"):
            words += [str(value) for value in step.get("value_inputs") or step.get("side_inputs") or ()]
        if function != "relate" and not function.startswith("same_"):
            open_steps += [steps[source] for source in step.get("inputs") or ()]
    return tuple(dict.fromkeys(reversed(words)))


def process_results(doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, float]:
    """Scores of `lens_tasks.scoring`."""
    return short_answer_scores(results[0], target(doc))
