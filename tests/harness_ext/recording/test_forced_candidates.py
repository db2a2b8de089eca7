"""Candidates that begin alike are scored on all their tokens, as the model itself scores them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from plain_model import lens_tiny_bounds

from harness_ext.recording import BatchReader
from harness_ext.recording.request import SampleRequest
from lens_models import LogitLens, load_model, probe_inputs
from lens_models.candidates import candidate_tokens
from lens_models.continuations import score_continuations
from lens_models.metrics import Thresholds
from lens_tasks import AnswerTarget, Candidate

CANDIDATES = (Candidate("red cube", ("red cube", " red cube")), Candidate("red sphere", ("red sphere", " red sphere")))

# what lens_tiny's inputs become when text follows them
FILLED = {
    "input_ids": lambda added: added,
    "attention_mask": torch.ones_like,
    "mm_token_type_ids": torch.zeros_like,
}


def independent(loaded: Any, inputs: Any, sequence: tuple[int, ...]) -> float:
    """Log-likelihood of a continuation from the model's own loss on the whole text."""
    added = torch.tensor([sequence])
    extended = {name: torch.cat([inputs[name], fill(added)], dim=1) for name, fill in FILLED.items() if name in inputs}
    extended = {**inputs, **extended}
    labels = extended["input_ids"].clone()
    labels[:, : inputs["input_ids"].shape[1]] = -100
    with torch.no_grad():
        return -float(loaded.model(**extended, labels=labels).loss) * len(sequence)


@pytest.fixture(scope="module")
def loaded() -> Any:
    return load_model("lens_tiny", device="cpu")


def test_first_tokens_that_collide_are_forced_and_equal_the_models_own_likelihood(loaded: Any) -> None:
    tokens = candidate_tokens(loaded.tokenizer, [c.variants for c in CANDIDATES])
    assert tokens.method == "teacher_forced"
    inputs = probe_inputs(loaded.processor)
    lens = LogitLens(loaded.model, inputs)
    generation = lens.generate(inputs, max_new_tokens=3, do_sample=False)
    text = loaded.tokenizer.decode(generation.new_tokens[0], skip_special_tokens=True)
    target = AnswerTarget(CANDIDATES, gold="red sphere", gold_texts=("red sphere",))
    request = SampleRequest(("t", 0, 0, 0), None, "question", "prompt", target)

    def rescore(sample: int, before: tuple[int, ...], sequences: Any) -> Any:
        return score_continuations(lens.forcing, inputs, sequences, before=before, lens=lens)

    reader = BatchReader(lens, loaded.tokenizer, Thresholds())
    (record,) = reader.read([request], generation, [text], rescore)
    assert (record.status, record.candidate_method) == ("ok", "teacher_forced")
    assert record.cand_scores is not None and record.answer_step == 0
    expected = [np.logaddexp.reduce([independent(loaded, inputs, s) for s in own]) for own in tokens.sequences]
    allowed = lens_tiny_bounds(max(len(sequence) for own in tokens.sequences for sequence in own))
    np.testing.assert_allclose(record.cand_scores[-1], expected, **allowed)
    assert record.cand_mass is not None
    np.testing.assert_allclose(record.cand_mass[-1], np.exp(expected).sum(), rtol=allowed["atol"])
    assert record.logprob_gold is not None
    np.testing.assert_array_equal(record.logprob_gold, record.cand_scores[:, 1])
