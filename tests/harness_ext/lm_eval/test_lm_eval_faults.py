"""What goes wrong in a run of lm-eval: the answers are not lost, and the user is told what happened where."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from generate_faults import instead_of_generate, no_room_for
from lm_eval.tasks import TaskManager
from lm_eval_fault_tasks import write_lm_eval_fault_tasks
from lm_eval_outcome import Evaluate, Outcome
from plain_model import lens_tiny_bounds

from harness_ext.lm_eval.plugin import register
from harness_ext.lm_eval.repairs import repaired
from lens_engine import transformers_engine
from lens_models import InputError, LogitLens, SampleTooLargeError
from lens_report.measures.task_run import task_runs
from lens_results import RecordWriteError, load


@pytest.fixture(scope="module")
def task_manager(tmp_path_factory: pytest.TempPathFactory) -> TaskManager:
    register()
    folder = write_lm_eval_fault_tasks(tmp_path_factory.mktemp("faults"))
    return TaskManager(include_path=str(folder), include_defaults=False)


def test_every_filter_s_score_is_recorded(evaluate: Evaluate) -> None:
    outcome = evaluate("filters")
    table, run = outcome.results["results"]["filters"], outcome.run
    for name in ("exact_match,as-it-is", "exact_match,never"):
        column = run.samples[f"score.{name}"]
        assert column.notna().all() and column.mean() == table[name]
    assert run.info.metrics == {"filters": {"exact_match": True}}
    assert len(outcome.results["samples"]["filters"]) == 4, "the harness logs each document once a filter"
    (task_run,) = task_runs(run)
    assert task_run.score.name == "exact_match,as-it-is"


def assert_same(found: Outcome, wanted: Outcome, task: str = "plain") -> None:
    assert found.texts(task) == wanted.texts(task)
    assert found.value(task, "exact_match") == wanted.value(task, "exact_match")
    assert found.run.samples["doc_id"].tolist() == wanted.run.samples["doc_id"].tolist()
    assert found.run.samples["response"].tolist() == wanted.run.samples["response"].tolist()
    for name in ("entropy", "logprob_pred"):
        np.testing.assert_allclose(found.run.stack(name), wanted.run.stack(name), **lens_tiny_bounds())


def told(caplog: pytest.LogCaptureFixture, words: str) -> list[str]:
    return [message for message in caplog.messages if words in message]


def test_a_batch_that_does_not_fit_is_answered_in_halves_and_told_once(
    evaluate: Evaluate, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    undisturbed = evaluate("plain", batch_size=4, output="calm")
    instead_of_generate(monkeypatch, no_room_for(3))
    assert_same(evaluate("plain", batch_size=4), undisturbed)
    (message,) = told(caplog, "memory")
    assert message.startswith("A batch of 4 did not fit into memory. The run goes on with at most 2 requests at a time")


def test_a_lack_of_memory_in_the_middle_loses_no_answer_and_asks_none_twice(
    evaluate: Evaluate, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = evaluate("plain", batch_size=2, output="calm")
    asked: list[int] = []

    def second(arguments: dict[str, Any]) -> None:
        asked.append(arguments["input_ids"].shape[0])
        if len(asked) == 2:
            no_room_for(1)(arguments)

    instead_of_generate(monkeypatch, second)
    assert_same(evaluate("plain", batch_size=2), undisturbed)
    assert asked == [2, 2, 1, 1, 1, 1]


def test_a_sample_that_does_not_fit_alone_is_named(
    evaluate: Evaluate, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[int] = []

    def third(arguments: dict[str, Any]) -> None:
        asked.append(1)
        if len(asked) >= 3:
            no_room_for(1)(arguments)

    instead_of_generate(monkeypatch, third)
    with pytest.raises(SampleTooLargeError, match=r"task plain, document \d: this sample alone needs more memory"):
        evaluate("plain", batch_size=1)
    assert len(load(tmp_path / "out").samples) == 2


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_nan_or_infinity_is_a_status_of_its_sample_alone(
    evaluate: Evaluate, monkeypatch: pytest.MonkeyPatch, value: float
) -> None:
    make = transformers_engine._proven_lens

    def broken(*args: Any) -> LogitLens:
        lens = make(*args)

        def spoil(module: Any, args: Any, output: Any) -> Any:
            hidden = output[0] if isinstance(output, tuple) else output
            if hidden.shape[0] > 1:
                hidden[1] = value
            return output

        lens.parts.layers[4].register_forward_hook(spoil)
        return lens

    monkeypatch.setattr(transformers_engine, "_proven_lens", broken)
    outcome = evaluate("plain", batch_size=3)
    frame = outcome.run.samples
    assert sorted(frame["status"]) == ["non_finite"] * 2 + ["ok"] * 4
    assert np.isnan(outcome.run.stack("entropy")[frame["status"] == "non_finite"]).all()
    assert outcome.value("plain", "lens_coverage") == pytest.approx(4 / 6)
    assert outcome.run.info.identity.run_argmax


def test_a_model_that_says_nothing_has_an_empty_answer_and_a_status(
    evaluate: Evaluate, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(arguments: dict[str, Any]) -> None:
        end = arguments["stopping_criteria"] and 2564
        arguments |= {"max_length": arguments["input_ids"].shape[1] + 1, "forced_eos_token_id": end}

    instead_of_generate(monkeypatch, silent)
    outcome = evaluate("plain", batch_size=3)
    assert outcome.texts("plain") == outcome.run.samples["response"].tolist() == [""] * 6
    assert set(outcome.run.samples["status"]) == {"no_answer"}
    assert outcome.value("plain", "lens_coverage") == 0.0


@pytest.mark.filterwarnings("ignore:Palette images with Transparency:UserWarning")
def test_odd_images_are_what_the_stock_model_makes_of_them(evaluate: Evaluate) -> None:
    outcome = evaluate("odd_images", batch_size=4)
    with repaired():  # alone, lm-eval ends at the CMYK picture, after the last answer
        stock = evaluate("odd_images", model="hf-multimodal", batch_size=4, output="stock")
    assert outcome.texts("odd_images") == stock.texts("odd_images")
    assert set(outcome.run.samples["status"]) == {"ok"}


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ("truncated", r"task truncated, the document after 0: it cannot be read \(.*; check or remove it"),
        ("corrupt", r"task corrupt, the document after 0: it cannot be read \(cannot identify image file"),
        ("bomb", r"task bomb, the document after 0: it cannot be read \(Image size \(400000000 pixels\) exceeds limit"),
        ("sliver", r"task sliver, document 1: the processor cannot encode this sample \(.*aspect ratio"),
    ],
    ids=["truncated", "corrupt", "bomb", "sliver"],
)
def test_a_picture_that_cannot_be_used_is_named(
    evaluate: Evaluate, monkeypatch: pytest.MonkeyPatch, task: str, message: str
) -> None:
    monkeypatch.setattr("PIL.ImageFile.LOAD_TRUNCATED_IMAGES", False)  # lmms-eval switches it on in its processes
    with pytest.raises(InputError, match=message):
        evaluate(task, batch_size=2)


def test_an_empty_question_is_answered_like_any_other(evaluate: Evaluate) -> None:
    outcome = evaluate("empty_question", batch_size=2)
    stock = evaluate("empty_question", model="hf-multimodal", batch_size=2, output="stock")
    assert outcome.texts("empty_question") == stock.texts("empty_question")
    assert outcome.run.samples["response"].tolist() == outcome.texts("empty_question")
    assert outcome.run.samples["identity_deviation"].max() <= outcome.run.info.identity.tolerance


def test_a_prompt_that_lm_eval_cuts_is_refused_when_its_image_is_cut(evaluate: Evaluate) -> None:
    with pytest.raises(
        InputError, match=r"task plain, document \d: the prompt has \d+ tokens, and lm-eval keeps the .*"
    ):
        evaluate("plain", "max_length=20", batch_size=2)


def test_a_prompt_that_lm_eval_cuts_elsewhere_is_told_once(
    evaluate: Evaluate, caplog: pytest.LogCaptureFixture
) -> None:
    arguments = {"apply_chat_template": False, "fewshot_as_multiturn": False, "batch_size": 1}
    outcome = evaluate("long_before_image", "max_length=100", **arguments)
    (message,) = told(caplog, "and lm-eval keeps the last 96 of them")
    assert message.startswith("task long_before_image, document 0: the prompt has ")
    assert "others may be cut too. Pass a larger max_length in --model_args" in message
    plain = evaluate("long_before_image", "max_length=100,lens=False", output="plain", **arguments)
    assert plain.texts("long_before_image") == outcome.texts("long_before_image")
    assert outcome.run.samples["response"].tolist() == outcome.texts("long_before_image")


def test_a_task_name_with_a_path_separator_stays_in_its_folder(evaluate: Evaluate, tmp_path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):  # lm-eval puts the name into the path of its own sample file
        evaluate("odd/name")
    (file,) = tmp_path.rglob("lens_*.parquet")
    assert file.name.startswith("lens_odd-name-")
    assert load(tmp_path).tasks == ("odd/name",)


def test_a_full_disk_costs_no_answer_and_is_told(
    evaluate: Evaluate, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    undisturbed = evaluate("plain", batch_size=2, output="calm")

    def refuse(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refuse)
        outcome = evaluate("plain", batch_size=2)
    assert outcome.texts("plain") == undisturbed.texts("plain")
    assert outcome.value("plain", "lens_final_prob") == undisturbed.value("plain", "lens_final_prob")
    assert "No space left on device" in outcome.results["lens"]["error"]
    assert told(caplog, "The run goes on; records wait in memory")


def test_a_folder_that_cannot_be_written_is_refused_before_the_first_request(
    evaluate: Evaluate, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").write_text("a file is in the way")

    def never(arguments: dict[str, Any]) -> None:
        raise AssertionError("the model was asked")

    instead_of_generate(monkeypatch, never)
    with pytest.raises(RecordWriteError, match=r"Cannot write lens records into .*/elsewhere.*choose another folder"):
        evaluate("plain", f"lens_dir={tmp_path}/elsewhere")
