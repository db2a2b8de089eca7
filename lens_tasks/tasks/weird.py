"""WEIRD (MERA): is an image strange or normal, answered by the letter A or B."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from lens_tasks.documents import first_scalar, nested
from lens_tasks.gold import gold_texts_of
from lens_tasks.options.candidates import option_candidates
from lens_tasks.options.gold import gold_option
from lens_tasks.options.lists import Option, OptionList
from lens_tasks.surface import letter_forms, word_forms
from lens_tasks.target_types import AnswerTarget, Candidate, TargetError

TASK_NAME = re.compile(r"(^|_)weird(_|$)", re.IGNORECASE)
COLUMNS = ("instruction", "inputs")
_ENGLISH = {"норм": ("normal",), "стран": ("strange", "weird")}


def options(doc: Mapping[str, Any]) -> tuple[Option, ...]:
    """The document's own options A and B, in its own order.

    Raises:
        TargetError: `inputs` has no option_a or option_b.
    """
    texts = [nested(doc, "inputs", column) for column in ("option_a", "option_b")]
    if not all(isinstance(text, str) and text.strip() for text in texts):
        raise TargetError(f"WEIRD needs inputs.option_a and inputs.option_b, found {texts}")
    return tuple(Option(key, text.strip()) for key, text in zip("AB", texts, strict=True))


def target(doc: Mapping[str, Any], gold: object = None) -> AnswerTarget:
    """A and B, Latin and Cyrillic, with the option's words; clustered by the pair of a normal and a strange image."""
    found = options(doc)
    candidates = option_candidates(found, cyrillic=True)
    texts = gold_texts_of(gold) or gold_texts_of(doc.get("outputs"))
    label = gold_option(list(texts), OptionList(found, 0, 0, "letters"), keys_asked=True).label
    if texts and label is None:
        raise TargetError(f"a WEIRD answer is A or B, found {texts[0]!r}")
    meta = nested(doc, "meta") or {}
    return AnswerTarget(
        candidates=candidates,
        gold=label,
        gold_texts=texts,
        cluster=first_scalar(meta, ("pair_id",)),
        question_type=_group(meta),
        pivot=tuple(_pivot(option) for option in found),
        source="weird",
    )


def _pivot(option: Option) -> Candidate:
    words = [word for stem, english in _ENGLISH.items() if stem in option.text.lower() for word in english]
    return Candidate(option.key, letter_forms(option.key, cyrillic=False) + word_forms(words))


def _group(meta: Mapping[str, Any]) -> str | None:
    categories = meta.get("categories")
    if isinstance(categories, Mapping):
        return first_scalar(categories, ("commonsense_violation_group", "commonsense_violation_subgroup"))
    return first_scalar(meta, ("categories", "question_type"))
