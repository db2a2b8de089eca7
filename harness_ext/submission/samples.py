"""The samples files of a run, of lm-eval or lmms-eval, as answers by document."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from .errors import ArchiveFormatError, DuplicateAnswersError, NoAnswersError
from .tasks import base_task, document_id

__all__ = [
    "LENS_ID",
    "Answer",
    "SamplesFile",
    "find_name",
    "find_samples",
    "latest_of_same_questions",
    "model_folder",
    "noted_id",
    "parse_answers",
    "require_unique",
]

LENS_ID = "lens_meta_id"
"""Where the lens notes the document's id in lmms-eval's samples files, which drop the documents."""

_LM_EVAL = re.compile(r"samples_(?P<task>.+)_(?P<date>\d{4}-\d\d-\d\dT[\d.-]+)\.jsonl?$")
_LMMS_EVAL = re.compile(r"(?P<date>\d{8}_\d{6})_samples_(?P<task>.+)\.jsonl?$")


def noted_id(doc: Any) -> dict[str, int]:
    """What to add to a document's line in lmms-eval's samples files; nothing where it is not in MERA's form."""
    number = document_id(doc)
    return {} if number is None else {LENS_ID: number}


@dataclass(frozen=True)
class SamplesFile:
    """One samples file of a run; the date as it stands in the name, and as lm-eval writes it."""

    task: str
    date: str
    path: Path

    @property
    def log_date(self) -> str:
        """2026-03-01T10-20-30.000000 for lmms-eval's 20260301_102030."""
        if not self.date[:8].isdigit():
            return self.date
        return datetime.strptime(self.date, "%Y%m%d_%H%M%S").strftime("%Y-%m-%dT%H-%M-%S.%f")


@dataclass(frozen=True)
class Answer:
    """The answer to one document: its MERA id, its number in the split, the text, and the line it stands in."""

    id: int
    doc_id: int | None
    text: str
    line: Mapping[str, Any]


def model_folder(run: Path) -> Path:
    """The folder with the samples files: `run` itself, or its one subfolder that has some.

    Raises:
        NoAnswersError: there is none, or there are several.
    """
    if not run.is_dir():
        raise NoAnswersError(f"{run}: there is no such folder; give the output_path of a run, or the folder in it")
    if _samples_in(run):
        return run
    found = sorted(folder for folder in run.iterdir() if folder.is_dir() and _samples_in(folder))
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(folder.name for folder in found)
        raise NoAnswersError(f"{run} holds runs of several models ({names}); give the folder of one of them")
    raise NoAnswersError(f"{run}: no samples files here; run the harness with --log_samples (or --predict_only)")


def find_samples(folder: Path) -> list[SamplesFile]:
    """The latest samples file of each task, in order of task."""
    return sorted(_latest(_samples_in(folder), lambda task: task), key=lambda file: file.task)


def latest_of_same_questions(files: Iterable[SamplesFile]) -> list[SamplesFile]:
    """The latest of the samples files that answer the same questions."""
    return _latest(files, base_task)


def _latest(files: Iterable[SamplesFile], group: Callable[[str], str]) -> list[SamplesFile]:
    """The latest file of each group of tasks; of two of one time the first."""
    latest: dict[str, SamplesFile] = {}
    for file in files:
        known = latest.get(group(file.task))
        if known is None or file.log_date > known.log_date:
            latest[group(file.task)] = file
    return list(latest.values())


def find_name(path: Path) -> SamplesFile | None:
    """What a file name says, if it is that of a samples file."""
    match = _LM_EVAL.match(path.name) or _LMMS_EVAL.match(path.name)
    return SamplesFile(match["task"], match["date"], path) if match else None


def _samples_in(folder: Path) -> list[SamplesFile]:
    found = (find_name(path) for path in sorted(folder.glob("*samples_*.json*")))
    return [file for file in found if file is not None]


def parse_answers(text: str, where: str) -> list[Answer]:
    """The answers of a samples file, in its order; a line ends at `\\n` alone, whatever else ends lines in Unicode.

    Raises:
        ArchiveFormatError: a line that is no sample with an id and one answer.
    """
    lines = enumerate(text.split("\n"), start=1)
    return [_answer(line, f"{where}, line {number}") for number, line in lines if line.strip()]


def _answer(line: str, where: str) -> Answer:
    try:
        sample = json.loads(line)
    except json.JSONDecodeError as error:
        raise ArchiveFormatError(f"{where}: not JSON ({error})") from error
    number = document_id(sample.get("doc"))
    if number is None:
        number = sample.get(LENS_ID)
    if not isinstance(number, int):
        raise ArchiveFormatError(
            f"{where}: no document id. lm-eval writes doc.meta.id; lmms-eval drops the document, and the id is there "
            f"when the model is hf-multimodal-lens ({LENS_ID})"
        )
    text = sample.get("filtered_resps")
    while isinstance(text, list) and text:
        text = text[0]
    if not isinstance(text, str):
        raise ArchiveFormatError(f"{where}: filtered_resps should hold the answer, found {type(text).__name__}")
    doc_id = sample.get("doc_id")
    return Answer(number, doc_id if isinstance(doc_id, int) else None, text, sample)


def require_unique(ids: Iterable[int], where: str) -> None:
    """Refuse documents that appear more than once.

    Raises:
        DuplicateAnswersError: names them.
    """
    repeated: Sequence[int] = sorted(number for number, times in Counter(ids).items() if times > 1)
    if repeated:
        raise DuplicateAnswersError(where, repeated, "several answers for the documents with id")
