"""An archive that was altered is refused with the offending ids."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from run_folder import DATE, sample, write_run

from harness_ext.submission import (
    AnswersDifferError,
    ArchiveFormatError,
    DuplicateAnswersError,
    IncompleteAnswersError,
    NoAnswersError,
    check_submission,
    write_submission,
)

SAMPLES = [sample(0, 11, "Да"), sample(1, 7, "2"), sample(2, 3, "синий")]


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return write_submission(write_run(tmp_path / "run", {"ruclevr": SAMPLES}), tmp_path / "sent").path


def altered(archive: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    with zipfile.ZipFile(archive) as source:
        files = {name: source.read(name) for name in source.namelist()}
    change(files)
    target = archive.with_name("altered.zip")
    target.write_bytes(packed(files))
    return target


def packed(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as out:
        for name, content in files.items():
            out.writestr(name, content)
    return buffer.getvalue()


def edit_answers(edit: Callable[[list[dict[str, Any]]], Any]) -> Callable[[dict[str, bytes]], None]:
    def change(files: dict[str, bytes]) -> None:
        data = json.loads(files["ruCLEVR.json"])
        edit(data["data"]["test"])
        files["ruCLEVR.json"] = json.dumps(data, ensure_ascii=False).encode()

    return change


def test_an_archive_passes_with_its_counts(archive: Path) -> None:
    assert check_submission(archive).answers == {"ruCLEVR.json": 3}


def test_an_altered_answer_is_found(archive: Path) -> None:
    tampered = altered(archive, edit_answers(lambda test: test[1].update(outputs="3")))
    with pytest.raises(
        AnswersDifferError, match=r"ruCLEVR.json: answers that logs_public.zip does not have.*: 7"
    ) as caught:
        check_submission(tampered)
    assert caught.value.ids == (7,)


def test_an_answer_of_an_unknown_document_is_found(archive: Path) -> None:
    with pytest.raises(AnswersDifferError) as caught:
        check_submission(altered(archive, edit_answers(lambda test: test.append({"outputs": "x", "meta": {"id": 99}}))))
    assert caught.value.ids == (99,)


def test_a_missing_answer_is_found(archive: Path) -> None:
    with pytest.raises(IncompleteAnswersError) as caught:
        check_submission(altered(archive, edit_answers(lambda test: test.pop(0))))
    assert caught.value.ids == (11,)


def test_a_doubled_answer_is_found(archive: Path) -> None:
    with pytest.raises(DuplicateAnswersError, match=r"with id: 3$"):
        check_submission(altered(archive, edit_answers(lambda test: test.append(test[2]))))


def test_documents_that_logs_and_answers_both_lack_are_found(archive: Path, tmp_path: Path) -> None:
    def change(files: dict[str, bytes]) -> None:
        edit_answers(lambda test: test.pop(1))(files)
        lines = [json.dumps(each, ensure_ascii=False) for each in (SAMPLES[0], SAMPLES[2])]
        results = {"n-samples": {"ruclevr": {"original": 3, "effective": 2}}}
        files["logs_public.zip"] = packed(
            {
                f"samples_ruclevr_{DATE}.jsonl": "\n".join(lines).encode(),
                f"results_{DATE}.json": json.dumps(results).encode(),
            }
        )

    with pytest.raises(IncompleteAnswersError, match="2 of 3 documents answered; no answer for doc_id: 1"):
        check_submission(altered(archive, change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda files: files.pop("logs_public.zip"), "logs_public.zip: there is no such file"),
        (lambda files: files.update({"logs_public.zip": b"no zip"}), "logs_public.zip: not a readable zip file"),
        (lambda files: files.update({"logs_public.zip": packed({})}), "has no samples file for it"),
        (lambda files: files.update({"ruCLEVR.json": b"{"}), "ruCLEVR.json: not JSON in UTF-8"),
        (lambda files: files.update({"ruCLEVR.json": b"[]"}), "expected .*data.*test"),
        (lambda files: files.update({"pope.json": b"{}"}), "pope.json should not be there"),
        (edit_answers(lambda test: test[0].update(outputs=None)), "entry 0: expected"),
        (edit_answers(lambda test: test[0]["meta"].update(id="11")), "entry 0: expected"),
    ],
)
def test_files_in_another_form_are_refused(
    archive: Path, change: Callable[[dict[str, bytes]], None], message: str
) -> None:
    with pytest.raises(ArchiveFormatError, match=message):
        check_submission(altered(archive, change))


def test_no_archive_and_no_answers(archive: Path, tmp_path: Path) -> None:
    with pytest.raises(ArchiveFormatError, match="there is no such file"):
        check_submission(tmp_path / "none.zip")
    with pytest.raises(NoAnswersError, match="no answers in it"):
        check_submission(altered(archive, lambda files: files.pop("ruCLEVR.json")))
