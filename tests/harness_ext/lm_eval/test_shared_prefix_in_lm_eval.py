"""Questions about one picture that go on from its keys and values, put by lm-eval."""

from __future__ import annotations

from lm_eval_outcome import Evaluate, whole_and_shared


def test_answers_and_readouts_are_those_of_whole_prompts(evaluate: Evaluate) -> None:
    whole, shared = whole_and_shared(evaluate, "lens_shared_prefix=True", 1)
    cost = shared.info.answer_cost
    assert cost["reused"] > 0
    assert cost["positions"] + cost["reused"] == whole.info.answer_cost["positions"]


def test_larger_batches_run_whole(evaluate: Evaluate) -> None:
    shared = evaluate("ruclevr_mini", "lens_shared_prefix=True", limit=4, batch_size=4)
    assert shared.run.info.answer_cost["reused"] == 0
