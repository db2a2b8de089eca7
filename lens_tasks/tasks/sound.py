"""sound_mini: answer target, prompt, sound and scores."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from lens_tasks.documents import first_scalar
from lens_tasks.folders import MINIS, MissingDataError
from lens_tasks.gold import gold_texts_of
from lens_tasks.options.candidates import option_candidates
from lens_tasks.options.lists import Option
from lens_tasks.scenes.sounds.encode import decode_flac
from lens_tasks.scenes.sounds.questions import LETTERS, filled
from lens_tasks.scenes.sounds.waves import RATE
from lens_tasks.scoring import short_answer_scores
from lens_tasks.surface import word_forms
from lens_tasks.target_types import AnswerTarget, Candidate, TargetError

TASK_NAME = re.compile(r"(^|_)sound_mini(_|$)", re.IGNORECASE)
COLUMNS = ("sound_name", "question", "options", "words", "answer")
_SOUNDS = MINIS / "sound_mini_sounds.parquet"


def target(doc: Mapping[str, Any], gold: object = None) -> AnswerTarget:
    """The letters with the options' texts, or the words that could be said; clustered by sound.

    Raises:
        TargetError: the right answer is none of them.
    """
    options, words = [list(map(str, doc[column] or ())) for column in ("options", "words")]
    if options:
        listed = list(map(Option, LETTERS, options))
        candidates = option_candidates(listed, cyrillic=doc.get("language") == "ru")
    else:
        candidates = tuple(Candidate(word, word_forms([word])) for word in words)
    right = gold_texts_of(gold) or gold_texts_of(doc["answer"])
    if right and right[0] not in {candidate.label for candidate in candidates}:
        raise TargetError(f"an answer is one of {[each.label for each in candidates]}, found {right[0]!r}")
    return AnswerTarget(
        candidates=candidates,
        gold=right[0] if right else None,
        gold_texts=right,
        cluster=first_scalar(doc, ("sound_name",)),
        question_type=first_scalar(doc, ("question_type",)),
        source="sound",
    )


def doc_to_audio(doc: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The document's one sound, as both harnesses pass sounds on: `array` float32 [n] in -1..1, and `sampling_rate`.

    lmms-eval takes a mapping for a video unless its `type` says otherwise.
    """
    return [{"type": "audio", "array": sound(str(doc["sound_name"])), "sampling_rate": RATE}]


def doc_to_text(doc: Mapping[str, Any], specific: Mapping[str, str] | None = None) -> str:
    """Question, options under letters if there are any, and what asks for a letter or a word."""
    text = filled(str(doc["question"]), doc["options"] or (), str(doc["instruction"]))
    return (specific or {}).get("pre_prompt", "") + text


def doc_to_prompt(doc: Mapping[str, Any]) -> str:
    """The same behind the placeholder for the sound: what lm-eval's `doc_to_text` gives."""
    return f"<audio>\n{doc_to_text(doc)}"


def process_results(doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, float]:
    """Scores of `lens_tasks.scoring`."""
    return short_answer_scores(results[0], target(doc), doc_to_text(doc))


@lru_cache(maxsize=1)
def _sounds() -> dict[str, bytes]:
    table = pq.read_table(_SOUNDS)
    return dict(zip(table["sound_name"].to_pylist(), table["sound"].to_pylist(), strict=True))


def sound(name: str) -> Any:
    """Samples float32 [n] at 16 kHz, in -1..1, of a sound of sound_mini.

    Raises:
        MissingDataError: there is no sound of that name.
    """
    content = _sounds().get(name)
    if content is None:
        raise MissingDataError(f"sound_mini has no sound {name!r}; its names are sound_0000 and so on")
    return decode_flac(content).astype(np.float32) / 32768
