from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from relabelled import relabelled, rewrite, stripped
from synthetic import QUICK, write_run
from typer.testing import CliRunner

from harness_ext.cli import app
from lens_report import ReportError, Trust, build_leaderboard, fit_on_runs, task_runs, with_p_correct
from lens_report.measures.trust import trusted
from lens_report.measures.unlabelled import answer_set, labelled
from lens_report.stats.label_free import fit_trust
from lens_results import load


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("runs")
    for place, ability in enumerate((0.8, 1.6)):
        write_run(home / f"from{place}", n=150, task=f"task{place}", run_id=f"from{place}", ability=ability, seed=place)
    write_run(home / "new", n=180, task="new", run_id="new", seed=9, ability=1.2, format_errors=0.1)
    return home


@pytest.fixture(scope="module")
def trust(folder: Path) -> Trust:
    return fit_on_runs([folder / "from0", folder / "from1"])


def test_the_file_says_what_it_was_fitted_on_and_comes_back_whole(trust: Trust, folder: Path, tmp_path: Path) -> None:
    assert trust.fitted_on == (("from0", "task0"), ("from1", "task1"))
    assert trust.n == 300
    again = Trust.read(trust.write(tmp_path / "trust.json"))
    assert again == trust
    assert again.digest == trust.digest
    frames = [labelled(task_runs(load(folder / f"from{place}"))[0]) for place in range(2)]
    assert set(trust.model.names) >= {"confidence", "entropy", "auc_pred", "last_agreement"}
    expected = fit_trust([answer_set(frame, "x") for frame in frames], trust.model.names)
    np.testing.assert_allclose(trust.model.weights, expected.weights, atol=1e-9)
    bare = fit_on_runs([folder / "from0", folder / "from1"], layers=False)
    assert bare.model.names == ("confidence", "entropy")
    assert bare.digest != trust.digest


def test_a_damaged_file_is_refused(trust: Trust, tmp_path: Path) -> None:
    path = trust.write(tmp_path / "trust.json")
    content = json.loads(path.read_text())
    for broken, message in (
        ("{", "no trust file can be read"),
        (json.dumps([1]), "found trust format list, expected 1"),
        (json.dumps(content | {"format": 2}), "found trust format 2, expected 1"),
        (json.dumps({"format": 1, "closed": True}), "the trust file is damaged"),
    ):
        path.write_text(broken)
        with pytest.raises(ReportError, match=message):
            Trust.read(path)


def test_p_correct_is_a_label_free_column(trust: Trust, folder: Path, tmp_path: Path) -> None:
    (task_run,) = task_runs(load(folder / "new"))
    column = with_p_correct(task_run, trust)["label_free.p_correct"]
    named = task_run.frame["pred_candidate"].notna()
    assert column[named].between(0, 1).all()
    assert column[~named].isna().all()
    assert (~named).any()
    for name, change in (("stripped", stripped), ("other", relabelled(1))):
        (again,) = task_runs(load(rewrite(load(folder / "new"), tmp_path / name, change)))
        np.testing.assert_array_equal(with_p_correct(again, trust)["label_free.p_correct"], column)


def test_abstaining_tells_what_is_left_and_what_it_costs(trust: Trust, folder: Path) -> None:
    (task_run,) = task_runs(load(folder / "new"))
    frame = with_p_correct(task_run, trust)
    asked = frame[frame["pred_candidate"].notna()]
    given = asked["label_free.p_correct"] >= 0.8
    found = trusted(task_run, trust, 0.8)
    assert found.given is not None and found.right is not None
    assert found.given.value == pytest.approx(given.mean())
    assert found.right.value == pytest.approx(asked[given]["verdict"].mean())
    assert found.right.value > asked["verdict"].mean()
    everything = trusted(task_run, trust, 0.0)
    assert everything.given is not None and everything.given.value == 1.0
    nothing = trusted(task_run, trust, 1.0)
    assert nothing.given is not None and nothing.given.value == 0.0
    assert nothing.right is not None and nothing.right.value is None
    assert nothing.right.note


def test_without_labels_the_share_given_is_told_alone(trust: Trust, folder: Path, tmp_path: Path) -> None:
    (task_run,) = task_runs(load(folder / "new"))
    (bare,) = task_runs(load(rewrite(load(folder / "new"), tmp_path, stripped)))
    found = trusted(bare, trust, 0.8)
    assert found.given == trusted(task_run, trust, 0.8).given
    assert found.right is not None and found.right.value is None
    assert found.gain is not None and found.gain.value is None


def test_nothing_is_said_of_a_run_that_was_fitted_on(trust: Trust, folder: Path) -> None:
    (task_run,) = task_runs(load(folder / "from0"))
    found = trusted(task_run, trust, 0.5)
    assert (found.given, found.why_none) == (None, "the trust file was fitted on it")


def test_without_labels_there_is_nothing_to_fit(folder: Path, tmp_path: Path) -> None:
    bare = rewrite(load(folder / "from0"), tmp_path, stripped)
    with pytest.raises(ReportError, match=r"no answer with a verdict and a confidence"):
        fit_on_runs(bare)


@pytest.mark.end_to_end
def test_the_leaderboard_has_the_columns_of_a_trust_file(folder: Path, tmp_path: Path) -> None:
    file = str(tmp_path / "trust.json")
    sources = [str(folder / "from0"), str(folder / "from1")]
    done = CliRunner().invoke(app, ["fit-trust", *sources, "--out", file])
    assert done.exit_code == 0
    trust = Trust.read(file)
    assert trust.digest in done.output
    board = build_leaderboard(folder, draws=QUICK, trust=file, abstain_below=0.8)
    text = board.to_markdown()
    assert "| given | right of those | area against confidence |" in text
    assert f"trust file {trust.digest} (answers it was fitted on: 300; their sets: 2)" in text
    assert "at least 0.80" in text
    assert "the trust file was fitted on it" in text
    rows = {row["task"]: row for row in csv.DictReader(io.StringIO(board.to_csv()))}
    expected = trusted(task_runs(load(folder / "new"))[0], trust, 0.8)
    assert expected.given is not None and expected.given.value is not None
    assert float(rows["new"]["trust_given"]) == pytest.approx(expected.given.value)
    assert rows["task0"]["trust_given"] == ""
    plain = build_leaderboard(folder / "new", draws=QUICK).to_markdown()
    assert "right of those" not in plain
    assert "trust" not in plain
    refused = CliRunner().invoke(app, ["leaderboard", sources[0], "--trust", str(tmp_path / "none.json")])
    assert refused.exit_code == 1
    assert "no trust file can be read" in refused.output
