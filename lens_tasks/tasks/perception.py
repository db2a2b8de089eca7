"""perception_mini, in the fields of Perception Test's multiple choice: answer target, prompt, video and scores.

Prompt and score are those of the stock `perceptiontest_val_mc` of lmms-eval.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import pyarrow.parquet as pq

from lens_tasks.documents import first_scalar
from lens_tasks.folders import FOLDER_VARIABLE, MINIS, MissingDataError, data_folder
from lens_tasks.gold import gold_texts_of
from lens_tasks.options.candidates import option_candidates
from lens_tasks.options.lists import Option
from lens_tasks.scoring import short_answer_scores
from lens_tasks.target_types import AnswerTarget, TargetError

TASK_NAME = re.compile(r"(^|_)perception_mini(_|$)", re.IGNORECASE)
COLUMNS = ("video_name", "question", "options", "answer_id")
POST_PROMPT = "\nAnswer with the option's letter from the given choices directly."
"""The stock task's, which it puts in place of any `post_prompt`."""
_LETTER = re.compile(r"\b([A-D])\b")
_VIDEOS = MINIS / "perception_mini_videos.parquet"


def target(doc: Mapping[str, Any], gold: object = None) -> AnswerTarget:
    """The letters with the options' texts; clustered by video. The question type is the question: few are asked.

    Raises:
        TargetError: `options` are no texts, or `answer_id` is the place of none of them.
    """
    texts = [str(option) for option in doc["options"] or ()]
    if len(texts) < 2:
        raise TargetError(f"a question of Perception Test has options, found {doc['options']!r}")
    letters = "ABCD"[: len(texts)]
    right = gold_texts_of(gold) or gold_texts_of(doc["answer_id"])
    if right and right[0] not in map(str, range(len(letters))):
        raise TargetError(f"an answer_id is the place of one of {len(texts)} options, found {right[0]!r}")
    label = letters[int(right[0])] if right else None
    return AnswerTarget(
        candidates=option_candidates(list(map(Option, letters, texts)), cyrillic=False),
        gold=label,
        gold_texts=() if label is None else (label,),
        cluster=first_scalar(doc, ("video_name",)),
        question_type=first_scalar(doc, ("question_id",)),
        source="perception",
    )


def doc_to_visual(doc: Mapping[str, Any]) -> list[str]:
    """Path of the document's video."""
    return [video_file(str(doc["video_name"]))]


def doc_to_text(doc: Mapping[str, Any], specific: Mapping[str, str] | None = None) -> str:
    """Question and lettered options, behind the harness's `pre_prompt`."""
    options = "".join(f"\n{letter}. {text}" for letter, text in zip("ABC", doc["options"], strict=True))
    return f"{(specific or {}).get('pre_prompt', '')}{doc['question']}{options}{POST_PROMPT}"


def process_results(doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, float]:
    """`accuracy` as the stock task counts it (the first lone capital A to D), the same for the question's area alone,
    and from `lens_tasks.scoring` the shares of answers in another form and of none."""
    letter = _LETTER.search(results[0].strip())
    right = float(letter is not None and "ABCD".index(letter[1]) == int(doc["answer_id"]))
    scores = short_answer_scores(results[0], target(doc), doc_to_text(doc))
    area = f"accuracy_{str(doc['area']).lower()}"
    return {"accuracy": right, area: right, **{name: scores[name] for name in ("format_error", "no_answer")}}


@lru_cache(maxsize=1)
def _videos() -> dict[str, bytes]:
    table = pq.read_table(_VIDEOS)
    return dict(zip(table["video_name"].to_pylist(), table["video"].to_pylist(), strict=True))


def video_file(name: str) -> str:
    """Path of a video of perception_mini, which is unpacked when it is first asked for.

    Raises:
        MissingDataError: there is no video of that name, or it cannot be unpacked.
    """
    content = _videos().get(name)
    if content is None:
        raise MissingDataError(f"perception_mini has no video {name!r}; its names are video_0000 and so on")
    path = data_folder() / "perception_mini" / unpacked_name(name, content)
    try:
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_suffix(f".{os.getpid()}.part")
            part.write_bytes(content)
            part.replace(path)  # at once: another process may be reading
    except OSError as error:
        raise MissingDataError(
            f"the videos of perception_mini cannot be unpacked to {path.parent} ({error}); set {FOLDER_VARIABLE} to a "
            "folder that can be written to"
        ) from error
    return str(path)


def unpacked_name(name: str, content: bytes) -> str:
    """File name of a video; the digest keeps the videos of another version of the package apart."""
    return f"{name}_{hashlib.sha256(content).hexdigest()[:12]}.mp4"
