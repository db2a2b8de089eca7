"""Questions about one picture that go on from its keys and values: the same answers, and what was spared."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from lmms_eval_outcome import Evaluate
from loguru import logger
from plain_model import lens_tiny_bounds

from lens_models import CaptureError, LensArgumentError, LogitLens

SHARED = "lens_shared_prefix=True"


@pytest.fixture
def told() -> Any:
    messages: list[str] = []
    sink = logger.add(lambda message: messages.append(str(message)), level="INFO")
    yield messages
    logger.remove(sink)


def test_questions_about_one_picture_share_it(evaluate: Evaluate, told: list[str]) -> None:
    """pope_mini asks several questions about a picture, one after another."""
    whole, shared = (evaluate("pope_mini", each, limit=12, output=each or "whole") for each in ("", SHARED))
    assert shared.texts("pope_mini") == whole.texts("pope_mini")
    for name in ("entropy", "logprob_pred", "jsd_last"):
        np.testing.assert_allclose(shared.run.stack(name), whole.run.stack(name), **lens_tiny_bounds(), err_msg=name)
    assert shared.run.info.identity.run_argmax
    cost, own = shared.run.info.answer_cost, whole.run.info.answer_cost
    assert cost["positions"] + cost["reused"] == own["positions"]
    assert cost["reused"] > own["positions"] / 4
    assert "reused" not in own
    assert any(f"Lens: {cost['reused']} of {own['positions']} positions (" in message for message in told)
    assert shared.run.info.lens.extra["shared_prefix"]
    assert shared.run.info.fingerprint["lens"] != whole.run.info.fingerprint["lens"]


def test_answers_are_the_same_without_the_lens(evaluate: Evaluate) -> None:
    shared, plain = (evaluate("pope_mini", each, limit=8, output=each) for each in (SHARED, f"lens=False,{SHARED}"))
    assert shared.texts("pope_mini") == plain.texts("pope_mini")


def test_controls_between_two_questions_leave_the_picture_as_it_was(evaluate: Evaluate) -> None:
    alone, among = (
        evaluate("pope_mini", each, limit=8, output=each) for each in (SHARED, f"{SHARED},lens_controls=blank+shuffled")
    )
    assert among.texts("pope_mini") == alone.texts("pope_mini")
    assert among.run.info.answer_cost["reused"] == alone.run.info.answer_cost["reused"] > 0
    for name in ("entropy", "logprob_pred"):
        assert np.array_equal(among.run.stack(name), alone.run.stack(name), equal_nan=True)


def test_a_fault_of_the_lens_is_answered_from_the_whole_prompt(
    evaluate: Evaluate, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = evaluate("pope_mini", "lens=False", limit=6, output="whole")
    generate = LogitLens.generate

    def fails(self: Any, inputs: Any, **arguments: Any) -> Any:
        generate(self, inputs, **arguments)  # keys and values have become longer
        raise CaptureError("a fault of the lens")

    monkeypatch.setattr(LogitLens, "generate", fails)
    outcome = evaluate("pope_mini", SHARED, limit=6)
    assert outcome.texts("pope_mini") == whole.texts("pope_mini")
    assert {record.status for record in outcome.run.records()} == {"capture_failed"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("lens_intervene=dola:1", "lens_shared_prefix=True with lens_intervene"),
        ("lens_probes=attention", "lens_shared_prefix=True with probes that look at the image tokens"),
    ],
)
def test_what_needs_the_whole_prompt_is_refused(evaluate: Evaluate, arguments: str, message: str) -> None:
    with pytest.raises(LensArgumentError, match=message):
        evaluate("pope_mini", f"{SHARED},{arguments}", limit=1)
