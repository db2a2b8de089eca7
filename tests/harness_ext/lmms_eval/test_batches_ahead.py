"""Whole runs of lmms-eval with the next batch made and encoded while the model runs, as on a GPU."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from lmms_eval.tasks import TaskManager
from lmms_eval_outcome import Evaluate, Outcome

from harness_ext.lmms_eval.model import HFMultimodalLens
from harness_ext.lmms_eval.samples import LmmsEvalSamples
from harness_ext.samples import HarnessRequest
from lens_engine.ahead import Ahead
from lens_models import InputError
from lens_results import load

Way = Callable[[bool], None]


@pytest.fixture
def ahead(monkeypatch: pytest.MonkeyPatch) -> Way:
    """Says whether batches of the models of this test are made ahead, whatever the device."""
    made, way = HFMultimodalLens.__init__, [False]

    def opened(self: HFMultimodalLens, **arguments: Any) -> None:
        made(self, **arguments)
        assert self.opened is not None
        found = self.opened.engine.ahead
        assert isinstance(found, Ahead)
        found.on = way[0]

    monkeypatch.setattr(HFMultimodalLens, "__init__", opened)

    def turn(on: bool) -> None:
        way[0] = on

    return turn


@pytest.fixture
def made_ahead(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The documents whose samples were not made in the main thread."""
    found: list[int] = []
    sample = LmmsEvalSamples.sample

    def noted(self: LmmsEvalSamples, asked: HarnessRequest, *rest: Any, **more: Any) -> Any:
        if threading.current_thread() is not threading.main_thread():
            found.append(asked.doc_id)
        return sample(self, asked, *rest, **more)

    monkeypatch.setattr(LmmsEvalSamples, "sample", noted)
    return found


def records(outcome: Outcome) -> list[dict[str, Any]]:
    (file,) = outcome.folder.rglob("lens_*.parquet")
    return list(pq.read_table(file).to_pylist())


@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("arguments", ["lens=False", "lens_controls=blank+shuffled", "lens_probes=image_tokens"])
def test_a_run_is_that_of_batches_in_turn(
    evaluate: Evaluate, ahead: Way, made_ahead: list[int], size: int, arguments: str
) -> None:
    outcomes = []
    for on in (False, True):
        ahead(on)
        outcomes.append(evaluate("pope_mini", f"device=cpu,{arguments}", limit=8, batch_size=size, output=str(on)))
    turn, beside = outcomes
    assert made_ahead == [*range(size, 8)]
    assert beside.results["samples"] == turn.results["samples"]
    assert beside.results["results"] == turn.results["results"]
    if arguments != "lens=False":
        assert records(beside) == records(turn)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(("task", "model"), [("sound_mini", "lens_tiny_audio"), ("perception_mini", "lens_tiny_video")])
def test_sounds_and_videos_too(evaluate: Evaluate, ahead: Way, made_ahead: list[int], task: str, model: str) -> None:
    manager, outcomes = TaskManager("ERROR", model_name="hf-multimodal-lens"), []
    for on in (False, True):
        ahead(on)
        arguments = f"device=cpu,pretrained={model}"
        found = evaluate(task, arguments, limit=5, batch_size=2, task_manager=manager, output=str(on))
        outcomes.append((found.texts(task), records(found)))
    assert made_ahead == [2, 3, 4]
    assert outcomes[0] == outcomes[1]


def test_kept_answers_are_taken_over(evaluate: Evaluate, ahead: Way, made_ahead: list[int], tmp_path: Path) -> None:
    """What is asked after a run that was cut short stands between kept answers."""
    cache = str(tmp_path / "cache")
    whole = evaluate("pope_mini", "device=cpu", limit=8, batch_size=2, output="whole")
    ahead(True)
    evaluate("pope_mini", "device=cpu", limit=3, batch_size=2, output="first", use_cache=cache)
    made_ahead.clear()
    rest = evaluate("pope_mini", "device=cpu", limit=8, batch_size=2, output="rest", use_cache=cache)
    assert made_ahead == [5, 6, 7]
    assert rest.texts("pope_mini") == whole.texts("pope_mini")
    assert rest.run.samples["response"].tolist() == whole.run.samples["response"].tolist()


def test_a_damaged_document_ends_the_run_in_its_turn(evaluate: Evaluate, ahead: Way, tmp_path: Path) -> None:
    ahead(True)
    with pytest.raises(InputError, match="task tiny_broken, document 1: the document cannot be read"):
        evaluate("tiny_broken")
    assert load(tmp_path / "out").samples["doc_id"].tolist() == [0]
