from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from relabelled import relabelled, rewrite, stripped
from scipy.stats import kendalltau
from synthetic import write_run

from lens_report import ReportError, labelled, predict_accuracy, task_runs, unlabelled
from lens_report.stats.label_free import METHODS
from lens_results import load

ABILITIES = (0.6, 1.0, 1.5, 2.2, 3.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five tasks of a model, and the sixth task of five models."""
    home = tmp_path_factory.mktemp("runs")
    for place, ability in enumerate(ABILITIES):
        write_run(home / f"from{place}", n=120, task=f"task{place}", run_id=f"from{place}", ability=ability, seed=place)
        write_run(
            home / f"model{place}", n=120, task="asked", run_id=f"model{place}", ability=ability, seed=10 + place,
            model=f"acme/m{place}",
        )  # fmt: skip
    return home


@pytest.fixture(scope="module")
def sources(folder: Path) -> list[Path]:
    return [folder / f"from{place}" for place in range(len(ABILITIES))]


def test_a_run_without_labels_gets_the_same_predictions_to_the_last_bit(
    folder: Path, sources: list[Path], tmp_path: Path
) -> None:
    run = load(folder / "model1")
    texts = []
    for name, change in (("stripped", stripped), ("other", relabelled(3))):
        again = rewrite(run, tmp_path / name, change)
        texts.append(predict_accuracy(again, sources, methods=tuple(METHODS), force=True, n_draws=20).to_markdown())
    own = predict_accuracy(folder / "model1", sources, methods=tuple(METHODS), force=True, n_draws=20).to_markdown()
    assert own.encode() == texts[0].encode() == texts[1].encode()
    assert all(f"| {name.replace('_', chr(92) + '_')} |" in own for name in METHODS)


def test_the_prediction_is_near_the_truth_of_another_task_of_the_model(folder: Path, sources: list[Path]) -> None:
    """The synthetic answers' final margins tell of errors alike in all tasks."""
    frame = predict_accuracy(
        folder / "model2", sources, methods=["p_correct", "mean"], compare=True, force=True
    ).to_frame()
    (p_correct, mean) = (frame[frame["method"] == name].iloc[0] for name in ("p_correct", "mean"))
    assert abs(p_correct["value"] - p_correct["truth"]) < 0.1
    assert p_correct["low"] < p_correct["value"] < p_correct["high"]
    assert p_correct["level"] == 5 / 6
    run = load(folder / "model2")
    assert p_correct["truth"] == pytest.approx(run.samples["correct"].astype(float).mean())
    expected = [load(source).samples["correct"].astype(float).mean() for source in sources]
    assert mean["value"] == pytest.approx(np.mean(expected))


def test_models_of_one_task_are_put_in_order(folder: Path, sources: list[Path]) -> None:
    asked = [folder / f"model{place}" for place in range(len(ABILITIES))]
    made = predict_accuracy(asked, sources, methods=["ac"], force=True, compare=True, n_draws=10)
    (order,) = made.found.orders
    frame = made.to_frame()
    ranked = frame.sort_values("value", ascending=False)["model"]
    assert list(order.models) == list(ranked)
    assert order.tau == pytest.approx(kendalltau(frame["value"], frame["truth"]).statistic)
    assert "Kendall's tau" in made.to_markdown()
    silent = predict_accuracy(asked, sources, methods=["ac"], force=True, n_draws=10)
    assert silent.found.orders[0].tau is None
    assert "Kendall" not in silent.to_markdown()
    assert "by its labels" not in silent.to_markdown()


def test_a_run_is_predicted_from_its_task_else_from_its_model_and_never_from_itself(folder: Path) -> None:
    (task,) = predict_accuracy(folder / "model1", folder, methods=["doc"], n_draws=10).found.sets
    assert (task.related, sorted(task.sources)) == ("same task", [f"acme/m{k}, asked" for k in (0, 2, 3, 4)])
    made = predict_accuracy(folder / "from1", folder, methods=["doc"], n_draws=10)
    (model,) = made.found.sets
    assert model.related == "same model"
    assert [name.split(", ")[1] for name in model.sources] == ["task0", "task2", "task3", "task4"]
    assert "it is the run to be predicted" in made.to_markdown()
    others = [folder / f"model{place}" for place in range(3)]
    neither = predict_accuracy(folder / "from1", others, methods=["mean"], n_draws=10)
    assert neither.found.sets[0].predictions[0].estimate.value is None
    assert "no labelled set with such confidences is of the same task or the same model" in neither.to_markdown()
    alone = predict_accuracy(folder / "from1", folder / "from1", methods=["mean"], n_draws=10).to_markdown()
    assert "it is the run to be predicted" in alone and "--force" not in alone
    (forced,) = predict_accuracy(folder / "from1", others, methods=["mean"], n_draws=10, force=True).found.sets
    assert (forced.related, len(forced.sources)) == ("", 3)
    assert forced.predictions[0].estimate.value is not None


def test_frames_do_what_runs_do(folder: Path, sources: list[Path]) -> None:
    (target,) = task_runs(load(folder / "model3"))
    labelled_frames = {str(path): labelled(task_runs(load(path))[0]) for path in sources}
    by_frames = predict_accuracy({"x": unlabelled(target)}, labelled_frames, methods=["doc", "atc"], force=True)
    by_runs = predict_accuracy(folder / "model3", sources, methods=["doc", "atc"], force=True)
    numbers = ["value", "low", "high", "half_width", "distance"]
    np.testing.assert_array_equal(by_frames.to_frame()[numbers], by_runs.to_frame()[numbers])
    with pytest.raises(ReportError, match=r"frame 'x' has no column `right`"):
        predict_accuracy({"x": unlabelled(target)}, {"x": unlabelled(target)})


def test_what_cannot_be_done_is_said(folder: Path, sources: list[Path], tmp_path: Path) -> None:
    with pytest.raises(ReportError, match=r"method 'dok' is unknown; expected one of mean, ac, doc"):
        predict_accuracy(folder / "model1", sources, methods=["dok"])
    bare = rewrite(load(folder / "from0"), tmp_path, stripped)
    with pytest.raises(ReportError, match=r"no answer with a verdict"):
        predict_accuracy(folder / "model1", bare)
    with pytest.raises(ReportError, match=r"no run has the task 'another'; they have asked\."):
        predict_accuracy(folder / "model1", sources, tasks=["another"])
