"""Controls of an lm-eval run, against the model itself under the same images."""

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
from lm_eval.tasks import TaskManager
from lm_eval_outcome import Evaluate
from mera_folder import write_mera_folder
from PIL import Image
from plain_model import Floats, PlainModel, grey, lens_tiny_bounds, plain_lens_tiny
from resizing import resizing_works
from scipy.special import log_softmax

from harness_ext.lm_eval.plugin import register

BOTH = "lens_controls=blank+shuffled"
CHOICES = ("да", "нет")


def document(task: str, doc_id: int) -> dict[str, Any]:
    """The tasks of the folder are the first documents of the bundled minis."""
    return mini_documents(task if task.endswith("_mini") else "ruclevr_mini")[doc_id]


def own_image(task: str, doc_id: int) -> Image.Image:
    return mini_image(document(task, doc_id))


@pytest.fixture(scope="module")
def several_images(tmp_path_factory: pytest.TempPathFactory) -> TaskManager:
    """The folder's tasks with documents of several images; the bundled minis ask several questions about each."""
    register()
    folder = write_mera_folder(tmp_path_factory.mktemp("several") / "tasks", rows=18)
    return TaskManager(include_path=str(folder), include_defaults=False)


@pytest.mark.parametrize("task", ["ruclevr_mini", "weird_mini"])
def test_controls_are_what_the_model_says_under_those_images(evaluate: Evaluate, task: str) -> None:
    model = plain_lens_tiny()
    for record in evaluate(task, BOTH, limit=2, batch_size=2).run.records():
        assert record.control_status == {"blank": "ok", "shuffled": "ok"}
        own = own_image(task, record.doc_id)
        prompt = read_prompt(record, model, mini_text(document(record.task, record.doc_id)))
        lent = own_image(task, record.control_source["shuffled"])
        assert lent.tobytes() != own.tobytes()
        blank = check_generated(record, "blank", model, prompt, [own], [grey(own)])
        shuffled = check_generated(record, "shuffled", model, prompt, [own], [lent])
        assert np.abs(blank - shuffled).max() > 10 * lens_tiny_bounds()["atol"]


def test_images_are_shown_in_the_size_that_the_harness_gives_them(evaluate: Evaluate) -> None:
    if not resizing_works():
        pytest.skip("this version of lm-eval cannot resize images: it hands Pillow the name of a filter")
    model = plain_lens_tiny()
    (record,) = evaluate("ruclevr_mini", f"{BOTH},image_width=56", limit=1).run.records()
    pictures = [own_image("ruclevr_mini", number) for number in (0, record.control_source["shuffled"])]
    own, lent = (image.resize((56, 56 * image.height // image.width), Image.Resampling.BICUBIC) for image in pictures)
    assert own.size != pictures[0].size
    prompt = read_prompt(record, model, mini_text(document(record.task, record.doc_id)))
    check_generated(record, "blank", model, prompt, [own], [grey(own)])
    check_generated(record, "shuffled", model, prompt, [own], [lent])


def test_multiple_choice_is_scored_again_under_each_image(evaluate: Evaluate, several_images: TaskManager) -> None:
    model = plain_lens_tiny()
    # lm-eval puts no space before a continuation that follows a chat template
    tokens = [tuple(model.processor.tokenizer.encode(text)) for text in CHOICES]
    (record,) = evaluate("choice", BOTH, limit=1, task_manager=several_images).run.records()
    own, lent = (own_image("ruclevr_mini", n) for n in (0, record.control_source["shuffled"]))
    prompt = read_prompt(record, model, mini_text(document(record.task, record.doc_id)))
    mine = forced_scores(model, prompt, own, tokens)
    check_forced(record, "blank", mine, forced_scores(model, prompt, grey(own), tokens))
    check_forced(record, "shuffled", mine, forced_scores(model, prompt, lent, tokens))


def forced_scores(model: PlainModel, prompt: str, image: Image.Image, choices: list[tuple[int, ...]]) -> Floats:
    """Sum of log-probabilities [blocks, choices] of token sequences, one pass each."""
    columns = []
    for tokens in choices:
        logp = log_softmax(model.logits(prompt, [image], tokens[:-1]), axis=2)
        columns.append(sum(logp[:, place, token] for place, token in enumerate(tokens)))
    return np.stack(columns, axis=1)


@pytest.mark.parametrize(("task", "batch_size"), [("ruclevr_mini", 1), ("weird_mini", 4), ("choice", 1)])
def test_answers_scores_and_readouts_are_those_of_a_run_without_controls(
    evaluate: Evaluate, task: str, batch_size: int
) -> None:
    with_controls = evaluate(task, BOTH, batch_size=batch_size, limit=5)
    without = evaluate(task, batch_size=batch_size, limit=5, output="plain")
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


def test_the_source_does_not_follow_from_limits_or_chosen_samples(
    evaluate: Evaluate, several_images: TaskManager
) -> None:
    sources = [
        {
            record.doc_id: record.control_source["shuffled"]
            for record in evaluate("choice", BOTH, task_manager=several_images, **how).run.records()
        }
        for how in ({"limit": 5}, {"limit": 2, "output": "two"}, {"samples": {"choice": [1, 3]}, "output": "chosen"})
    ]
    assert sources[1] == {number: sources[0][number] for number in (0, 1)}
    assert sources[2] == {number: sources[0][number] for number in (1, 3)}


def test_private_tasks_are_controlled_too(evaluate: Evaluate, several_images: TaskManager) -> None:
    outcome = evaluate("private", BOTH, limit=2, gen_kwargs="max_gen_toks=64", task_manager=several_images)
    for record in outcome.run.records():
        assert record.control_status == {"blank": "ok", "shuffled": "ok"}
        assert {"logprob_pred", "energy"} <= set(record.controls["blank"])
        assert "logprob_gold" not in record.controls["blank"]
        assert record.label_free["visual_gain"] is None, "a task that nobody knows has no candidates"


def test_an_answer_that_was_not_read_has_no_control_and_says_so(evaluate: Evaluate) -> None:
    (record,) = evaluate("ruclevr", BOTH, limit=1).run.records()
    assert record.status == "no_answer", "eight tokens are too few for the reasoning that the prompt asks for"
    assert record.control_status == dict.fromkeys(("blank", "shuffled"), "not_run")
    assert set(record.control_reason.values()) == {"the sample itself has no readout to compare with"}


def test_documents_of_one_image_lend_nothing(evaluate: Evaluate, mera_tasks: Path) -> None:
    (record,) = evaluate("choice", BOTH, limit=1).run.records()
    assert len({own_image("choice", number).tobytes() for number in range(5)}) == 1
    assert record.control_status == {"blank": "ok", "shuffled": "no_other_image"}


def test_one_document_has_nobody_to_borrow_from(evaluate: Evaluate, tmp_path: Path) -> None:
    manager = TaskManager(include_path=str(write_mera_folder(tmp_path / "one", rows=1)), include_defaults=False)
    (record,) = evaluate("weird", BOTH, task_manager=manager).run.records()
    assert record.control_status == {"blank": "ok", "shuffled": "no_other_image"}
    assert "another image and another cluster" in record.control_reason["shuffled"]


def test_costs_stand_in_the_description_of_the_run(evaluate: Evaluate) -> None:
    info = evaluate("ruclevr_mini", BOTH, limit=3).run.info
    assert info.lens.controls == ("blank", "shuffled")
    for name in ("blank", "shuffled"):
        assert (info.control_cost[name]["samples"], info.control_cost[name]["forward_passes"]) == (3, 3)
