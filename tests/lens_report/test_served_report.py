"""Reports, tables, comparisons and predictions of runs of a model behind a server, alone and beside one with layers."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
from blank_figures import blank_figures
from served_twin import shares, write_twin
from synthetic import QUICK, Plan, records, write_run

import lens_results
from lens_report import Report, build_leaderboard, build_report, compare, predict_accuracy, unlabelled
from lens_report.measures.calibration import CANDIDATES
from lens_report.measures.task_run import TaskRun, task_runs
from lens_report.presentation.explorer.details import Details
from lens_report.presentation.language import Catalogue, catalogue, translated
from lens_report.presentation.report import report_on

PLAN = Plan(n=180, layers=6, format_errors=0.05)
LAYERED = (
    "Where the answer appears",
    "From which layer the right answer is there",
    "Lost and corrected",
    "Errors by layer",
    "What other decoders would have answered",
    "Abstaining by stability over the layers",
)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_twin(tmp_path_factory.mktemp("served"), PLAN)


@pytest.fixture(scope="module")
def layered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("layered"), PLAN)


@pytest.fixture(scope="module")
def report(served: Path, tmp_path_factory: pytest.TempPathFactory) -> Report:
    with blank_figures():
        return build_report(served, tmp_path_factory.mktemp("report"), draws=QUICK)


def one(folder: Path) -> TaskRun:
    (found,) = task_runs(lens_results.load(folder))
    return found


def test_shares_and_margins_are_those_of_the_last_layer(served: Path, layered: Path) -> None:
    run, own = lens_results.load(served), lens_results.load(layered)
    mine, theirs = run.samples.set_index("doc_id"), own.samples.set_index("doc_id")
    for name in ("label_free.final_prob", "label_free.final_margin"):
        known = mine[name].notna()
        assert known.sum() > 100
        np.testing.assert_allclose(mine[name][known], theirs[name][known], atol=0.011 if "margin" in name else 0.001)
    for record in records(PLAN):
        found = run.record((record.task, record.doc_id)).probes.get("output", {}).get("shares")
        if found is not None:
            np.testing.assert_allclose(found, shares(record), atol=0.0011)
    assert not run.info.has_layers
    assert run.layers.empty
    assert run.stack("entropy").shape == (180, 0)


def test_a_report_says_what_is_missing_and_why(report: Report) -> None:
    text = report.markdown.read_text(encoding="utf-8")
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    assert not set(LAYERED) & set(headings)
    assert {"What the server gave", "Does final confidence predict errors?", "Can the confidence be trusted?"} <= set(
        headings
    )
    assert "gives no layers: whatever is read by layer is absent from this part of the report" in text
    assert "http://host:8000/v1/chat/completions" in text
    assert not re.search(r"\bnan\b|\binf\b|\bNone\b", text)
    assert report.problems == ()


def test_numbers_of_a_served_run_are_no_layers_and_no_zeros(report: Report) -> None:
    (result,) = json.loads(report.stats.read_text(encoding="utf-8"))["results"]
    assert result["emergence"] is None
    assert result["controls"] is None
    assert result["curves"]["layers"] == []
    assert result["curves"]["accuracy"] == result["curves"]["entropy"] == []
    assert result["prediction"]["confidence"] == "label_free.final_prob"
    assert result["overview"]["coverage"]["value"] == pytest.approx(172 / 180)  # eight answers are none
    assert result["overview"]["worst_deviation"] is None
    assert result["calibrations"]["by"][CANDIDATES]["nll"]["value"] is None


def test_a_samples_page_lists_the_tokens_and_what_is_not_certain(served: Path, tmp_path: Path) -> None:
    first = json.loads(next(Details(one(served), 0).block(0, 1)))
    assert sorted(token.lower() for token, _ in first["output"]) == [" the", "no", "yes"]
    assert sum(math.exp(hundredths / 100) for _, hundredths in first["output"]) == pytest.approx(1.0, abs=0.02)
    assert first["uncertain"] == {}
    assert "picture" not in first
    unsure = json.loads(next(Details(one(write_twin(tmp_path / "run", PLAN, left=0.02)), 0).block(0, 1)))
    assert set(unsure["uncertain"]) == {"shares", "margin"}


def test_one_table_for_served_and_transformers_runs(served: Path, layered: Path) -> None:
    table = build_leaderboard([served, layered], draws=QUICK)
    rows = {entry.model: entry for entry in table.entries if entry.run_id}
    mine, theirs = rows["acme/served-vlm"], rows["acme/tiny-vlm"]
    assert (mine.layers, theirs.layers) == (None, 6)
    assert mine.stable is None
    assert mine.lost is None
    assert mine.flags == theirs.flags == ()  # a run without layers has no lens that could differ
    assert mine.score is not None
    assert mine.score == theirs.score
    assert mine.confidence is not None
    assert theirs.confidence is not None
    assert mine.confidence.value == pytest.approx(theirs.confidence.value, abs=0.02)
    assert mine.brier is not None
    assert theirs.brier is not None
    assert mine.brier.value == pytest.approx(theirs.brier.value, abs=0.01)
    assert "nan" not in table.to_markdown()


def test_runs_are_compared_sample_by_sample(served: Path, layered: Path) -> None:
    found = compare(one(layered), one(served))
    assert found.result.difference.value == 0.0
    assert found.differs == ()
    assert found.one_checkpoint is None


def test_accuracy_is_predicted_from_either_kind(served: Path, layered: Path) -> None:
    for of, by in ((served, layered), (layered, served)):
        table = predict_accuracy(of, by, methods=("doc", "mean"), n_draws=50)
        values = table.to_frame()
        assert len(values) == 2
        assert "nan" not in table.to_markdown()
    view = unlabelled(one(served))
    assert view["closed"].all()
    assert view["confidence"].notna().all()
    assert view["entropy"].notna().all()
    assert view["last_agreement"].isna().all()


def test_a_long_tail_leaves_figures_out_and_the_report_says_how_many(tmp_path: Path) -> None:
    folder = write_twin(tmp_path / "run", PLAN, left=0.02)
    samples = lens_results.load(folder).samples
    assert samples["label_free.final_prob"].isna().all()
    read = samples[samples["status"] == "ok"]
    assert len(read) == 172
    assert read["probe_status.output shares"].str.startswith("uncertain: ").all()
    with blank_figures():
        text = build_report(folder, tmp_path / "report", draws=QUICK).markdown.read_text(encoding="utf-8")
    assert "known for certain in 0 of the 172 samples" in text
    assert "no final confidence was recorded" in text
    assert "in the whole vocabulary" in text  # the probability of the answer's own token is told


def test_a_server_without_logprobs_leaves_the_scores(tmp_path: Path) -> None:
    folder = write_twin(tmp_path / "run", PLAN, logprobs=False)
    with blank_figures():
        report = build_report(folder, tmp_path / "report", draws=QUICK)
    text = report.markdown.read_text(encoding="utf-8")
    assert "172 samples are without: the server gave no log-probabilities." in text
    (result,) = json.loads(report.stats.read_text(encoding="utf-8"))["results"]
    assert result["overview"]["format_errors"]["value"] == pytest.approx(0.05, abs=0.04)
    assert result["overview"]["n_right"] > 0
    assert result["calibrations"]["by"] == {}
    table = build_leaderboard([folder], draws=QUICK)
    assert table.entries[0].confidence is None


def test_open_answers_have_the_probability_of_their_token(tmp_path: Path) -> None:
    folder = write_twin(tmp_path / "run", PLAN, open_task=True)
    task_run = one(folder)
    assert not task_run.closed
    assert task_run.confidence == "label_free.vocab_final_prob"
    with blank_figures():
        text = build_report(folder, tmp_path / "report", draws=QUICK).markdown.read_text(encoding="utf-8")
    assert "Shares of the candidates" not in text


def test_no_english_is_left_in_russian(served: Path, layered: Path, tmp_path: Path) -> None:
    texts = Catalogue("ru", catalogue("ru").texts, catalogue("ru").page)
    with blank_figures():
        made = report_on([served], tmp_path, draws=QUICK, texts=texts)
    document = translated(made.document, texts)
    before = catalogue("ru")
    with blank_figures():
        usual = report_on([layered], tmp_path / "layered", draws=QUICK, texts=before)
    translated(usual.document, before)
    names = {"acme/served-vlm", "local-chat-completions", "lm-eval", "final_prob", "no_answer"}
    assert [text for text in sorted(texts.unknown - before.unknown) if not any(name in text for name in names)] == []
    assert any(section.title == "Что дал сервер" for top in document.sections for section in top.walk())
