"""The stock tasks `perceptiontest_*` of lmms-eval, and the official annotations of Perception Test beside them.

Documents name a video and say nothing of its objects; the annotations say where these are, by the video's name.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lens_tasks.documents import first_scalar
from lens_tasks.folders import MissingDataError, data_folder
from lens_tasks.placed import ASKED
from lens_tasks.target_types import AnswerTarget
from lens_tasks.tasks import perception

HOME = "https://github.com/google-deepmind/perception_test"
TASK_NAME = re.compile(r"^perceptiontest_(val|test)_", re.IGNORECASE)
COLUMNS = perception.COLUMNS
_INTS, _PER_FRAME = pa.list_(pa.int64()), ("frame_ids", "timestamps", "is_masked")
_TRACK = pa.struct(
    {
        "id": pa.int64(),
        "label": pa.string(),
        "is_occluder": pa.int64(),
        "bounding_boxes": pa.list_(pa.list_(pa.float32())),
    }
    | dict.fromkeys(_PER_FRAME, _INTS)
)
_SCHEMA = pa.schema({"video_name": pa.string(), "tracks": pa.list_(_TRACK)})
_LARGEST = 1.5
"""A coordinate above is no share of the picture: what reaches outside does so by little."""


def target(doc: Mapping[str, Any], gold: object = None) -> AnswerTarget:
    """As of perception_mini; the question type is the text of the question, for its number may be one in its video.

    Raises:
        TargetError: as of perception_mini.
    """
    return replace(perception.target(doc, gold), question_type=first_scalar(doc, ("question",)))


def prepare(annotations: str | Path, asked: str | Path | None = None, out_dir: str | Path | None = None) -> Path:
    """Write the object tracks of the official annotations to where the stock tasks' documents find them.

    Boxes are cut off at the frame; frames in which nothing of a box is left are left out. `is_masked` and `is_occluder`
    are annotated in cups games alone; elsewhere no object counts as hidden.

    Args:
        annotations: the unpacked folder of annotations, such as `valid_annotations`, or one file of it.
        asked: a JSON file, question -> labels of the objects that it asks about, for questions that do not name them.
        out_dir: folder of prepared data; by default `lens_tasks.folders.data_folder`.

    Returns:
        The file written.

    Raises:
        MissingDataError: no such folder, or no object tracks in it.
        ValueError: tracks that cannot be read, or another form of `asked`.
    """
    source = Path(annotations).expanduser()
    named = {} if asked is None else _asked_file(Path(asked).expanduser())
    rows = {name: tracks for file in _files(source) for name, tracks in _videos(file)}
    if not rows:
        raise MissingDataError(f"{source} has no JSON file with object_tracking; unpack valid_annotations.zip ({HOME})")
    target = prepared_file(out_dir)
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_suffix(".parquet.part")
    table = pa.Table.from_pylist([{"video_name": name, "tracks": own} for name, own in rows.items()], schema=_SCHEMA)
    pq.write_table(table.replace_schema_metadata({"asked": json.dumps(named)}), unfinished)
    unfinished.replace(target)
    return target


def prepared_file(out_dir: str | Path | None = None) -> Path:
    """Where `prepare` writes."""
    folder = data_folder() if out_dir is None else Path(out_dir).expanduser().resolve()
    return folder / "perceptiontest" / "tracks.parquet"


def tracks(doc: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """The tracks of a document's video, those of what its question names as `asked`; None where nothing is prepared.

    The options have no part in it: one of them is the answer. Objects are asked about whose label the question names,
    in the singular or plural; without any, those whose label ends in a noun of the question, if it is one object or the
    noun stands in the plural.
    """
    file = prepared_file()
    if not file.is_file():
        return None
    table, place, named = _read(file, file.stat().st_mtime_ns)
    row = place.get(str(doc.get("video_name")))
    if row is None:
        return None
    found: list[dict[str, Any]] = table["tracks"][row].as_py()
    about = _named([str(each["label"]) for each in found], str(doc.get("question")), named)
    return [{**each, "role": ASKED if at in about else "other"} for at, each in enumerate(found)]


def _named(labels: Sequence[str], question: str, listed: Mapping[str, list[str]]) -> set[int]:
    """Which of the labels a question is about."""
    if question in listed:
        wanted = {label.lower() for label in listed[question]}
        return {at for at, label in enumerate(labels) if label.lower() in wanted}
    whole = {at for at, label in enumerate(labels) if _says(question, label) or _says(question, label, plural=True)}
    if whole:
        return whole
    nouns = [label.split()[-1] if label.split() else "" for label in labels]
    return {
        at
        for at, noun in enumerate(nouns)
        if noun and (_says(question, noun, plural=True) or (_says(question, noun) and nouns.count(noun) == 1))
    }


def _says(question: str, words: str, *, plural: bool = False) -> bool:
    end = "(?:s|es)" if plural else ""
    return bool(words) and re.search(rf"\b{re.escape(words)}{end}\b", question, re.IGNORECASE) is not None


@functools.lru_cache(maxsize=2)
def _read(file: Path, changed: int) -> tuple[pa.Table, dict[str, int], dict[str, list[str]]]:
    """`changed` is a part of the key, so that a file that was written anew is read anew."""
    table = pq.read_table(file)
    names = table["video_name"].to_pylist()
    return table, {name: row for row, name in enumerate(names)}, json.loads(table.schema.metadata[b"asked"])


def _files(source: Path) -> list[Path]:
    if not source.exists():
        raise MissingDataError(f"{source} does not exist; download valid_annotations.zip from {HOME} and unpack it")
    return [source] if source.is_file() else sorted(source.rglob("*.json"))


def _videos(file: Path) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """(name, tracks) of the videos of a file; nothing of files that hold something else."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{file} is no JSON ({error}); unpack the annotations again") from error
    for name, video in content.items() if isinstance(content, Mapping) else ():
        if isinstance(video, Mapping) and video.get("object_tracking") is not None:
            try:
                yield str(name), [_track(each) for each in video["object_tracking"]]
            except (KeyError, TypeError, ValueError) as error:
                raise ValueError(f"{file}, {name}: no object tracks ({type(error).__name__}: {error})") from error


def _track(given: Mapping[str, Any]) -> dict[str, Any]:
    boxes = np.asarray(given["bounding_boxes"], dtype=np.float64).reshape(-1, 4)
    if not (np.abs(boxes) <= _LARGEST).all():
        raise ValueError(f"a box {boxes[(np.abs(boxes) > _LARGEST).any(axis=1)][0].tolist()}; expected shares")
    frames = np.asarray(given["frame_ids"], dtype=np.int64)
    masked = given.get("is_masked") or [0] * len(frames)
    columns = {"frame_ids": frames, "timestamps": given["timestamps"], "is_masked": masked}
    if wrong := next((name for name, values in columns.items() if len(values) != len(boxes)), None):
        raise ValueError(f"{len(columns[wrong])} {wrong} for {len(boxes)} boxes")
    boxes = boxes.clip(0.0, 1.0)
    kept = np.flatnonzero((boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1]))
    kept = kept[np.argsort(frames[kept], kind="stable")]
    return {
        "id": int(given["id"]),
        "label": str(given["label"]),
        "is_occluder": max(0, int(given.get("is_occluder") or 0)),
        "bounding_boxes": boxes[kept].tolist(),
        **{name: [max(0, int(values[at])) for at in kept] for name, values in columns.items()},
    }


def _asked_file(file: Path) -> dict[str, list[str]]:
    """Question -> labels."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError) as error:
        raise ValueError(f"{file} cannot be read ({error}); expected JSON, question -> list of labels") from error
    good = isinstance(content, Mapping) and all(
        isinstance(labels, list) and all(isinstance(label, str) for label in labels) for labels in content.values()
    )
    if not good:
        raise ValueError(f"{file} holds something else than question -> list of labels")
    return {str(question): list(labels) for question, labels in content.items()}
