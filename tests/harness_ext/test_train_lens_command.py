"""`mmlens train-lens`: what a person types, from pictures to a lens that a run reads with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from controlled_records import mini_documents, mini_image
from typer.testing import CliRunner

from harness_ext.cli import app
from harness_ext.lens_data import lens_requests
from lens_engine import load
from lens_models import InputError, load_model
from lens_models.lenses import IMAGE, TEXT, HeldOut

QUESTIONS = ["What color is the cube?", "How many things are there?"]
N_PICTURES = 12


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    lines = []
    for number, document in enumerate(mini_documents("clevr_mini")[: 8 * N_PICTURES : 8]):
        mini_image(document).save(folder / f"{number}.png")
        lines += [json.dumps({"image": f"{number}.png", "question": question}) for question in QUESTIONS]
    (folder / "questions.jsonl").write_text("\n".join(lines))
    return folder


def run(*words: str | Path, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["train-lens", *map(str, words)])
    assert result.exit_code == code, (result.output, result.exception)
    return result.output


def test_a_lens_is_written_measured_and_refused_where_too_few_pictures_say_so(pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "lens"
    said = run("lens_tiny", "--data", pictures, "--steps", "3", "--held-out", "0.4", "--device", "cpu", "--out", out)
    assert "KL from the last layer in nats" in said
    assert "It is refused for claims: it was measured on" in " ".join(said.split())
    described = json.loads((out / "lens.json").read_text())
    n_held_out = 2 * described["held_out"]["clusters"]
    assert described["trained_on"] == f"{24 - n_held_out} prompts of {pictures.name}"
    assert described["held_out"]["data"] == f"{n_held_out} prompts of {pictures.name}"
    assert described["model"]["name"] == "lens_tiny"
    held_out = HeldOut.of_json(described["held_out"])
    assert 2 <= held_out.clusters < N_PICTURES
    assert not held_out.worse(TEXT, range(10)) and not held_out.worse(IMAGE, range(10))
    assert held_out.by_kind[IMAGE].positions == 16 * 2 * held_out.clusters
    vlm = load(device="cpu", kind=f"tuned:{out}", allow_worse=True)
    assert vlm.lens.describe()["lens"]["digest"] == described["digest"]
    assert "holds a lens already" in run("lens_tiny", "--data", pictures, "--out", out, "--device", "cpu", code=1)


def test_data_of_its_own_may_be_held_out(pictures: Path, tmp_path: Path) -> None:
    out, words = tmp_path / "jacobian", ["--kind", "jacobian", "--prompts", "4", "--batch-size", "4"]
    run("lens_tiny", "--data", pictures, "--held-out", "pope_mini", *words, "--device", "cpu", "--out", out)
    described = json.loads((out / "lens.json").read_text())
    assert (described["kind"], described["held_out"]["data"]) == ("jacobian", "4 prompts of the task pope_mini")
    assert described["trained_on"] == f"4 prompts of {pictures.name}"


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        (["--data", "no_such_task"], 1, "is not known to lmms-eval"),
        (["--data", "pope_mini", "--steps", "0"], 2, "0 steps measure the lens of --start"),
        (["--data", "pope_mini", "--held-out", "1.5"], 2, "expected a share between 0 and 1"),
        (["--data", "pope_mini", "--kind", "jacobian", "--start", "x"], 2, "only a tuned lens begins"),
        (["--data", "pope_mini", "--start", "."], 1, "holds no lens"),
    ],
)
def test_what_cannot_be_is_said(words: list[str], code: int, why: str, tmp_path: Path) -> None:
    assert why in " ".join(run("lens_tiny", *words, "--device", "cpu", "--out", tmp_path / "x", code=code).split())


def test_pictures_without_questions_are_asked_one(pictures: Path, tmp_path: Path) -> None:
    loaded = load_model("lens_tiny", device="cpu")
    for number in range(3):
        (tmp_path / f"{number}.png").write_bytes((pictures / f"{number}.png").read_bytes())
    requests, named = lens_requests(str(tmp_path), loaded, 2, question="What is it?")
    assert named == tmp_path.name and len(requests) == 2
    assert ["What is it?" in request.sample().prompt for request in requests] == [True, True]
    (tmp_path / "metadata.jsonl").write_text('{"file_name": "0.png"}\n\n{"question": "Which?"}\n')
    requests, _ = lens_requests(str(tmp_path), loaded, 0)
    assert [len(request.sample().media.images) for request in requests] == [1, 0]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{", "line 1: .*; expected JSON such as"),
        ("[]", 'expected "image"'),
        ('{"image": "none.png", "question": "?"}', "no such file"),
    ],
)
def test_a_wrong_line_is_named(line: str, why: str, tmp_path: Path) -> None:
    file = tmp_path / "asked.jsonl"
    file.write_text(line)
    with pytest.raises(InputError, match=why):
        lens_requests(str(file), load_model("lens_tiny", device="cpu"), 0)
    file.write_text("")
    with pytest.raises(InputError, match="holds no pictures and no questions"):
        lens_requests(str(file), load_model("lens_tiny", device="cpu"), 0)
