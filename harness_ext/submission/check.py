"""Prove a submission archive: its form, that every document is there once, and that answers and logs agree."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import AnswersDifferError, ArchiveFormatError, IncompleteAnswersError, NoAnswersError
from .samples import Answer, SamplesFile, find_name, latest_of_same_questions, parse_answers, require_unique
from .tasks import file_of, with_task_files

__all__ = ["LOGS", "Submission", "check_submission", "expected_documents"]

LOGS = "logs_public.zip"


@dataclass(frozen=True)
class Submission:
    """An archive that was checked: its path, and the number of answers of each of its files."""

    path: Path
    answers: Mapping[str, int]


def check_submission(archive: str | Path, *, task_files: Mapping[str, str] | None = None) -> Submission:
    """Check an archive, whoever made it.

    Args:
        archive: the zip file.
        task_files: task name -> file name without `.json`, for tasks of other names than MERA's.

    Raises:
        SubmissionError: see `harness_ext.submission.errors`; the offending ids are named.
    """
    path = Path(archive)
    files = with_task_files(task_files)
    parts = _read_zip(path.read_bytes() if path.is_file() else None, str(path))
    logs = _read_zip(parts.pop(LOGS, None), f"{path}, {LOGS}")
    names = {f"{name}.json" for name in files.values()}
    unknown = sorted(set(parts) - names)
    if unknown:
        raise ArchiveFormatError(
            f"{path}: {', '.join(unknown)} should not be there; MERA's server knows {_listed(names)}"
        )
    if not parts:
        raise NoAnswersError(f"{path}: no answers in it; expected some of {_listed(names)}")
    logged, expected = _logged_answers(logs, files, str(path))
    counts = {}
    for name, content in sorted(parts.items()):
        answers = _answers(content, f"{path}, {name}")
        _compare(answers, logged.get(name), f"{path}, {name}")
        counts[name] = len(answers)
        if name in expected and len(answers) < expected[name]:
            missing = sorted(set(range(expected[name])) - {each.doc_id for each in logged[name]} - {None})
            raise IncompleteAnswersError(
                f"{path}, {name}", [number for number in missing if number is not None],
                f"{len(answers)} of {expected[name]} documents answered; no answer for doc_id",
            )  # fmt: skip
    return Submission(path, counts)


def expected_documents(results: Iterable[Any]) -> dict[str, int]:
    """Task -> number of its documents, from the harness's results files."""
    expected: dict[str, int] = {}
    for content in results:
        sizes = content.get("n-samples") if isinstance(content, Mapping) else None
        for task, size in (sizes or {}).items():
            if isinstance(size, Mapping) and isinstance(size.get("original"), int):
                expected[task] = size["original"]
    return expected


def _read_zip(content: bytes | None, where: str) -> dict[str, bytes]:
    if content is None:
        raise ArchiveFormatError(f"{where}: there is no such file")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}
    except (zipfile.BadZipFile, zipfile.LargeZipFile, RuntimeError, OSError) as error:
        raise ArchiveFormatError(f"{where}: not a readable zip file ({error})") from error


def _logged_answers(
    logs: Mapping[str, bytes], files: Mapping[str, str], where: str
) -> tuple[dict[str, list[Answer]], dict[str, int]]:
    """File of the archive -> the answers in the logs, and the number of documents it should have."""
    results = [_json(content, f"{where}, {name}") for name, content in logs.items() if name.startswith("results_")]
    sizes = expected_documents(results)
    answers: dict[str, list[Answer]] = {}
    expected: dict[str, int] = {}
    for file, content in _latest_samples(logs).items():
        name = file_of(file.task, files)
        if name is None:
            continue
        answers.setdefault(f"{name}.json", []).extend(parse_answers(content, f"{where}, {file.path}"))
        if file.task in sizes:
            expected[f"{name}.json"] = expected.get(f"{name}.json", 0) + sizes[file.task]
    return answers, expected


def _latest_samples(logs: Mapping[str, bytes]) -> dict[SamplesFile, str]:
    found = (find_name(Path(name)) for name in sorted(logs))
    latest = latest_of_same_questions(file for file in found if file is not None)
    return {file: logs[str(file.path)].decode() for file in latest}


def _answers(content: bytes, where: str) -> dict[int, str]:
    data = _json(content, where)
    entries = data.get("data", {}).get("test") if isinstance(data, Mapping) else None
    if not isinstance(entries, list):
        raise ArchiveFormatError(f'{where}: expected {{"data": {{"test": [...]}}}}')
    pairs = [_entry(entry, f"{where}, entry {number}") for number, entry in enumerate(entries)]
    require_unique((number for number, _ in pairs), where)
    return dict(pairs)


def _entry(entry: Any, where: str) -> tuple[int, str]:
    number = entry["meta"].get("id") if isinstance(entry, Mapping) and isinstance(entry.get("meta"), Mapping) else None
    text = entry.get("outputs") if isinstance(entry, Mapping) else None
    if type(number) is not int or not isinstance(text, str):
        raise ArchiveFormatError(f'{where}: expected {{"outputs": "text", "meta": {{"id": number}}}}, found {entry!r}')
    return number, text


def _compare(answers: Mapping[int, str], logged: list[Answer] | None, where: str) -> None:
    if logged is None:
        raise ArchiveFormatError(f"{where}: {LOGS} has no samples file for it")
    require_unique((each.id for each in logged), f"{where}, samples in {LOGS}")
    texts = {each.id: each.text for each in logged}
    missing = sorted(set(texts) - set(answers))
    if missing:
        raise IncompleteAnswersError(where, missing, f"{LOGS} has answers that are not here, for the documents with id")
    differing = sorted(number for number, text in answers.items() if texts.get(number) != text)
    if differing:
        raise AnswersDifferError(where, differing, f"answers that {LOGS} does not have, for the documents with id")


def _json(content: bytes, where: str) -> Any:
    try:
        return json.loads(content.decode())
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ArchiveFormatError(f"{where}: not JSON in UTF-8 ({error})") from error


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
