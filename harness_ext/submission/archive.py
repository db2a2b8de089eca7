"""Write the archive that MERA's server takes: answers by task, and the logs they come from."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .check import LOGS, Submission, check_submission, expected_documents
from .errors import IncompleteAnswersError, NoAnswersError
from .samples import (
    Answer,
    SamplesFile,
    find_samples,
    latest_of_same_questions,
    model_folder,
    parse_answers,
    require_unique,
)
from .tasks import base_task, file_of, place_of, tasks_of, with_task_files

__all__ = ["write_submission"]

_TIME = (1980, 1, 1, 0, 0, 0)  # the same answers give the same bytes


def write_submission(
    run: str | Path,
    dst: str | Path,
    *,
    tasks: Sequence[str] | None = None,
    task_files: Mapping[str, str] | None = None,
) -> Submission:
    """Pack a run of lm-eval, its MERA fork or lmms-eval, and check what was packed.

    Args:
        run: the run's `output_path`, or the model's folder in it. Of several runs of a task the latest counts.
        dst: the archive; `.zip` is added where it is missing.
        tasks: which tasks to pack; all that MERA knows when None.
        task_files: task name -> file name without `.json`, for tasks of other names than MERA's.

    Raises:
        SubmissionError: see `harness_ext.submission.errors`; nothing is written then.
    """
    files = with_task_files(task_files)
    folder = model_folder(Path(run))
    chosen = _chosen(folder, tasks, files)
    answers = {each.task: parse_answers(each.path.read_text(encoding="utf-8"), each.path.name) for each in chosen}
    results = _results(folder, chosen)
    expected = expected_documents(results.values())
    for each in chosen:
        require_unique((answer.id for answer in answers[each.task]), each.path.name)
        _require_complete(each, answers[each.task], expected.get(each.task))
    target = Path(dst) if Path(dst).suffix == ".zip" else Path(f"{dst}.zip")
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.part")
    try:
        partial.write_bytes(_archive(chosen, answers, results, files))
        report = check_submission(partial, task_files=task_files)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return Submission(target, report.answers)


def _chosen(folder: Path, tasks: Sequence[str] | None, files: Mapping[str, str]) -> list[SamplesFile]:
    found = find_samples(folder)
    wanted = [each for each in found if file_of(each.task, files) and (tasks is None or each.task in tasks)]
    packable = sorted(latest_of_same_questions(wanted), key=lambda each: place_of(each.task, files))
    missing = [task for task in tasks or () if task not in {each.task for each in wanted}]
    names = ", ".join(each.task for each in found)
    if missing:
        raise NoAnswersError(f"{folder}: no samples of {', '.join(missing)} to pack; there are samples of {names}")
    if not packable:
        raise NoAnswersError(
            f"{folder}: none of its tasks is one of MERA's. Found {names}; MERA has {', '.join(files)}. Give a task of "
            "another name its file with --task-file TASK=FILE, for instance ruclevr_mini=ruCLEVR"
        )
    for name in {file_of(each.task, files) for each in packable}:
        absent = sorted(set(tasks_of(str(name), files)) - {base_task(each.task) for each in packable})
        # a file of one task is there or not; a file of several needs all of them
        if absent and len(tasks_of(str(name), files)) > len(absent):
            raise NoAnswersError(f"{folder}: {name}.json also needs the samples of {', '.join(absent)}; run them too")
    return packable


def _results(folder: Path, chosen: Sequence[SamplesFile]) -> dict[str, dict[str, Any]]:
    """Name in the logs -> content of the results file of each run that is packed."""
    results = {}
    for date, log_date in sorted({(each.date, each.log_date) for each in chosen}):
        for path in (folder / f"results_{date}.json", folder / f"{date}_results.json"):
            if path.is_file():
                results[f"results_{log_date}.json"] = json.loads(path.read_text(encoding="utf-8"))
    return results


def _require_complete(file: SamplesFile, answers: Sequence[Answer], expected: int | None) -> None:
    numbers = {answer.doc_id for answer in answers if answer.doc_id is not None}
    count = expected if expected is not None else max(numbers, default=-1) + 1
    missing = sorted(set(range(count)) - numbers)
    if missing:
        raise IncompleteAnswersError(
            file.path.name, missing, f"{len(numbers)} of {count} documents answered (--limit?); no answer for doc_id"
        )


def _archive(
    chosen: Sequence[SamplesFile],
    answers: Mapping[str, Sequence[Answer]],
    results: Mapping[str, Any],
    files: Mapping[str, str],
) -> bytes:
    by_file: dict[str, list[dict[str, Any]]] = {}
    logs: dict[str, bytes] = {}
    for each in chosen:
        entries = by_file.setdefault(f"{file_of(each.task, files)}.json", [])
        entries += [{"outputs": answer.text, "meta": {"id": answer.id}} for answer in answers[each.task]]
        logs[f"samples_{each.task}_{each.log_date}.jsonl"] = _samples_log(answers[each.task])
    for name, content in results.items():
        logs[name] = json.dumps(content, ensure_ascii=False, indent=2).encode()
    parts = {
        name: json.dumps({"data": {"test": entries}}, ensure_ascii=False, indent=4).encode()
        for name, entries in by_file.items()
    }
    return _zip({**parts, LOGS: _zip(logs)})


def _samples_log(answers: Sequence[Answer]) -> bytes:
    """The samples as lm-eval writes them; lmms-eval's get back the id and the list around the answer."""
    lines = []
    for answer in answers:
        line = dict(answer.line)
        if "doc" not in line:
            line |= {"doc": {"meta": {"id": answer.id}}, "filtered_resps": [answer.text]}
        lines.append(json.dumps(line, ensure_ascii=False) + "\n")
    return "".join(lines).encode()


def _zip(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, date_time=_TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, files[name])
    return buffer.getvalue()
