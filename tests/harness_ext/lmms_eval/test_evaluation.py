"""The lmms-eval model through the harness's own `simple_evaluate`."""

from __future__ import annotations

import argparse
import json
import weakref
from typing import Any

import numpy as np
import pytest
from lmms_eval import evaluator
from lmms_eval.models import get_model
from lmms_eval.tasks import TaskManager
from lmms_eval_outcome import Evaluate
from loguru import logger
from plain_model import lens_tiny_bounds

from harness_ext.lmms_eval.model import HFMultimodalLens
from lens_engine.table import METRIC_NAMES
from lens_models.loading import load_model, resolve_pretrained


def test_every_filter_s_score_is_recorded(evaluate: Evaluate) -> None:
    outcome = evaluate("tiny_filters", limit=2)
    table, run = outcome.results["results"]["tiny_filters"], outcome.run
    for name in ("exact,as-it-is", "exact,never"):
        column = run.samples[f"score.{name}"]
        assert column.notna().all() and column.mean() == table[name]
    assert run.info.metrics == {"tiny_filters": {"exact": True}}


def test_lens_metrics_stand_in_the_table_the_samples_and_the_records(evaluate: Evaluate) -> None:
    outcome = evaluate("tiny_yes_no")
    table = outcome.results["results"]["tiny_yes_no"]
    assert table["lens_coverage,none"] <= 1.0
    assert {name.split(",")[0] for name in table if name.startswith("lens_") and "stderr" not in name} <= set(
        METRIC_NAMES
    )
    samples = outcome.results["samples"]["tiny_yes_no"]
    assert all("lens_coverage" in sample for sample in samples)
    frame = outcome.run.samples
    assert len(frame) == 8
    assert frame["question"].tolist() == [sample["arguments"][0] for sample in samples]
    assert frame["response"].tolist() == outcome.texts("tiny_yes_no")
    assert frame["score.exact"].tolist() == [sample["exact"] for sample in samples]
    assert frame["cluster"].tolist() == [f"scene{i // 4}" for i in range(8)]
    json.dumps(outcome.results["lens"])
    assert outcome.results["lens"]["records"]["tiny_yes_no"].endswith(".parquet")
    info = outcome.run.info
    assert info.identity.load_argmax and info.identity.run_argmax
    assert info.identity.run_deviation is not None and info.identity.run_deviation <= info.identity.tolerance
    assert info.harness.name == "lmms-eval"


def test_without_a_folder_the_user_is_told_how_to_keep_records(task_manager: TaskManager) -> None:
    messages: list[str] = []
    sink = logger.add(lambda message: messages.append(message.record["message"]), level="WARNING")
    arguments = argparse.Namespace(output_path=None, model_args="", process_with_media=False, reasoning_tags=None)
    try:
        evaluator.simple_evaluate(
            model="hf-multimodal-lens", model_args="", tasks=["tiny_text"], limit=1, task_manager=task_manager,
            bootstrap_iters=0, cli_args=arguments, verbosity="ERROR",
        )  # fmt: skip
    finally:
        logger.remove(sink)
    wanted = "Lens records are not kept: give --output_path, or lens_dir=FOLDER in --model_args"
    assert [message for message in messages if message.startswith("Lens records")] == [wanted]


def test_table_means_are_means_over_the_documents_that_have_a_value(evaluate: Evaluate) -> None:
    outcome = evaluate("tiny_yes_no")
    samples = outcome.results["samples"]["tiny_yes_no"]
    for name in METRIC_NAMES:
        values = [sample[name] for sample in samples if name in sample]
        shown = outcome.value("tiny_yes_no", name)
        assert shown is None if not values else shown == pytest.approx(np.mean(values))


@pytest.mark.parametrize("task", ["tiny_yes_no", "tiny_long", "tiny_two_images", "tiny_text", "tiny_sampled"])
def test_answers_are_the_same_with_and_without_the_lens(evaluate: Evaluate, task: str) -> None:
    with_lens = evaluate(task)
    without = evaluate(task, "lens=False", output="plain")
    assert with_lens.texts(task) == without.texts(task)
    assert with_lens.value(task, "exact") == without.value(task, "exact")
    assert "lens" not in without.results
    assert not list(without.folder.rglob("lens_*"))
    assert not any(name.startswith("lens_") for name in without.results["results"][task])


@pytest.mark.parametrize("task", ["tiny_yes_no", "tiny_long"])
def test_batches_of_mixed_lengths_and_sizes_give_the_answers_and_readouts_of_single_requests(
    evaluate: Evaluate, task: str
) -> None:
    alone = evaluate(task, batch_size=1)
    for size in (3, 8):
        batched = evaluate(task, batch_size=size, output=f"batch{size}")
        assert batched.texts(task) == alone.texts(task)
        for name in ("entropy", "jsd_last", "logprob_pred", "cand_scores"):
            np.testing.assert_allclose(batched.run.stack(name), alone.run.stack(name), **lens_tiny_bounds())


def test_answers_equal_those_of_the_stock_wrapper_in_its_dtype(evaluate: Evaluate) -> None:
    ours = evaluate("tiny_yes_no,tiny_long", "dtype=bfloat16")
    stock = evaluate("tiny_yes_no,tiny_long", model=stock_wrapper(), output="stock")
    for task in ("tiny_yes_no", "tiny_long"):
        assert ours.texts(task) == stock.texts(task)
        assert ours.value(task, "exact") == stock.value(task, "exact")


def stock_wrapper(pretrained: str = "lens_tiny") -> Any:
    """lmms-eval's own `huggingface` model, in bfloat16 as it always is.

    Under transformers 5 it needs two repairs to run at all: it loads the class without a head, and hands the processor
    an empty list of `audios`, a name that is refused. Everything else is the harness's code.
    """
    path = resolve_pretrained(pretrained)
    model = get_model("huggingface").create_from_arg_string(f"pretrained={path},device=cpu,device_map=cpu")
    model._model = load_model(path, dtype="bfloat16", device="cpu").model
    process = type(model.processor).__call__

    class WithoutAudios(type(model.processor)):  # type: ignore[misc]
        def __call__(self, *args: Any, audios: Any = (), **kwargs: Any) -> Any:
            assert not audios
            return process(self, *args, **{name: value for name, value in kwargs.items() if value != []})

    model.processor.__class__ = WithoutAudios
    return model


def test_beam_search_is_recorded_on_the_winning_beam(evaluate: Evaluate) -> None:
    outcome = evaluate("tiny_beams", batch_size=4)
    assert outcome.texts("tiny_beams") == evaluate("tiny_beams", "lens=False", batch_size=4, output="p").texts(
        "tiny_beams"
    )
    assert outcome.run.info.identity.run_argmax


def test_open_tasks_compare_the_answer_with_the_gold_text(evaluate: Evaluate) -> None:
    frame = evaluate("tiny_open").run.samples
    read = frame[frame["status"] == "ok"]
    assert len(read)
    for candidates, gold in zip(read["candidates"], read["gold"], strict=True):
        assert len(candidates) in (1, 2)
        assert gold[0].startswith("a picture of")


def test_a_task_without_gold_shows_label_free_metrics_alone(evaluate: Evaluate) -> None:
    outcome = evaluate("tiny_private", predict_only=True)
    frame = outcome.run.samples
    assert len(frame) == 8
    assert not any(len(gold) for gold in frame["gold"])
    assert frame.filter(like="gold_based.").isna().all().all()
    assert outcome.value("tiny_private", "lens_emerged") is None


def test_several_tasks_in_one_run_have_a_file_each(evaluate: Evaluate) -> None:
    outcome = evaluate("tiny_yes_no,tiny_text", limit=3)
    assert sorted(outcome.results["lens"]["records"]) == ["tiny_text", "tiny_yes_no"]
    assert outcome.run.samples.groupby("task").size().to_dict() == {"tiny_text": 3, "tiny_yes_no": 3}


def test_offset_keeps_the_numbers_of_the_documents(evaluate: Evaluate) -> None:
    outcome = evaluate("tiny_yes_no", limit=2, offset=5)
    assert outcome.run.samples["doc_id"].tolist() == [5, 6]


def test_multi_round_answers_are_recorded_round_by_round(evaluate: Evaluate) -> None:
    outcome = evaluate("tiny_rounds", limit=2)
    frame = outcome.run.samples
    assert frame["request_idx"].tolist() == [0, 1, 0, 1]
    assert set(frame["kind"]) == {"multi_round"}


def test_other_models_run_as_if_the_lens_were_not_installed(evaluate: Evaluate) -> None:
    before = evaluator._process_document_results
    evaluate("tiny_yes_no", limit=1)
    assert evaluator._process_document_results is before


def test_the_model_is_gone_before_the_answers_are_scored() -> None:
    owner = get_model("hf-multimodal-lens")(device="cpu")
    parameters = [weakref.ref(parameter) for parameter in owner.model.parameters()]
    owner.clean()
    assert not any(parameter() is not None for parameter in parameters)
    owner.clean()  # a second time does no harm


@pytest.mark.parametrize("itself", [False, True], ids=["", "refers to itself"])
def test_the_model_of_a_recorded_run_is_gone_before_its_answers_are_scored(
    itself: bool, evaluate: Evaluate, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bool] = []
    clean = HFMultimodalLens.clean

    def watched(owner: HFMultimodalLens) -> None:
        model = owner.model
        if itself:
            model.itself = model  # only the garbage collector frees it
        refer, model = weakref.ref(model), None
        clean(owner)
        seen.append(refer() is None)

    monkeypatch.setattr(HFMultimodalLens, "clean", watched)
    outcome = evaluate("tiny_yes_no", "lens_controls=blank", limit=3)
    assert seen == [True]
    assert outcome.run.samples["status"].tolist() == ["ok"] * 3
    assert outcome.run.info.control_cost["blank"]["samples"] == 3, "what was counted is kept"


def test_the_lens_norm_none_is_stored_and_differs(evaluate: Evaluate) -> None:
    plain = evaluate("tiny_yes_no", limit=2)
    bare = evaluate("tiny_yes_no", "lens_norm=none", limit=2, output="none")
    assert bare.run.info.lens.norm == "none"
    assert bare.texts("tiny_yes_no") == plain.texts("tiny_yes_no")
    apart = np.abs(bare.run.stack("entropy") - plain.run.stack("entropy"))
    assert apart.max() > 10 * lens_tiny_bounds()["atol"]


def test_layers_and_topk_follow_the_arguments(evaluate: Evaluate) -> None:
    run = evaluate("tiny_yes_no", "lens_layers=0+3-5,lens_topk=2", limit=1).run
    assert run.info.lens.layer_index[:4] == (0, 3, 4, 5)
    assert run.info.lens.layer_index[-1] == run.info.model.n_layers
    assert run.stack("topk_ids").shape[1:] == (len(run.info.lens.layer_index), 2)
