"""Looking things up in documents whose columns differ from benchmark to benchmark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lens_tasks.naming import named_at
from lens_tasks.target_types import Candidate

# Columns that name one image, video or pair. `image_source` does not: in POPE it names the image, but in others, such
# as MM-Vet, the data set that many images were taken from.
CLUSTER_COLUMNS = (
    "image_id",
    "image_filename",
    "image_path",
    "image_file",
    "image_name",
    "img_id",
    "imageId",
    "video_id",
    "video_path",
    "pair_id",
)
QUESTION_TYPE_COLUMNS = ("question_type", "question_family", "category", "type", "sub_task", "task_type")


def nested(doc: Mapping[str, Any], *path: str) -> Any:
    """`doc[path[0]][path[1]]...`, or None where a step is missing."""
    value: Any = doc
    for key in path:
        if not isinstance(value, Mapping) or key not in value:
            return None
        value = value[key]
    return value


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
