"""The official CLEVR release as one Parquet file that both harnesses load.

Images are not copied: the rows hold the absolute paths of the release's own files.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from lens_tasks.folders import MissingDataError, data_folder
from lens_tasks.scenes.steps import step_count, steps_cell
from lens_tasks.scenes.tables import clevr_columns, with_features
from lens_tasks.tasks.clevr_scenes import boxes_cell, objects_of, read_scenes

log = logging.getLogger(__name__)

HOME = "https://cs.stanford.edu/people/jcjohns/clevr/"
SPLIT = "val"  # the test split's answers are not public
_COMPARED = {"equal_integer": "compare_integer", "less_than": "compare_integer", "greater_than": "compare_integer"}
_SCHEMA = with_features(pa.schema(clevr_columns(pa.int64(), lens_steps=pa.string(), steps=pa.int64())))


def prepare(source_dir: str | Path, out_dir: str | Path | None = None) -> Path:
    """Write the validation split of an unpacked CLEVR_v1.0 folder as `<out_dir>/clevr/validation.parquet`.

    Where the release's scenes are beside it, each question carries the boxes of the objects in its picture, and which
    of them each step of its program is about.

    Args:
        source_dir: the folder `CLEVR_v1.0`, or the one it lies in.
        out_dir: folder of prepared data; by default where the `clevr` task looks (`lens_tasks.folders`).

    Returns:
        The file written.

    Raises:
        MissingDataError: the questions or images are not where the official release has them.
        ValueError: a question has no answer or no functional program.
    """
    root = _release_root(Path(source_dir).expanduser().resolve())
    images = root / "images" / SPLIT
    rows = list(_rows(_questions(root), images, _places(root)))
    missing = next((row["image"]["path"] for row in rows if not Path(row["image"]["path"]).is_file()), None)
    if missing:
        raise MissingDataError(f"the image {missing} is missing; unpack CLEVR_v1.0.zip again ({HOME})")
    target = validation_path(out_dir)
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_suffix(".parquet.part")
    pq.write_table(pa.Table.from_pylist(rows, schema=_SCHEMA), unfinished)
    unfinished.replace(target)
    return target


def validation_path(out_dir: str | Path | None = None) -> Path:
    """Where `prepare` writes."""
    return (data_folder() if out_dir is None else Path(out_dir).expanduser().resolve()) / "clevr" / "validation.parquet"


def prepared_validation() -> str:
    """The prepared file, for the task's YAML.

    Raises:
        MissingDataError: it is not there yet; the message says what to download and what to run.
    """
    path = validation_path()
    if not path.is_file():
        raise MissingDataError(
            f"the task 'clevr' needs the official CLEVR release, and {path} does not exist. "
            f"Download CLEVR_v1.0.zip from {HOME}, unpack it, and run: mmlens prepare clevr /path/to/CLEVR_v1.0"
        )
    return str(path)


def question_family(program: Sequence[Mapping[str, Any]]) -> str:
    """exist, count, compare_integer, compare_attribute or query_attribute, from a functional program's last step.

    Raises:
        ValueError: the program is empty or ends in a function that gives no answer.
    """
    last = str(program[-1].get("function") or program[-1].get("type")) if program else "nothing"
    if last in ("exist", "count"):
        return last
    if last in _COMPARED:
        return _COMPARED[last]
    if last.startswith("equal_"):
        return "compare_attribute"
    if last.startswith("query_"):
        return "query_attribute"
    raise ValueError(f"a CLEVR program ends in exist, count, equal_*, less_than, greater_than or query_*; found {last}")


def _release_root(folder: Path) -> Path:
    for root in (folder, folder / "CLEVR_v1.0"):
        if (root / "questions" / f"CLEVR_{SPLIT}_questions.json").is_file():
            return root
    raise MissingDataError(
        f"{folder} is not an unpacked CLEVR release: questions/CLEVR_{SPLIT}_questions.json is not in it. "
        f"Download CLEVR_v1.0.zip from {HOME}, unpack it, and give the folder CLEVR_v1.0"
    )


def _questions(root: Path) -> list[dict[str, Any]]:
    with (root / "questions" / f"CLEVR_{SPLIT}_questions.json").open(encoding="utf-8") as file:
        questions: list[dict[str, Any]] = json.load(file)["questions"]
    return questions


def _places(root: Path) -> Callable[[str, Sequence[Mapping[str, Any]]], dict[str, str | None]]:
    """(image file name, program) -> `lens_boxes` and `lens_steps` of the question.

    They are None where the release has no scenes with it, or they cannot be said.
    """
    file = root / "scenes" / f"CLEVR_{SPLIT}_scenes.json"
    scenes = read_scenes(file) if file.is_file() else {}

    def said(what: str, image: str, cell: Callable[[Mapping[str, Any]], str]) -> str | None:
        try:
            return cell(scenes[image]) if image in scenes else None
        except (LookupError, ValueError) as error:
            log.warning("no %s for %s: %s", what, image, error)
            return None

    def places(image: str, program: Sequence[Mapping[str, Any]]) -> dict[str, str | None]:
        return {
            "lens_boxes": said("boxes", image, lambda scene: boxes_cell(scene, program)),
            "lens_steps": said("steps", image, lambda scene: steps_cell(program, objects_of(scene))),
        }

    return places


def _rows(
    questions: Sequence[Mapping[str, Any]],
    images: Path,
    places: Callable[[str, Sequence[Mapping[str, Any]]], dict[str, str | None]],
) -> Iterator[dict[str, Any]]:
    for index, question in enumerate(questions):
        absent = [key for key in ("answer", "program", "image_filename", "question") if key not in question]
        if absent:
            raise ValueError(f"question {index} has no {absent[0]!r}; the split {SPLIT!r} of CLEVR_v1.0 has it")
        program = question["program"]
        yield {
            "image": {"bytes": None, "path": str(images / question["image_filename"])},
            "image_filename": question["image_filename"],
            "image_index": question.get("image_index"),
            "question_index": question.get("question_index", index),
            "question": question["question"],
            "answer": str(question["answer"]),
            "question_family": question_family(program),
            "program": json.dumps(program),
            "steps": step_count(program),
            **places(question["image_filename"], program),
        }
