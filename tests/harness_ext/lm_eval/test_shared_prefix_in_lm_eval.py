"""Questions about one picture that go on from its keys and values, put by lm-eval."""

from __future__ import annotations

import numpy as np
from lm_eval_outcome import Evaluate
from plain_model import lens_tiny_bounds


def test_answers_and_readouts_are_those_of_whole_prompts(evaluate: Evaluate) -> None:
    whole, shared = (
        evaluate("ruclevr_mini", each, output=each or "whole", limit=12, batch_size=1)
        for each in ("", "lens_shared_prefix=True")
    )
    assert shared.texts("ruclevr_mini") == whole.texts("ruclevr_mini")
    for name in ("entropy", "logprob_pred"):
        np.testing.assert_allclose(shared.run.stack(name), whole.run.stack(name), **lens_tiny_bounds(), err_msg=name)
    cost = shared.run.info.answer_cost
    assert cost["reused"] > 0
    assert cost["positions"] + cost["reused"] == whole.run.info.answer_cost["positions"]


def test_larger_batches_run_whole(evaluate: Evaluate) -> None:
    shared = evaluate("ruclevr_mini", "lens_shared_prefix=True", limit=4, batch_size=4)
    assert shared.run.info.answer_cost["reused"] == 0
