"""The archive is byte for byte what MERA's packer makes of the same answers."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from run_folder import DATE, sample, write_lmms_run, write_run
from typer.testing import CliRunner

from harness_ext.cli import app
from harness_ext.submission import (
    TASK_FILES,
    DuplicateAnswersError,
    IncompleteAnswersError,
    NoAnswersError,
    SubmissionError,
    check_submission,
    write_submission,
)

RUCLEVR = [sample(0, 11, "Да"), sample(1, 7, " 2"), sample(2, 3, "РАССУЖДЕНИЕ: «куб»\nОТВЕТ: синий")]
WEIRD = [sample(0, 5, "A"), sample(1, 6, "литера В")]


def unpacked(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_archive_has_the_bytes_of_the_format(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", {"ruclevr": RUCLEVR, "weird": WEIRD})
    report = write_submission(run, tmp_path / "mine")
    assert report.path == tmp_path / "mine.zip"
    assert report.answers == {"WEIRD.json": 2, "ruCLEVR.json": 3}
    parts = unpacked(report.path)
    assert sorted(parts) == ["WEIRD.json", "logs_public.zip", "ruCLEVR.json"]
    expected = """{
    "data": {
        "test": [
            {
                "outputs": "A",
                "meta": {
                    "id": 5
                }
            },
            {
                "outputs": "литера В",
                "meta": {
                    "id": 6
                }
            }
        ]
    }
}"""
    assert parts["WEIRD.json"].decode() == expected
    test = json.loads(parts["ruCLEVR.json"])["data"]["test"]
    assert [entry["outputs"] for entry in test] == ["Да", " 2", "РАССУЖДЕНИЕ: «куб»\nОТВЕТ: синий"]
    with zipfile.ZipFile(io.BytesIO(parts["logs_public.zip"])) as logs:
        assert sorted(logs.namelist()) == [
            f"results_{DATE}.json",
            f"samples_ruclevr_{DATE}.jsonl",
            f"samples_weird_{DATE}.jsonl",
        ]
        model = run / "org__model"
        assert logs.read(f"samples_weird_{DATE}.jsonl") == (model / f"samples_weird_{DATE}.jsonl").read_bytes()


def test_the_same_run_gives_the_same_bytes(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", {"ruclevr": RUCLEVR})
    first = write_submission(run, tmp_path / "a").path.read_bytes()
    assert write_submission(run / "org__model", tmp_path / "b.zip").path.read_bytes() == first


def test_the_latest_run_of_a_task_counts(tmp_path: Path) -> None:
    write_run(tmp_path / "run", {"weird": WEIRD}, date="2026-02-01T00-00-00.000001")
    write_run(tmp_path / "run", {"weird": [sample(0, 5, "B"), sample(1, 6, "B")]})
    parts = unpacked(write_submission(tmp_path / "run", tmp_path / "a").path)
    assert [entry["outputs"] for entry in json.loads(parts["WEIRD.json"])["data"]["test"]] == ["B", "B"]


def test_a_run_of_lmms_eval_is_packed_alike(tmp_path: Path) -> None:
    run = write_lmms_run(tmp_path / "run", "ruclevr", {11: "Да", 7: " 2"})
    parts = unpacked(write_submission(run, tmp_path / "a").path)
    test = json.loads(parts["ruCLEVR.json"])["data"]["test"]
    assert test == [{"outputs": "Да", "meta": {"id": 11}}, {"outputs": " 2", "meta": {"id": 7}}]
    with zipfile.ZipFile(io.BytesIO(parts["logs_public.zip"])) as logs:
        date = "2026-03-01T10-20-30.000000"
        names = [f"results_{date}.json", f"samples_ruclevr_{date}.jsonl"]
        assert sorted(logs.namelist()) == names
        line = json.loads(logs.read(names[1]).decode().splitlines()[0])
    assert line["doc"]["meta"]["id"] == 11
    assert line["filtered_resps"] == ["Да"]


def test_lmms_eval_samples_without_ids_say_what_to_do(tmp_path: Path) -> None:
    run = write_lmms_run(tmp_path / "run", "ruclevr", {11: "Да"}, with_ids=False)
    with pytest.raises(SubmissionError, match=r"line 1: no document id.*hf-multimodal-lens"):
        write_submission(run, tmp_path / "a")


def test_a_limited_run_is_refused_with_the_missing_documents(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", {"ruclevr": RUCLEVR}, sizes={"ruclevr": 6})
    with pytest.raises(IncompleteAnswersError, match=r"3 of 6 documents answered \(--limit\?\).*3, 4, 5") as caught:
        write_submission(run, tmp_path / "a")
    assert caught.value.ids == (3, 4, 5)
    assert not list(tmp_path.glob("*.zip")), "nothing is written"
    assert not list(tmp_path.glob(".*")), "and nothing is left behind"


def test_a_gap_is_found_without_a_results_file(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", {"ruclevr": [RUCLEVR[0], RUCLEVR[2]]})
    (run / "org__model" / f"results_{DATE}.json").unlink()
    with pytest.raises(IncompleteAnswersError, match="no answer for doc_id: 1"):
        write_submission(run, tmp_path / "a")


def test_doubled_documents_are_refused_by_id(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", {"ruclevr": [*RUCLEVR, sample(3, 7, "3")]})
    with pytest.raises(DuplicateAnswersError, match="several answers for the documents with id: 7") as caught:
        write_submission(run, tmp_path / "a")
    assert caught.value.ids == (7,)


def test_domains_join_in_one_file_and_none_may_lack(tmp_path: Path) -> None:
    domains = [task for task, name in TASK_FILES.items() if name == "ruNaturalScienceVQA"]
    samples = {task: [sample(0, 100 * place, "а")] for place, task in enumerate(domains)}
    run = write_run(tmp_path / "run", samples)
    assert write_submission(run, tmp_path / "a").answers == {"ruNaturalScienceVQA.json": len(domains)}
    next((run / "org__model").glob("samples_*physics*")).unlink()
    with pytest.raises(NoAnswersError, match="also needs the samples of runaturalsciencevqa_physics"):
        write_submission(run, tmp_path / "b")


def test_folders_without_mera_answers_say_what_is_there(tmp_path: Path) -> None:
    with pytest.raises(NoAnswersError, match="there is no such folder"):
        write_submission(tmp_path / "none", tmp_path / "a")
    (tmp_path / "empty").mkdir()
    with pytest.raises(NoAnswersError, match="run the harness with --log_samples"):
        write_submission(tmp_path / "empty", tmp_path / "a")
    other = write_run(tmp_path / "other", {"pope_mini": RUCLEVR})
    with pytest.raises(NoAnswersError, match=r"none of its tasks is one of MERA's. Found pope_mini"):
        write_submission(other, tmp_path / "a")
    with pytest.raises(NoAnswersError, match="no samples of weird to pack"):
        write_submission(write_run(tmp_path / "run", {"ruclevr": RUCLEVR}), tmp_path / "a", tasks=["weird"])
    several = write_run(tmp_path / "several", {"ruclevr": RUCLEVR})
    (several / "org__model").rename(several / "one")
    write_run(several, {"ruclevr": RUCLEVR})
    with pytest.raises(NoAnswersError, match=r"several models \(one, org__model\)"):
        write_submission(several, tmp_path / "a")


def test_other_tasks_can_be_named(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", {"ruclevr_mini": RUCLEVR})
    report = write_submission(run, tmp_path / "a", task_files={"ruclevr_mini": "ruCLEVR"}, tasks=["ruclevr_mini"])
    assert report.answers == {"ruCLEVR.json": 3}


def test_rutie_documents_are_numbered_by_dialogue_and_question(tmp_path: Path) -> None:
    doc = {"meta": {"question_id": 3, "dialog_id": 2}}
    run = write_run(tmp_path / "run", {"rutie_vision": [sample(0, 0, "1", doc=doc)]})
    parts = unpacked(write_submission(run, tmp_path / "a").path)
    assert json.loads(parts["ruTiE_Image.json"])["data"]["test"][0]["meta"]["id"] == 1014


@pytest.mark.parametrize(
    ("task", "file"),
    [
        *((f"rutie_vision{way}", "ruTiE_Image") for way in ("", "_gen", "_default")),
        *((f"rutie_audio{way}", "ruTiE_Audio") for way in ("", "_gen", "_default")),
    ],
)
def test_rutie_is_packed_whichever_way_it_was_asked(tmp_path: Path, task: str, file: str) -> None:
    run = write_run(tmp_path / "run", {task: WEIRD})
    assert write_submission(run, tmp_path / "a").answers == {f"{file}.json": 2}


def test_of_several_ways_of_rutie_the_latest_counts(tmp_path: Path) -> None:
    write_run(tmp_path / "run", {"rutie_vision_gen": WEIRD}, date="2026-02-01T00-00-00.000001")
    run = write_run(tmp_path / "run", {"rutie_vision_default": [sample(0, 5, "B"), sample(1, 6, "B")]})
    latest = write_submission(run, tmp_path / "a")
    assert [entry["outputs"] for entry in answers_in(latest.path, "ruTiE_Image")] == ["B", "B"]
    assert latest.answers == {"ruTiE_Image.json": 2}
    named = write_submission(run, tmp_path / "b", tasks=["rutie_vision_gen"])
    assert [entry["outputs"] for entry in answers_in(named.path, "ruTiE_Image")] == ["A", "литера В"]


# the order in which MERA's packer joins the domains of a file
ORDER = {
    "UniScienceVQA": ("applied_sciences", "business", "cultural_studies", "fundamental_sciences", "social_sciences",
                      "health_and_medicine"),
    "SchoolScienceVQA": ("biology", "chemistry", "physics", "earth_science", "history_all", "history_ru", "economics"),
    "ruNaturalScienceVQA": ("biology", "chemistry", "physics", "earth_science"),
}  # fmt: skip


@pytest.mark.parametrize("file", ORDER)
def test_domains_stand_in_the_order_of_the_packer(tmp_path: Path, file: str) -> None:
    samples = {f"{file.lower()}_{name}": [sample(0, place, name)] for place, name in enumerate(ORDER[file])}
    report = write_submission(write_run(tmp_path / "run", samples), tmp_path / "a")
    assert [entry["outputs"] for entry in answers_in(report.path, file)] == list(ORDER[file])


@pytest.mark.parametrize("character", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\x1e", "\r", "\n"])
def test_answers_keep_what_else_ends_a_line(tmp_path: Path, character: str) -> None:
    text = f"РАССУЖДЕНИЕ: один{character}ОТВЕТ: два"
    report = write_submission(write_run(tmp_path / "run", {"weird": [sample(0, 5, text), WEIRD[1]]}), tmp_path / "a")
    assert [entry["outputs"] for entry in answers_in(report.path, "WEIRD")] == [text, "литера В"]
    assert check_submission(report.path).answers == {"WEIRD.json": 2}


def test_a_damaged_line_is_named_by_its_number_in_the_file(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", {"weird": WEIRD})
    file = next((run / "org__model").glob("samples_*"))
    file.write_text(file.read_text().replace("\n", "\n\n", 1) + "{", encoding="utf-8")
    with pytest.raises(SubmissionError, match="line 4: not JSON"):
        write_submission(run, tmp_path / "a")


def answers_in(archive: Path, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(unpacked(archive)[f"{name}.json"])["data"]["test"]
    return found


def test_the_command_takes_files_for_tasks_of_other_names(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", {"my_clevr": RUCLEVR, "weird": WEIRD})
    mapped = ["--task-file", "my_clevr=ruCLEVR.json"]
    packed = CliRunner().invoke(app, ["submit", str(run), "--dst", str(tmp_path / "a"), *mapped])
    assert packed.exit_code == 0, packed.output
    assert "ruCLEVR.json: 3 answers" in packed.output
    assert CliRunner().invoke(app, ["submit", "--check", str(tmp_path / "a.zip"), *mapped]).exit_code == 0
    for wrong in ("my_clevr", "=ruCLEVR", "my_clevr=", "a=b/c"):
        refused = CliRunner().invoke(app, ["submit", str(run), "--dst", str(tmp_path / "b"), "--task-file", wrong])
        assert refused.exit_code == 2
