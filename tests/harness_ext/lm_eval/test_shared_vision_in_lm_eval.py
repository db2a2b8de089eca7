"""Questions about one picture in batches of lm-eval: its encoder runs once."""

from __future__ import annotations

from lm_eval_outcome import Evaluate, whole_and_shared


def test_batches_encode_each_picture_once(evaluate: Evaluate) -> None:
    whole, shared = whole_and_shared(evaluate, "lens_shared_vision=True", 6)
    cost, own = shared.info.answer_cost, whole.info.answer_cost
    assert cost["pictures"] == own["pictures"] == own["pictures_encoded"] == 12
    assert cost["pictures_encoded"] == len({record.image_sha256 for record in whole.records()}) < 12
