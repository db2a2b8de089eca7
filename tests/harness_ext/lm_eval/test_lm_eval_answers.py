"""The answers are those of `hf-multimodal`, and each has its record."""

from __future__ import annotations

import gc
from typing import Any

import pytest
from lm_eval.models.hf_vlms import HFMultimodalLM
from lm_eval_outcome import Evaluate

TASKS = "ruclevr,weird"


@pytest.mark.parametrize(("batch_size", "chat"), [(1, True), (4, True), (4, False)])
def test_answers_equal_the_stock_model_byte_for_byte(evaluate: Evaluate, batch_size: int, chat: bool) -> None:
    settings = {"batch_size": batch_size, "apply_chat_template": chat, "fewshot_as_multiturn": chat}
    stock = evaluate(TASKS, model="hf-multimodal", output="stock", **settings)
    ours = evaluate(TASKS, **settings)
    for task in TASKS.split(","):
        assert ours.texts(task) == stock.texts(task)
        assert ours.value(task, "exact_match") == stock.value(task, "exact_match")
    samples = ours.run.samples
    assert sorted(samples["task"]) == ["ruclevr"] * 5 + ["weird"] * 5
    assert set(samples["doc_id"]) == set(range(5))
    for _, row in samples.iterrows():
        assert row["response"] == ours.texts(row["task"])[row["doc_id"]]
    assert samples["identity_deviation"].max() <= ours.run.info.identity.tolerance
    compared = samples["identity_deviation"].notna()  # each batch in one of its samples at least
    assert compared.sum() >= len(samples) / batch_size
    assert compared[(samples["status"] == "ok") & (samples["answer_step"] == 0)].all()


@pytest.mark.usefixtures("nothing_set_aside")
@pytest.mark.parametrize("lens", [True, False])
def test_the_collections_of_every_batch_leave_older_objects_out(
    evaluate: Evaluate, monkeypatch: pytest.MonkeyPatch, lens: bool
) -> None:
    aside = []
    original = HFMultimodalLM._model_multimodal_generate

    def generate(*args: Any, **kwargs: Any) -> Any:
        aside.append(gc.get_freeze_count())
        return original(*args, **kwargs)

    monkeypatch.setattr(HFMultimodalLM, "_model_multimodal_generate", generate)
    evaluate("weird", f"lens={lens}", limit=2, batch_size=1)
    assert len(aside) == 2
    assert min(aside) > 100_000  # the objects of the libraries
    assert gc.get_freeze_count() == 0
