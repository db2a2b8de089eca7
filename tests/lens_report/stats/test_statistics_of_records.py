"""The statistics take the frames that `lens_results` reads, as docs/statistics.md shows."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from stats_simulation import simulate_run

import lens_report.stats
import lens_results
from lens_report import task_runs
from lens_report.measures.comparison import compare_runs
from lens_report.measures.error_rows import error_rows
from lens_report.measures.predictors import rank_predictors
from lens_report.stats import emergence, random_walk_null
from lens_results import HarnessInfo, IdentityInfo, LensInfo, ModelInfo, RecordWriter, RunInfo, SampleRecord

PAGE = (Path(__file__).parents[3] / "docs" / "statistics.md").read_text(encoding="utf-8")


@pytest.fixture
def run(tmp_path: Path) -> lens_results.Run:
    simulated = simulate_run(1, n_clusters=40, per_cluster=5)
    info = RunInfo(
        run_id=lens_results.new_run_id(),
        model=ModelInfo(name_or_path="lens_tiny", n_layers=12, hidden_size=8, vocab_size=64),
        lens=LensInfo(layer_index=tuple(range(1, 13)), topk=1, thresholds={}),
        harness=HarnessInfo("lmms-eval", "0.7.3"),
        identity=IdentityInfo(load_deviation=0.0, load_argmax=True, tolerance=1e-4),
    )
    with RecordWriter(tmp_path, info) as writer:
        for doc_id in range(200):
            wrong = bool(simulated.error[doc_id])
            answered = doc_id % 50 != 0
            writer.append(
                SampleRecord(
                    task="pope", doc_id=doc_id, kind="generate", question=f"q{doc_id}",
                    cluster=f"image {simulated.cluster[doc_id]}",
                    status="ok" if answered else "no_answer", status_reason=None if answered else "no yes or no",
                    candidates=("yes", "no"), candidate_token_ids=((1,), (2,)), candidate_method="first_token",
                    gold_candidate=0, pred_candidate=int(wrong) if answered else None, correct=not wrong and answered,
                    margin_pred=simulated.paths[doc_id] if answered else None,
                    label_free={"final_margin": simulated.margin[doc_id], "flips": doc_id % 3} if answered else {},
                    gold_based={"first_correct_layer": None if wrong else 4.0} if answered else {},
                )
            )  # fmt: skip
    return lens_results.load(tmp_path)


def test_records_go_through_the_protocol(run: lens_results.Run):
    (task_run,) = task_runs(run)
    selected = error_rows(task_run)
    assert selected.dropped == {"format error": 4}
    ranking = rank_predictors(selected.frame, ["label_free.final_margin", "label_free.flips"], n_permutations=50)
    best = ranking.predictors[0]
    assert (best.column, best.association.auroc.n) == ("label_free.final_margin", 196)
    assert best.association.auroc.value > 0.6
    answered = (run.samples["status"] == "ok").to_numpy()
    samples, paths = run.samples[answered], run.stack("margin_pred")[answered]
    error = 1 - samples["correct"].to_numpy(dtype=float)
    depth = np.asarray(run.layer_index) / run.info.model.n_layers
    walk = random_walk_null(paths, depth, error, samples["cluster"], n_simulations=19)
    assert walk["auc_pred"].n == 196
    curve = emergence(samples["gold_based.first_correct_layer"], run.layer_index, samples["cluster"])
    assert curve.share[3] == curve.emerged.value == pytest.approx(1 - error.mean())
    assert compare_runs(run.samples, run.samples).difference.value == 0.0


def test_page_lists_the_functions():
    listed = set(re.findall(r"^\| `(\w+)`", PAGE, flags=re.MULTILINE))
    functions = {name for name in lens_report.stats.__all__ if name[0].islower()}
    assert functions - {"bootstrap", "design_effect", "path_metrics", "previous_of"} == listed - {"compare_runs"}


def test_the_example_of_the_page_runs(run: lens_results.Run, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    monkeypatch.setattr(lens_results, "load", lambda path: run)
    exec(example, {})
    assert "label_free.final_margin" in capsys.readouterr().out


def test_everything_public_is_documented():
    for name in lens_report.stats.__all__:
        assert getattr(lens_report.stats, name).__doc__, name
