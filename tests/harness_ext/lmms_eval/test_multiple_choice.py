"""Continuations scored under `--force_simple`, against an independent computation."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from lmms_eval_outcome import Evaluate
from loguru import logger
from plain_model import lens_tiny_bounds
from tiny_tasks import rows

from lens_engine import transformers_engine
from lens_models import CaptureError, Forcing, ForcingError, LensArgumentError, load_model
from lens_models.continuations import ScoredContinuation, score_continuations
from lens_models.encoding import encode_texts, render_chat
from lens_tasks.targets import TASK_TARGETS


def independent_losses(question: str, image: object, choices: list[str]) -> list[float]:
    """Mean negative log-likelihood from the model's loss on the whole text, one choice at a time."""
    loaded = load_model("lens_tiny")
    content = [{"type": "image", "image": image}, {"type": "text", "text": question}]
    prompt = render_chat(loaded.processor, [{"role": "user", "content": content}])
    losses = []
    for choice in choices:
        inputs = encode_texts(loaded.processor, [prompt + choice], images=[[image]])
        n_prompt = encode_texts(loaded.processor, [prompt], images=[[image]])["input_ids"].shape[1]
        labels = inputs["input_ids"].clone()
        labels[:, :n_prompt] = -100
        with torch.no_grad():
            losses.append(float(loaded.model(**inputs, labels=labels).loss))
    return losses


@pytest.mark.parametrize("arguments", ["", "lens_one_prefill=True"])
def test_choices_are_scored_as_by_the_models_own_loss_and_read_at_every_layer(
    evaluate: Evaluate, arguments: str
) -> None:
    outcome = evaluate("tiny_choice", arguments, limit=3, force_simple=True)
    records = list(outcome.run.records())
    assert len(records) == 3
    right = []
    for record, row in zip(records, rows(), strict=False):
        losses = independent_losses(row["question"], row["image"], [" yes", " no way"])
        right.append(float(int(np.argmin(losses)) == row["choice"]))
        assert record.candidates == ("yes", "no way")
        assert record.candidate_method == "teacher_forced"
        assert record.pred_candidate == int(np.argmin(losses))
        assert record.gold_candidate == row["choice"]
        assert record.cand_scores is not None
        lengths = [len(ids) for ids in (load_model("lens_tiny").tokenizer.encode(t) for t in (" yes", " no way"))]
        assert record.candidate_score == "logprob_per_token"
        np.testing.assert_allclose(-record.cand_scores[-1], losses, **lens_tiny_bounds(max(lengths)))
        assert int(np.argmax(record.cand_scores[-1])) == record.pred_candidate, "the harness's answer"
    assert outcome.value("tiny_choice", "acc") == pytest.approx(np.mean(right))
    assert outcome.value("tiny_choice", "lens_coverage") == 1.0


def test_a_run_whose_choices_share_the_pass_over_their_prompt_is_another_one(evaluate: Evaluate) -> None:
    each, once = (
        evaluate("tiny_choice", arguments, limit=3, force_simple=True, output=arguments or "each").run.info
        for arguments in ("", "lens_one_prefill=True")
    )
    assert once.lens.extra["one_prefill"] and "one_prefill" not in each.lens.extra
    assert once.fingerprint["lens"] != each.fingerprint["lens"], "no answer of the one is taken for the other"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("lens_one_prefill=True,lens_intervene=dola:1", "lens_one_prefill=True with lens_intervene"),
        ("lens_one_prefill=maybe", "lens_one_prefill='maybe'"),
    ],
)
def test_sharing_that_cannot_be_is_refused_at_the_start(evaluate: Evaluate, arguments: str, message: str) -> None:
    with pytest.raises(LensArgumentError, match=message):
        evaluate("tiny_choice", arguments, limit=1, force_simple=True)


def test_the_verdict_of_choices_no_and_yes_is_the_harnesss(evaluate: Evaluate, monkeypatch: pytest.MonkeyPatch) -> None:
    """POPE's own candidates are yes and no, in that order; the choices that were scored are no and yes."""
    entries = [
        replace(entry, task_name=re.compile("no_yes")) for entry in TASK_TARGETS if "pope" in entry.task_name.pattern
    ]
    monkeypatch.setattr("lens_tasks.targets.TASK_TARGETS", tuple(entries))
    outcome = evaluate("tiny_no_yes", limit=4, force_simple=True)
    records = list(outcome.run.records())
    assert [record.candidates for record in records] == [("no", "yes")] * 4
    assert [record.candidates[record.gold_candidate] for record in records] == [row["answer"] for row in rows(4)]
    scored = [sample["acc"] for sample in outcome.results["samples"]["tiny_no_yes"]]
    assert [float(record.correct) for record in records] == scored


def test_scores_are_the_same_without_the_lens(evaluate: Evaluate) -> None:
    with_lens = evaluate("tiny_choice", force_simple=True)
    without = evaluate("tiny_choice", "lens=False", force_simple=True, output="plain")
    ours, plain = (o.results["samples"]["tiny_choice"] for o in (with_lens, without))
    assert [s["filtered_resps"] for s in ours] == [s["filtered_resps"] for s in plain]


def test_a_model_that_is_refused_for_given_tokens_answers_and_says_why_it_scores_no_choices(
    evaluate: Evaluate, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(model: object, inputs: object) -> Forcing:
        return Forcing(model, None, None, reason="step by step: off from its own generation by 3.0e-01")

    answered = evaluate("tiny_yes_no", limit=2, output="calm")
    monkeypatch.setattr("lens_models.lens.prove_forcing", refused)
    monkeypatch.setattr("lens_engine.transformers_engine.prove_forcing", refused)
    messages: list[str] = []
    sink = logger.add(lambda message: messages.append(message.record["message"]), level="WARNING")
    refused_answers = evaluate("tiny_yes_no", limit=2)
    logger.remove(sink)
    assert refused_answers.texts("tiny_yes_no") == answered.texts("tiny_yes_no")
    assert set(refused_answers.run.samples["status"]) == {"ok"}
    why = "given tokens are not scored with Qwen2VLForConditionalGeneration: step by step: off from its own generation"
    assert [message for message in messages if why in message]
    for arguments in ("", "lens=False"):
        with pytest.raises(ForcingError, match=why):
            evaluate("tiny_choice", arguments, limit=1, force_simple=True, output="refused")


def test_a_choice_without_a_score_ends_no_run(evaluate: Evaluate, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: Any, **kwargs: Any) -> list[ScoredContinuation]:
        first, *rest = score_continuations(*args, **kwargs)
        return [replace(first, logprob=float("nan"), layer_logprobs=first.layer_logprobs * float("nan")), *rest]

    monkeypatch.setattr(transformers_engine, "score_continuations", broken)
    outcome = evaluate("tiny_choice", limit=2, force_simple=True)
    assert outcome.value("tiny_choice", "acc") is not None
    assert outcome.value("tiny_choice", "lens_coverage") == 0.0
    for record in outcome.run.records():
        assert record.status == "non_finite"
        assert record.status_reason == f"the score of 'yes' is nan at layer {outcome.run.layer_index[-1]}"


def test_a_lens_that_fails_beside_the_scores_costs_none(evaluate: Evaluate, monkeypatch: pytest.MonkeyPatch) -> None:
    calm = evaluate("tiny_choice", limit=2, force_simple=True, output="calm")

    def broken(*args: Any, lens: Any, **kwargs: Any) -> list[ScoredContinuation]:
        if lens is not None:
            raise CaptureError("a hook was lost")
        return score_continuations(*args, lens=lens, **kwargs)

    monkeypatch.setattr(transformers_engine, "score_continuations", broken)
    outcome = evaluate("tiny_choice", limit=2, force_simple=True)
    ours, plain = (o.results["samples"]["tiny_choice"] for o in (outcome, calm))
    assert [s["filtered_resps"] for s in ours] == [s["filtered_resps"] for s in plain]
    assert [(r.status, r.status_reason) for r in outcome.run.records()] == [("capture_failed", "a hook was lost")] * 2
