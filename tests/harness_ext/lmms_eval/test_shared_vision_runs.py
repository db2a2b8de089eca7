"""Questions about one picture in batches: its encoder runs once, and the answers are the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from controlled_records import mini_documents, mini_image
from lmms_eval_outcome import Evaluate
from loguru import logger
from plain_model import lens_tiny_bounds
from processors import checkpoint

from lens_models import LensArgumentError

SHARED = "lens_shared_vision=True"
SAMPLES = 24


@pytest.fixture
def told() -> Iterator[list[str]]:
    messages: list[str] = []
    sink = logger.add(lambda message: messages.append(str(message)), level="INFO")
    yield messages
    logger.remove(sink)


def distinct() -> int:
    return len({mini_image(each).tobytes() for each in mini_documents("pope_mini")[:SAMPLES]})


def test_batches_encode_each_picture_once(evaluate: Evaluate, told: list[str]) -> None:
    whole, shared = (
        evaluate("pope_mini", each, limit=SAMPLES, batch_size=8, output=each or "whole") for each in ("", SHARED)
    )
    assert shared.texts("pope_mini") == whole.texts("pope_mini")
    for name in ("entropy", "logprob_pred", "jsd_last"):
        np.testing.assert_allclose(shared.run.stack(name), whole.run.stack(name), **lens_tiny_bounds(), err_msg=name)
    cost, own = shared.run.info.answer_cost, whole.run.info.answer_cost
    assert (own["pictures"], own["pictures_encoded"]) == (SAMPLES, SAMPLES)
    assert (cost["pictures"], cost["pictures_encoded"]) == (SAMPLES, distinct())
    assert cost["positions"] == own["positions"]
    spared = SAMPLES - distinct()
    (line,) = [message for message in told if "runs of the vision encoder" in message]
    assert f"Lens: {spared} of {SAMPLES} runs of the vision encoder (" in line
    assert shared.run.info.lens.extra["shared_vision"]
    assert shared.run.info.fingerprint["lens"] != whole.run.info.fingerprint["lens"]


def test_answers_are_the_same_without_the_lens_and_beside_what_is_spared_elsewhere(evaluate: Evaluate) -> None:
    several = f"{SHARED},lens_shared_prefix=True,lens_one_prefill=True"
    ways = (("", 8), (f"lens=False,{SHARED}", 8), ("", 1), (several, 1))
    plain, without, alone, all_of_them = (
        evaluate("pope_mini", each, limit=12, batch_size=batch, output=f"{place}")
        for place, (each, batch) in enumerate(ways)
    )
    texts = plain.texts("pope_mini")
    assert without.texts("pope_mini") == alone.texts("pope_mini") == all_of_them.texts("pope_mini") == texts
    one_by_one = alone.run.info.answer_cost
    assert one_by_one["pictures_encoded"] < one_by_one["pictures"] == 12, "one after the other they are spared anyway"
    assert all_of_them.run.info.answer_cost["reused"] > 0


@pytest.mark.parametrize("words", ["vcd:1:cut=0:noise=10", "pai:0.1"])
def test_interventions_and_controls_change_what_they_change_without_it(evaluate: Evaluate, words: str) -> None:
    whole, shared = (
        evaluate(
            "pope_mini", f"lens_intervene={words},lens_controls=blank{each}", limit=12, batch_size=6, output=f"o{each}"
        )
        for each in ("", f",{SHARED}")
    )
    assert shared.texts("pope_mini") == whole.texts("pope_mini")
    for name in ("entropy", "logprob_pred"):
        np.testing.assert_allclose(shared.run.stack(name), whole.run.stack(name), **lens_tiny_bounds(), err_msg=name)
    cost = shared.run.info.answer_cost
    assert cost["pictures_encoded"] < cost["pictures"]


def test_a_model_that_cannot_is_refused_by_name(evaluate: Evaluate, tmp_path: Path) -> None:
    folder = checkpoint("mllama", tmp_path / "model")
    with pytest.raises(LensArgumentError, match=r"lens_shared_vision=True: Mllama\w+: it has no method get_image_feat"):
        evaluate("pope_mini", f"pretrained={folder},{SHARED}", limit=1)
