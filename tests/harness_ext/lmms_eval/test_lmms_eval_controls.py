"""Controls of an lmms-eval run, against the model itself under the same images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from controlled_records import (
    check_forced,
    check_generated,
    mini_documents,
    mini_image,
    mini_text,
    read_prompt,
    same_readout,
)
from lmms_eval.tasks import TaskManager
from lmms_eval_outcome import Evaluate, Outcome
from PIL import Image
from plain_model import Floats, PlainModel, grey, lens_tiny_bounds, plain_lens_tiny
from scipy.special import log_softmax
from tiny_tasks import rows, write_tasks

from lens_results import SampleRecord

MODEL = "hf-multimodal-lens"
BOTH = "lens_controls=blank+shuffled"


def own_images(task: str, doc_id: int) -> list[Image.Image]:
    if task.endswith("_mini"):
        return [mini_image(mini_documents(task)[doc_id])]
    image = rows()[doc_id]["image"]
    return [image, image.rotate(90)] if task == "tiny_two_images" else [image]


def asked(record: SampleRecord) -> str:
    return mini_text(mini_documents(record.task)[record.doc_id]) if record.task.endswith("_mini") else record.question


@pytest.mark.parametrize("batch_size", [1, 3])
@pytest.mark.parametrize("task", ["tiny_yes_no", "tiny_two_images", "weird_mini"])
def test_controls_are_what_the_model_says_under_those_images(evaluate: Evaluate, task: str, batch_size: int) -> None:
    model = plain_lens_tiny()
    for record in evaluate(task, BOTH, limit=3, batch_size=batch_size).run.records():
        own = own_images(task, record.doc_id)
        prompt = read_prompt(record, model, asked(record), len(own))
        lent = own_images(task, record.control_source["shuffled"])
        blank = check_generated(record, "blank", model, prompt, own, [grey(image) for image in own])
        shuffled = check_generated(record, "shuffled", model, prompt, own, lent)
        assert np.abs(blank - shuffled).max() > 10 * lens_tiny_bounds()["atol"], "two controls under different images"
        assert record.label_free["visual_gain"] is not None
        assert record.control_status == {"blank": "ok", "shuffled": "ok"}


def test_answers_after_the_first_token_are_read_with_what_was_generated_before_them(evaluate: Evaluate) -> None:
    records = list(evaluate("weird_mini", BOTH, limit=6).run.records())
    later = [record for record in records if record.answer_step]
    assert later, "none of the six prompts asks for reasoning first"
    model, record = plain_lens_tiny(), later[0]
    own = own_images("weird_mini", record.doc_id)
    check_generated(record, "blank", model, read_prompt(record, model, asked(record)), own, [grey(own[0])])


def test_multiple_choice_is_scored_again_under_each_image(evaluate: Evaluate) -> None:
    model = plain_lens_tiny()
    choices = [tuple(model.processor.tokenizer.encode(text)) for text in (" yes", " no way")]
    for record in evaluate("tiny_choice", BOTH, limit=2, force_simple=True).run.records():
        own = own_images("tiny_choice", record.doc_id)
        prompt = read_prompt(record, model, asked(record))
        lent = own_images("tiny_choice", record.control_source["shuffled"])
        mine = forced_scores(model, prompt, own, choices)
        check_forced(record, "blank", mine, forced_scores(model, prompt, [grey(own[0])], choices))
        check_forced(record, "shuffled", mine, forced_scores(model, prompt, lent, choices))


def forced_scores(
    model: PlainModel, prompt: str, images: list[Image.Image], choices: list[tuple[int, ...]]
) -> Floats:  # fmt: skip
    """Mean log-probability [blocks, choices] of a token of each sequence, one pass each."""
    columns = []
    for tokens in choices:
        logp = log_softmax(model.logits(prompt, images, tokens[:-1]), axis=2)
        columns.append(sum(logp[:, place, token] for place, token in enumerate(tokens)) / len(tokens))
    return np.stack(columns, axis=1)


@pytest.mark.parametrize("batch_size", [1, 4])
@pytest.mark.parametrize(("task", "simple"), [("tiny_yes_no", False), ("tiny_sampled", False), ("tiny_choice", True)])
def test_answers_scores_and_readouts_are_those_of_a_run_without_controls(
    evaluate: Evaluate, task: str, simple: bool, batch_size: int
) -> None:
    options: dict[str, Any] = {"batch_size": batch_size, "force_simple": simple, "limit": 6}
    with_controls = evaluate(task, BOTH, **options)
    without = evaluate(task, output="plain", **options)
    for ours, plain in zip(*(o.results["samples"][task] for o in (with_controls, without)), strict=True):
        assert ours["resps"] == plain["resps"]
        assert ours["filtered_resps"] == plain["filtered_resps"]
    ours, plain = (
        {name: value for name, value in o.results["results"][task].items() if "visual_gain" not in name}
        for o in (with_controls, without)
    )
    assert ours == plain
    for first, second in zip(with_controls.run.records(), without.run.records(), strict=True):
        same_readout(first, second)
        assert first.controls and not second.controls
        assert second.control_status == {}
        assert "visual_gain" not in {name for name, value in second.label_free.items() if value is not None}


def test_controls_do_not_depend_on_batches(evaluate: Evaluate) -> None:
    alone, batched = (evaluate("tiny_yes_no", BOTH, batch_size=size, output=f"b{size}").run for size in (1, 4))
    for first, second in zip(alone.records(), batched.records(), strict=True):
        assert first.control_source == second.control_source
        assert first.answer_step == second.answer_step == 0
        for control, arrays in first.controls.items():
            for name, values in arrays.items():
                np.testing.assert_allclose(
                    values, second.controls[control][name], **lens_tiny_bounds(), err_msg=f"{control} {name}"
                )


def test_the_source_is_another_image_of_another_cluster(evaluate: Evaluate) -> None:
    run = evaluate("pope_mini", BOTH, limit=8).run
    documents = mini_documents("pope_mini")
    for record in run.records():
        lender = documents[record.control_source["shuffled"]]
        assert lender["image_source"] != record.cluster
        assert mini_image(lender).tobytes() != own_images("pope_mini", record.doc_id)[0].tobytes()
    assert run.samples["control_source.shuffled"].nunique() > 4


def test_costs_stand_in_the_description_of_the_run(evaluate: Evaluate) -> None:
    outcome = evaluate("tiny_yes_no", BOTH, limit=5, batch_size=2)
    assert outcome.run.info.lens.controls == ("blank", "shuffled")
    for name in ("blank", "shuffled"):
        cost = outcome.run.info.control_cost[name]
        assert (cost["samples"], cost["forward_passes"]) == (5, 3), "batches of two, two and one"
        assert cost["seconds"] > 0
    assert evaluate("tiny_yes_no", limit=1, output="plain").run.info.control_cost == {}


def test_one_control_alone(evaluate: Evaluate) -> None:
    record = next(iter(evaluate("tiny_yes_no", "lens_controls=shuffled", limit=1).run.records()))
    assert set(record.controls) == {"shuffled"}
    assert "visual_gain" not in record.label_free or record.label_free["visual_gain"] is None


def test_visual_gain_stands_in_the_table_only_with_the_blank_control(evaluate: Evaluate) -> None:
    outcome = evaluate("tiny_yes_no", "lens_controls=blank", limit=4)
    values = [record.label_free["visual_gain"] for record in outcome.run.records()]
    assert outcome.value("tiny_yes_no", "lens_visual_gain") == pytest.approx(np.mean(values))
    assert evaluate("tiny_yes_no", limit=1, output="plain").value("tiny_yes_no", "lens_visual_gain") is None


def test_prompts_without_an_image_have_no_control(evaluate: Evaluate) -> None:
    expect_status(evaluate("tiny_text", BOTH, limit=2), dict.fromkeys(("blank", "shuffled"), "no_image"), "no image")


def test_open_tasks_keep_the_answer_but_no_gain(evaluate: Evaluate) -> None:
    for record in evaluate("tiny_open", BOTH, limit=2).run.records():
        assert record.control_status == {"blank": "ok", "shuffled": "ok"}
        assert "logprob_pred" in record.controls["blank"]
        assert record.label_free["visual_gain"] is None
        assert "visual_gain" not in record.controls["blank"]


@pytest.mark.parametrize(
    ("documents", "why"),
    [
        (rows(1), "one document"),
        ([{**row, "image_id": "one"} for row in rows(4)], "one cluster"),
        ([{**row, "image": rows(1)[0]["image"], "image_id": f"{i}"} for i, row in enumerate(rows(4))], "one image"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_without_another_image_of_another_cluster_there_is_no_shuffled_control(
    evaluate: Evaluate, tmp_path: Path, documents: list[dict[str, Any]], why: str
) -> None:
    outcome = evaluate("tiny_yes_no", BOTH, task_manager=tasks_of(tmp_path, documents))
    assert len(outcome.run) == len(documents)
    for record in outcome.run.records():
        assert record.status == "ok"
        assert record.control_status == {"blank": "ok", "shuffled": "no_other_image"}, why
        assert record.control_reason == {
            "shuffled": "no other document of the split has another image and another cluster"
        }
        assert set(record.controls) == {"blank"}
        assert not record.control_source
    assert outcome.run.info.control_cost["shuffled"]["samples"] == 0


def test_a_damaged_document_lends_no_image(evaluate: Evaluate, tmp_path: Path) -> None:
    documents = rows(6)
    for damaged in (1, 2, 5):
        documents[damaged]["image"] = {"bytes": b"this is no image", "path": None}
    outcome = evaluate("tiny_yes_no", BOTH, task_manager=tasks_of(tmp_path, documents), limit=1)
    (record,) = outcome.run.records()
    assert record.control_status["shuffled"] == "ok"
    assert record.control_source["shuffled"] == 4, "0 to 3 are of its own cluster"


def test_a_model_that_fails_under_a_control_alone_costs_no_answer(
    evaluate: Evaluate, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(images: Any) -> Any:
        raise RuntimeError("no grey today")

    monkeypatch.setattr("lens_engine.controls.image_controls.blank_images", broken)
    plain = evaluate("tiny_yes_no", limit=2, output="plain")
    outcome = evaluate("tiny_yes_no", BOTH, limit=2)
    assert outcome.texts("tiny_yes_no") == plain.texts("tiny_yes_no")
    for record in outcome.run.records():
        assert record.control_status == {"blank": "failed", "shuffled": "ok"}
        assert record.control_reason == {"blank": "RuntimeError: no grey today"}
        assert record.label_free["visual_gain"] is None


def tasks_of(folder: Path, documents: list[dict[str, Any]]) -> TaskManager:
    """The tiny tasks on other documents."""
    own = folder / "own_tasks"
    own.mkdir()
    write_tasks(own, documents)
    return TaskManager("ERROR", include_path=str(own), include_defaults=False, model_name=MODEL)


def expect_status(outcome: Outcome, status: dict[str, str], words: str) -> None:
    for record in outcome.run.records():
        assert record.status == "ok"
        assert record.control_status == status
        assert all(words in reason for reason in record.control_reason.values())
        assert not record.controls
        assert not record.control_source
