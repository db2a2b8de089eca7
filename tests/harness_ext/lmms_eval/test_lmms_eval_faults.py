"""What goes wrong in a run of lmms-eval: the answers are not lost, and the user is told what happened where."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fault_tasks import write_fault_tasks
from generate_faults import instead_of_generate, no_room_for
from lmms_eval.tasks import TaskManager
from lmms_eval_outcome import Evaluate, Outcome
from loguru import logger
from odd_pictures import odd_images
from plain_model import lens_tiny_bounds

from lens_engine import transformers_engine
from lens_models import InputError, LogitLens, SampleTooLargeError
from lens_results import RecordWriteError, find_unmerged, load, load_all

MODEL = "hf-multimodal-lens"


@pytest.fixture
def told() -> Iterator[list[str]]:
    """What the user is warned of."""
    messages: list[str] = []
    sink = logger.add(lambda message: messages.append(message.record["message"]), level="WARNING")
    yield messages
    logger.remove(sink)


@pytest.fixture(scope="module")
def fault_tasks(tmp_path_factory: pytest.TempPathFactory) -> TaskManager:
    folder = write_fault_tasks(tmp_path_factory.mktemp("faults"))
    return TaskManager("ERROR", include_path=str(folder), include_defaults=False, model_name=MODEL)


def assert_same(found: Outcome, wanted: Outcome, task: str = "tiny_yes_no") -> None:
    assert found.texts(task) == wanted.texts(task)
    assert found.value(task, "exact") == wanted.value(task, "exact")
    assert found.run.samples["doc_id"].tolist() == wanted.run.samples["doc_id"].tolist()
    for name in ("entropy", "logprob_pred", "cand_scores"):
        np.testing.assert_allclose(found.run.stack(name), wanted.run.stack(name), **lens_tiny_bounds())


# memory


def test_a_batch_that_does_not_fit_is_answered_in_halves_and_told_once(
    evaluate: Evaluate, monkeypatch: pytest.MonkeyPatch, told: list[str]
) -> None:
    undisturbed = evaluate("tiny_yes_no", batch_size=4, output="calm")
    instead_of_generate(monkeypatch, no_room_for(3))
    found = evaluate("tiny_yes_no", batch_size=4)
    assert_same(found, undisturbed)
    assert [message for message in told if "memory" in message] == [
        "A batch of 4 did not fit into memory. The run goes on with at most 2 requests at a time; batch_size=2 does "
        "the same from the start."
    ]


def test_a_sample_that_does_not_fit_alone_is_named_and_what_was_answered_stays(
    evaluate: Evaluate, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    calls: list[int] = []

    def third(arguments: dict[str, Any]) -> None:
        calls.append(1)
        if len(calls) >= 3:
            no_room_for(1)(arguments)

    instead_of_generate(monkeypatch, third)
    with pytest.raises(SampleTooLargeError, match=r"task tiny_yes_no, document 2: this sample alone needs more memory"):
        evaluate("tiny_yes_no", batch_size=1)
    assert load(tmp_path / "out").samples["doc_id"].tolist() == [0, 1]


def test_samples_whose_readout_does_not_fit_together_are_read_one_by_one(
    evaluate: Evaluate, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    undisturbed = evaluate("tiny_yes_no", batch_size=4, output="calm")
    read = LogitLens.read

    def tight(self: LogitLens, rows: Any) -> Any:
        if len(rows) > 2:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp:118] . DefaultCPUAllocator: can't allocate memory")
        return read(self, rows)

    monkeypatch.setattr(LogitLens, "read", tight)
    assert_same(evaluate("tiny_yes_no", batch_size=4), undisturbed)
    assert sum("memory" in record.getMessage() for record in caplog.records) == 1


def test_a_readout_for_which_there_is_no_memory_costs_no_answer(
    evaluate: Evaluate, monkeypatch: pytest.MonkeyPatch
) -> None:
    calm = evaluate("tiny_yes_no", batch_size=4, output="calm")

    def tight(self: LogitLens, rows: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(LogitLens, "read", tight)
    outcome = evaluate("tiny_yes_no", batch_size=4)
    ours, plain = (o.results["samples"]["tiny_yes_no"] for o in (outcome, calm))
    assert [s["filtered_resps"] for s in ours] == [s["filtered_resps"] for s in plain]
    assert outcome.value("tiny_yes_no", "lens_coverage") == 0.0
    assert {record.status for record in outcome.run.records()} == {"not_run"}
    assert all("no memory" in str(record.status_reason) for record in outcome.run.records())


def test_other_failures_of_a_model_are_no_lack_of_memory(evaluate: Evaluate, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(arguments: dict[str, Any]) -> None:
        raise RuntimeError("shapes do not match")

    instead_of_generate(monkeypatch, fail)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        evaluate("tiny_yes_no", batch_size=4)


# numbers and answers


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_nan_or_infinity_is_a_status_of_its_sample_alone(
    evaluate: Evaluate, monkeypatch: pytest.MonkeyPatch, value: float
) -> None:
    undisturbed = evaluate("tiny_yes_no", batch_size=4, output="calm")
    make = transformers_engine._proven_lens

    def broken(*args: Any) -> LogitLens:
        lens = make(*args)

        def spoil(module: Any, args: Any, output: Any) -> Any:
            hidden = output[0] if isinstance(output, tuple) else output
            hidden[1] = value
            return output

        lens.parts.layers[4].register_forward_hook(spoil)
        return lens

    monkeypatch.setattr(transformers_engine, "_proven_lens", broken)
    outcome = evaluate("tiny_yes_no", batch_size=4)
    frame = outcome.run.samples
    assert frame["status"].tolist() == ["ok", "non_finite", "ok", "ok"] * 2
    assert frame["status_reason"][1] == "the model's logits at the answer are NaN or infinite"
    whole = [0, 2, 3, 4, 6, 7]
    for name in ("entropy", "logprob_pred"):
        assert np.isnan(outcome.run.stack(name)[[1, 5]]).all()
        found, wanted = (run.stack(name)[whole] for run in (outcome.run, undisturbed.run))
        np.testing.assert_allclose(found, wanted, **lens_tiny_bounds())
    assert outcome.value("tiny_yes_no", "lens_coverage") == 0.75
    assert outcome.run.info.identity.run_argmax
    assert all(np.isfinite(v) for v in outcome.results["results"]["tiny_yes_no"].values() if isinstance(v, float))


def test_a_model_that_says_nothing_has_an_empty_answer_and_a_status(
    evaluate: Evaluate, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(arguments: dict[str, Any]) -> None:
        arguments |= {"max_new_tokens": 1, "forced_eos_token_id": arguments["eos_token_id"]}

    instead_of_generate(monkeypatch, silent)
    outcome = evaluate("tiny_yes_no", batch_size=3)
    frame = outcome.run.samples
    assert outcome.texts("tiny_yes_no") == frame["response"].tolist() == [""] * 8
    assert set(frame["status"]) == {"no_answer"}
    assert set(frame["status_reason"]) == {"the model generated no text"}
    assert frame["n_generated"].tolist() == [1] * 8
    assert outcome.value("tiny_yes_no", "lens_coverage") == 0.0
    assert outcome.value("tiny_yes_no", "lens_final_prob") is None
    assert evaluate("tiny_yes_no", "lens=False", output="p").texts("tiny_yes_no") == [""] * 8


# documents


@pytest.mark.filterwarnings("ignore:Palette images with Transparency:UserWarning")
def test_odd_images_are_answered_and_read(evaluate: Evaluate, fault_tasks: TaskManager) -> None:
    outcome = evaluate("odd_images", task_manager=fault_tasks, batch_size=4)
    frame = outcome.run.samples
    assert len(frame) == len(odd_images())
    assert set(frame["status"]) == {"ok"}
    assert frame["image_sha256"].map(len).eq(1).all()
    assert list(outcome.folder.rglob("lens_thumbnails_*.zip"))
    plain = evaluate("odd_images", "lens=False", task_manager=fault_tasks, batch_size=4, output="plain")
    assert plain.texts("odd_images") == outcome.texts("odd_images")


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ("corrupt", r"task corrupt, document 1: the document cannot be read \(cannot identify image file"),
        ("bomb", r"task bomb, document 1: the document cannot be read \(Image size \(400000000 pixels\) exceeds limit"),
        ("sliver", r"task sliver, document 1: the processor cannot encode this sample \(.*aspect ratio"),
    ],
    ids=["corrupt", "bomb", "sliver"],
)
@pytest.mark.parametrize("batch_size", [1, 2])
def test_a_picture_that_cannot_be_used_is_named(
    evaluate: Evaluate, fault_tasks: TaskManager, task: str, message: str, batch_size: int
) -> None:
    with pytest.raises(InputError, match=message):
        evaluate(task, task_manager=fault_tasks, batch_size=batch_size)


def test_a_truncated_picture_is_what_the_harness_makes_of_it(evaluate: Evaluate, fault_tasks: TaskManager) -> None:
    """lmms-eval tells Pillow to read what there is of a truncated image; the rest is grey."""
    outcome = evaluate("truncated", task_manager=fault_tasks)
    plain = evaluate("truncated", "lens=False", task_manager=fault_tasks, output="plain")
    assert outcome.texts("truncated") == plain.texts("truncated")
    assert outcome.run.samples["status"].tolist() == ["ok", "ok"]


def test_an_empty_question_is_answered_like_any_other(evaluate: Evaluate, fault_tasks: TaskManager) -> None:
    outcome = evaluate("empty_question", task_manager=fault_tasks, batch_size=2)
    frame = outcome.run.samples
    assert frame["question"].tolist() == ["Is there a red cube in the image?", "", " \n"]
    assert frame["response"].tolist() == outcome.texts("empty_question")
    assert frame["identity_deviation"].max() <= outcome.run.info.identity.tolerance


def test_a_prompt_beyond_the_context_is_told_once_and_answered_as_without_the_lens(
    evaluate: Evaluate, monkeypatch: pytest.MonkeyPatch, told: list[str]
) -> None:
    undisturbed = evaluate("tiny_yes_no", output="calm")
    assert not told
    monkeypatch.setattr("lens_engine.encoding_guard.context_length", lambda config: 12)
    assert_same(evaluate("tiny_yes_no"), undisturbed)
    (message,) = told
    assert message.startswith("task tiny_yes_no, document 0: the prompt has ")
    assert "and the model was made for 12. It is answered as it is" in message


def test_a_task_name_with_a_path_separator_stays_in_its_folder(evaluate: Evaluate, fault_tasks: TaskManager) -> None:
    outcome = evaluate("odd/name", task_manager=fault_tasks)
    (file,) = outcome.folder.rglob("lens_*.parquet")
    assert file.name.startswith("lens_odd-name-")
    assert outcome.run.tasks == ("odd/name",)
    assert outcome.results["lens"]["records"] == {"odd/name": str(file)}


# the disk


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bool]]:
    """The disk refuses everything as long as the list says so."""
    full = [True]
    sync = os.fsync

    def refuse(handle: int) -> None:
        if full[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(handle)

    monkeypatch.setattr(os, "fsync", refuse)
    yield full


def nothing_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each batch is read and written by itself."""
    monkeypatch.setattr("lens_engine.waiting.READ_SECONDS", 0.0)
    monkeypatch.setattr("lens_engine.recorder.PART_SECONDS", 0.0)


def test_a_full_disk_costs_no_answer_and_is_told(
    evaluate: Evaluate, monkeypatch: pytest.MonkeyPatch, told: list[str]
) -> None:
    nothing_waits(monkeypatch)
    undisturbed = evaluate("tiny_yes_no", batch_size=2, output="calm")
    calls: list[int] = []
    sync = os.fsync

    def full_from_the_second_part_on(handle: int) -> None:
        calls.append(1)
        if len(calls) > 4:  # file and folder are synchronised
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(handle)

    monkeypatch.setattr(os, "fsync", full_from_the_second_part_on)
    outcome = evaluate("tiny_yes_no", batch_size=2)
    assert outcome.texts("tiny_yes_no") == undisturbed.texts("tiny_yes_no")
    names = {name for name in undisturbed.results["results"]["tiny_yes_no"] if name.startswith("lens_")}
    assert {name: outcome.results["results"]["tiny_yes_no"][name] for name in names} == {
        name: undisturbed.results["results"]["tiny_yes_no"][name] for name in names
    }, "the table needs no disk"
    assert "No space left on device" in outcome.results["lens"]["error"]
    assert outcome.results["lens"]["records"] == {}
    assert (
        sum("The run goes on; records wait in memory" in message for message in told) <= 3
    )  # records, pictures, merge
    assert any("samples could not be written and are lost; their answers are not" in message for message in told)
    assert 0 < len(outcome.run.samples) < 8
    assert not outcome.run.complete


def test_records_wait_for_a_disk_that_has_room_again(
    evaluate: Evaluate, monkeypatch: pytest.MonkeyPatch, full_disk: list[bool], told: list[str]
) -> None:
    nothing_waits(monkeypatch)
    calls: list[int] = []

    def room_at_last(arguments: dict[str, Any]) -> None:
        calls.append(1)
        full_disk[0] = len(calls) < 4

    instead_of_generate(monkeypatch, room_at_last)
    outcome = evaluate("tiny_yes_no", batch_size=2)
    assert outcome.run.complete
    assert outcome.run.samples["doc_id"].tolist() == list(range(8))
    assert "error" not in outcome.results["lens"]
    assert any("No space left on device" in message for message in told)


def test_a_folder_that_cannot_be_written_is_refused_before_the_first_request(
    evaluate: Evaluate, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "out").write_text("a file is in the way")

    def never(arguments: dict[str, Any]) -> None:
        raise AssertionError("the model was asked")

    instead_of_generate(monkeypatch, never)
    with pytest.raises(RecordWriteError, match=r"Cannot write lens records into .*/out.*choose another folder"):
        evaluate("tiny_yes_no")


def test_two_runs_into_one_folder_stay_apart(evaluate: Evaluate, monkeypatch: pytest.MonkeyPatch) -> None:
    inner: list[Outcome] = []

    def second_run(arguments: dict[str, Any]) -> None:
        if not inner:
            inner.append(None)  # type: ignore[arg-type]
            inner[0] = evaluate("tiny_yes_no", "lens_topk=2", limit=3)

    instead_of_generate(monkeypatch, second_run)
    outer = evaluate("tiny_yes_no", batch_size=2)
    runs = {run.info.run_id: run for run in load_all(outer.folder)}
    assert len(runs) == 2
    first, second = runs[outer.results["lens"]["run_id"]], runs[inner[0].results["lens"]["run_id"]]
    assert first.samples["doc_id"].tolist() == list(range(8))
    assert second.samples["doc_id"].tolist() == [0, 1, 2]
    assert (first.info.lens.topk, second.info.lens.topk) == (5, 2)
    assert not find_unmerged(outer.folder)
