"""Looking things up in documents whose columns differ from benchmark to benchmark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lens_tasks.naming import named_at
from lens_tasks.target_types import Candidate

# Columns that name one image, video or pair. `image_source` does not: in POPE it names the image, but in others, such
# as MM-Vet, the data set that many images were taken from.
_CLUSTER_COLUMNS = (
    "image_id",
    "image_filename",
    "image_path",
    "image_file",
    "image_name",
    "img_id",
    "imageId",
    "video_id",
    "video_path",
    "video_name",
    "video_idx",
    "pair_id",
)
_TYPE_COLUMNS = ("question_type", "question_family", "category", "type", "sub_task", "task_type", "dim")
# MERA's documents have both in `meta` (and the question's type in its `categories`); a dialogue of ruTiE is a cluster.
_META_CLUSTER_COLUMNS = ("pair_id", "group_id", "dialog_id", "image_id", "img_id", "source_id", "video_id")
_DIALOGUE_COLUMNS = ("dialog_id", "dialogue_id", "conversation_id")
_TURN_COLUMNS = ("question_id", "turn_id", "turn_idx", "turn")
_META_TYPE_COLUMNS = (*_TYPE_COLUMNS, "question_topic", "domain", "subdomain", "topic", "type_answer")


@dataclass(frozen=True)
class Turn:
    """Where a question stands in a dialogue.

    Attributes:
        dialogue: what names the dialogue in the data set.
        number: of the question in it, as the document counts.
    """

    dialogue: str
    number: int


def turn_of(doc: Mapping[str, Any]) -> Turn | None:
    """The dialogue and the turn of a document that names both, in `meta` as MERA's ruTiE does, or beside the question.

    A turn is a whole number; what is written otherwise is none.
    """
    for columns in (nested(doc, "meta") or {}, doc):
        dialogue, number = first_scalar(columns, _DIALOGUE_COLUMNS), first_scalar(columns, _TURN_COLUMNS)
        if dialogue is not None and number is not None and number.isascii() and number.isdecimal():
            return Turn(dialogue, int(number))
    return None


def nested(doc: Mapping[str, Any], *path: str) -> Any:
    """`doc[path[0]][path[1]]...`, or None where a step is missing."""
    value: Any = doc
    for key in path:
        if not isinstance(value, Mapping) or key not in value:
            return None
        value = value[key]
    return value


def cluster_of(doc: Mapping[str, Any]) -> str | None:
    """What names the image, video, pair or dialogue that a document shares with others, by the usual columns."""
    return first_scalar(doc, _CLUSTER_COLUMNS) or first_scalar(nested(doc, "meta") or {}, _META_CLUSTER_COLUMNS)


def question_type_of(doc: Mapping[str, Any]) -> str | None:
    """The kind of question, by the usual columns; of a list with one entry that entry."""
    meta = nested(doc, "meta") or {}
    categories = nested(meta, "categories")
    if not isinstance(categories, Mapping):
        categories = {"category": categories}
    single = {
        name: each[0] if isinstance(each, list | tuple) and len(each) == 1 else each
        for name, each in categories.items()
    }
    return (
        first_scalar(doc, _TYPE_COLUMNS)
        or first_scalar(single, _META_TYPE_COLUMNS)
        or first_scalar(meta, _META_TYPE_COLUMNS)
    )


def first_scalar(doc: Mapping[str, Any], columns: Sequence[str]) -> str | None:
    """The first of `columns` that holds a non-blank string or a whole number, as text."""
    for column in columns:
        value = doc.get(column) if isinstance(doc, Mapping) else None
        if isinstance(value, bool) or not isinstance(value, str | int):
            continue
        if str(value).strip():
            return str(value).strip()
    return None


def label_of(text: str, candidates: Sequence[Candidate]) -> str | None:
    """The label that a gold text stands for: the whole text, without blanks and end marks, names one candidate."""
    stripped = text.strip().strip(".!()\"'«»").strip()
    named = named_at(stripped, 0, candidates)
    return named.label if named is not None and named.end == len(stripped) else None
