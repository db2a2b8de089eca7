"""What a harness gave as the right answer, as texts; what only marks that it is missing is none.

Private splits hold "", "?", -1 or a name; templates of missing columns render to "None", "nan" or to themselves.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping

__all__ = ["accepted_answers", "gold_texts_of", "of_placeholder"]

_MISSING = re.compile(
    r"(?:None|nan|NaN|NaT|null|<NA>|N/A|\?+|-1(?:\.0)?|-100|[A-Z][A-Z0-9_]*_TARGET_\w+|\{\{.*\}\}|\{%.*%\})?",
    re.DOTALL,
)
_PLACEHOLDER = re.compile(r"[A-Z][A-Z0-9_]*_TARGET_\w+")
_RESULT = "\n#### "
"""Stands between the solution and the result in GSM8K and its relatives, which score the result alone."""
_ONE_OF, _ALL_OF = "<OR>", "<AND>"
"""MM-Vet's: each text is right; only all of them together are, so that there is no right text."""
_ANNOTATORS = 5
"""A list of at least so many answers in which some agree holds one answer of each annotator."""
_AGREEING = 3
"""How many annotators make an answer fully right, as VQA's accuracy counts."""


def _is_missing(text: str) -> bool:
    """Whether a text is in the place of a gold answer and is none."""
    return _MISSING.fullmatch(text.strip()) is not None


def of_placeholder(gold: object, doc: Mapping[str, object]) -> object:
    """The gold answer of a document whose task only names a placeholder, as MERA's ruTiE does (`RUTIE_TARGET_3`).

    Such a target is filled with the model's own answer, for the history of later questions. What is right stands in
    `outputs`, as in all of MERA's documents; private ones have nothing there.
    """
    named = isinstance(gold, str) and _PLACEHOLDER.fullmatch(gold.strip())
    return doc["outputs"] if named and gold_texts_of(doc.get("outputs")) else gold


def gold_texts_of(gold: object) -> tuple[str, ...]:
    """What a harness's `doc_to_target` returned, as texts without duplicates and what marks a missing answer.

    Strings, numbers, lists of them and lists of `{"answer": ...}` (the VQA format) are understood. Of the answers of
    several annotators those that at least three gave, the most frequent first: an answer of one is not right.
    """
    texts = _texts(gold)
    counts = Counter(map(_same, texts))
    if len(texts) >= _ANNOTATORS and max(counts.values()) >= _AGREEING:
        return accepted_answers(texts)
    return tuple(dict.fromkeys(texts))


def accepted_answers(answers: object) -> tuple[str, ...]:
    """The answers that at least three of the annotators gave, the most frequent first; in the first one's spelling."""
    texts = _texts(answers)
    spelling = {_same(text): text for text in reversed(texts)}
    counts = Counter(map(_same, texts))
    return tuple(spelling[same] for same, count in counts.most_common() if count >= _AGREEING)


def _same(text: str) -> str:
    return text.strip().strip(".").casefold()


def _texts(gold: object) -> list[str]:
    if isinstance(gold, Mapping):
        return _texts(gold.get("answer", gold.get("text")))
    if type(gold).__module__ == "numpy":
        return _texts(gold.tolist())  # type: ignore[attr-defined]
    if isinstance(gold, str | int | float):
        missing = isinstance(gold, float) and math.isnan(gold)
        texts = [] if _ALL_OF in str(gold) else str(gold).rpartition(_RESULT)[2].split(_ONE_OF)
        return [] if missing else [text for text in texts if not _is_missing(text)]
    if isinstance(gold, Iterable) and not isinstance(gold, bytes):
        items = list(gold)
        vector = len(items) > 1 and all(isinstance(item, int | float) for item in items)
        return [] if vector else [text for item in items for text in _texts(item)]  # a box is no list of answers
    return []
