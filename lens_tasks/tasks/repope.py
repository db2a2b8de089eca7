"""RePOPE: POPE's questions with corrected labels; questions found ambiguous are left out.

The label files have POPE's own format: one JSON object a line with `image`, `text` and `label`. They are matched by
image and question, so that one file, several, or the whole folder can be given and the order does not matter.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from lens_tasks.folders import MissingDataError

LABELS_VARIABLE = "MMLENS_REPOPE_LABELS"
HOME = "https://github.com/YanNeu/RePOPE"
_log = logging.getLogger(__name__)

Key = tuple[str, str]


def question_key(image: str, question: str) -> Key:
    """Image name without folder and ending, and the question without case and outer blanks."""
    return Path(image).stem.lower(), " ".join(question.lower().split())


def read_labels(paths: Iterable[Path]) -> dict[Key, str]:
    """Labels by question from label files.

    Raises:
        ValueError: a line is no JSON object with `image`, `text` and a yes/no `label`, or two lines contradict.
    """
    labels: dict[Key, str] = {}
    for path in paths:
        # a line ends at \n alone: JSON leaves U+2028 and similar characters as they are
        for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), start=1):
            if not line.strip():
                continue
            key, label = _parse(line, f"{path}, line {number}")
            if labels.setdefault(key, label) != label:
                raise ValueError(f"{path}, line {number}: {key[1]!r} about {key[0]} has the other label elsewhere")
    return labels


def _parse(line: str, place: str) -> tuple[Key, str]:
    try:
        entry = json.loads(line)
        key, label = question_key(entry["image"], entry["text"]), str(entry["label"]).strip().lower()
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{place}: expected a JSON object with image, text and label ({error!r})") from error
    if label not in ("yes", "no"):
        raise ValueError(f"{place}: expected the label yes or no, found {label!r}")
    return key, label


def label_files(setting: str | None = None) -> list[Path]:
    """The label files named by `$MMLENS_REPOPE_LABELS`: a folder, or files separated like paths in `PATH`.

    Raises:
        MissingDataError: the variable is not set, or names something that is not there.
    """
    setting = os.environ.get(LABELS_VARIABLE, "") if setting is None else setting
    paths = [Path(part).expanduser() for part in setting.split(os.pathsep) if part.strip()]
    files = [file for path in paths for file in (sorted(path.glob("*.json")) if path.is_dir() else [path])]
    absent = [str(file) for file in files if not file.is_file()]
    if not files or absent:
        found = f"{absent[0]} does not exist" if absent else f"found {setting!r}"
        raise MissingDataError(
            f"the task 'pope_repope' needs RePOPE's label files: set {LABELS_VARIABLE} to the folder 'annotations' of "
            f"{HOME}, or to its coco_repope_*.json files separated by {os.pathsep!r}; {found}"
        )
    return files


def row_relabeller(setting: str | None = None) -> Callable[[Any], Any]:
    """A `process_docs` function that keeps the rows with a RePOPE label and gives them that label.

    The files are read here and not when the function is called: a harness retries and hides errors of `process_docs`.

    Raises:
        MissingDataError: see `label_files`.
        ValueError: see `read_labels`.
    """
    labels = read_labels(label_files(setting))

    def relabel(dataset: Any) -> Any:
        answers = [label_of_row(row, labels) for row in _without_images(dataset)]
        kept = [index for index, answer in enumerate(answers) if answer is not None]
        _log.info("RePOPE labels %d of %d POPE questions; the others are left out", len(kept), len(answers))
        if not kept:
            raise ValueError(f"none of {len(answers)} POPE questions has a label in {LABELS_VARIABLE}")
        chosen = dataset.select(kept)
        original = chosen["answer"]
        chosen = chosen.remove_columns("answer").add_column("answer", [answers[index] for index in kept])
        return chosen.add_column("pope_answer", list(original))

    return relabel


def label_of_row(row: Mapping[str, Any], labels: Mapping[Key, str]) -> str | None:
    """RePOPE's label of a POPE row; None where it has none."""
    return labels.get(question_key(str(row["image_source"]), str(row["question"])))


def _without_images(dataset: Any) -> Any:
    return dataset.select_columns(["image_source", "question"])
