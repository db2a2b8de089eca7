"""Questions about one picture in batches of lm-eval: its encoder runs once."""

from __future__ import annotations

import numpy as np
from lm_eval_outcome import Evaluate
from plain_model import lens_tiny_bounds


def test_batches_encode_each_picture_once(evaluate: Evaluate) -> None:
    whole, shared = (
        evaluate("ruclevr_mini", each, output=each or "whole", limit=12, batch_size=6)
        for each in ("", "lens_shared_vision=True")
    )
    assert shared.texts("ruclevr_mini") == whole.texts("ruclevr_mini")
    for name in ("entropy", "logprob_pred"):
        np.testing.assert_allclose(shared.run.stack(name), whole.run.stack(name), **lens_tiny_bounds(), err_msg=name)
    cost, own = shared.run.info.answer_cost, whole.run.info.answer_cost
    assert cost["pictures"] == own["pictures"] == own["pictures_encoded"] == 12
    assert cost["pictures_encoded"] == len({record.image_sha256 for record in whole.run.records()}) < 12
