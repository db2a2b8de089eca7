"""Candidates that begin alike are scored on all their tokens, as the model itself scores them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from plain_model import lens_tiny_bounds

from lens_engine import Generation, Media, Sample, TransformersEngine
from lens_engine.controls.image_controls import ImageControls
from lens_engine.engine import Tokens
from lens_engine.reading import Reader
from lens_engine.rereading import Rereading
from lens_engine.sample import Reference
from lens_models import Forcing, LensSettings, LogitLens, TracedGeneration, example_inputs, load_model
from lens_models.candidates import candidate_tokens
from lens_models.metrics import Thresholds
from lens_models.probes import Trace
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


class Example:
    """Puts the example input to the model, whatever the sample."""

    def __init__(self, loaded: Any) -> None:
        self.inputs = example_inputs(loaded.processor)

    def encode(self, samples: Any) -> Any:
        return self.inputs

    def answer(self, samples: Any, generate: Any) -> Any:
        raise NotImplementedError


class Engine(TransformersEngine):
    """Tells how many tokens stood before those that it was asked to score."""

    def __init__(self, loaded: Any) -> None:
        super().__init__(loaded.model, loaded.processor, Example(loaded), LensSettings())
        self.before: list[int] = []

    def score(self, sample: Sample, continuations: Any, *, before: Tokens = (), **kwargs: Any) -> Any:
        self.before.append(len(before))
        return super().score(sample, continuations, before=before, **kwargs)


def asked(target: AnswerTarget, **media: Any) -> Sample:
    return Sample(("t", 0, 0, 0), "prompt", Media(**media), "question", make_reference=lambda: Reference(target))


def reader(engine: TransformersEngine, loaded: Any, controls: Any = None) -> Reader:
    assert engine.lens is not None
    return Reader(engine, engine.lens, loaded.tokenizer, Thresholds(), Rereading(controls))


def test_first_tokens_that_collide_are_forced_and_equal_the_models_own_likelihood(loaded: Any) -> None:
    tokens = candidate_tokens(loaded.tokenizer, [c.variants for c in CANDIDATES])
    assert tokens.method == "teacher_forced"
    engine, inputs = Engine(loaded), example_inputs(loaded.processor)
    assert engine.lens is not None
    generation = engine.lens.generate(inputs, max_new_tokens=3, do_sample=False)
    text = loaded.tokenizer.decode(generation.new_tokens[0], skip_special_tokens=True)
    target = AnswerTarget(CANDIDATES, gold="red sphere", gold_texts=("red sphere",))
    (record,) = reader(engine, loaded).read([asked(target)], [Generation(text, 3, generation)])
    assert (record.status, record.candidate_method) == ("ok", "teacher_forced")
    assert record.cand_scores is not None and record.answer_step == 0
    expected = [np.logaddexp.reduce([independent(loaded, inputs, s) for s in own]) for own in tokens.sequences]
    allowed = lens_tiny_bounds(max(len(sequence) for own in tokens.sequences for sequence in own))
    np.testing.assert_allclose(record.cand_scores[-1], expected, **allowed)
    assert record.cand_mass is not None
    np.testing.assert_allclose(record.cand_mass[-1], np.exp(expected).sum(), rtol=allowed["atol"])
    assert record.candidate_score == "logprob"
    assert record.logprob_gold is None, "the score of a sequence stands among the candidates' scores alone"


def test_a_step_that_was_let_go_is_read_again_from_its_tokens(loaded: Any) -> None:
    engine, inputs = Engine(loaded), example_inputs(loaded.processor)
    lens = engine.lens
    assert lens is not None
    text = "I looked at it twice. The answer is yes"
    tokens = loaded.tokenizer.encode(text, add_special_tokens=False)
    run = lens.forcing.run(inputs, torch.tensor([tokens]), len(tokens), lens.layer_index)
    assert run.residual is not None
    target = AnswerTarget((Candidate("yes", ("yes", " yes")), Candidate("no", ("no", " no"))), "yes")

    def record(kept: range) -> Any:
        steps = [run.residual[:, :, k] if k in kept else torch.empty(0) for k in range(len(tokens))]
        trace = Trace(lens.layer_index, steps, run.logits[:, 0])
        generation = TracedGeneration(torch.tensor([tokens]), (tuple(tokens),), trace)
        return reader(engine, loaded).read([asked(target)], [Generation(text, len(tokens), generation)])[0]

    whole = record(range(len(tokens)))
    assert (whole.status, engine.before) == ("ok", [])
    again = record(range(1))
    assert (again.status, engine.before) == ("ok", [whole.answer_step])
    assert again.answer_step == whole.answer_step > 1
    for name in ("logprob_pred", "cand_scores", "entropy"):
        np.testing.assert_allclose(getattr(again, name), getattr(whole, name), **lens_tiny_bounds())


def test_a_model_whose_forcing_does_not_agree_keeps_its_other_readouts(loaded: Any) -> None:
    """Candidates of several tokens and controls have the reason; an answer of one token is read as ever."""
    engine, inputs = Engine(loaded), example_inputs(loaded.processor)
    lens = engine.lens
    assert lens is not None
    lens.forcing = Forcing(loaded.model, lens.parts, None, reason="step by step: off from its own generation")
    generation = lens.generate(inputs, max_new_tokens=3, do_sample=False)
    text = loaded.tokenizer.decode(generation.new_tokens[0], skip_special_tokens=True)
    yes_no = AnswerTarget((Candidate("yes", ("yes", " yes")), Candidate("no", ("no", " no"))), "yes")
    several = AnswerTarget(CANDIDATES, gold="red sphere", gold_texts=("red sphere",))
    reads = reader(engine, loaded, ImageControls(["blank"]))
    for target, status in ((yes_no, "ok"), (several, "capture_failed")):
        shown = asked(target, images=(Image.new("RGB", (8, 8)),))
        (record,) = reads.read([shown], [Generation(text, 3, generation)])
        assert (record.status, record.response) == (status, text)
        if status == "ok":
            assert record.cand_scores is not None
            reason = record.control_reason["blank"]
        else:
            reason = str(record.status_reason)
        assert "given tokens are not scored with Qwen2VLForConditionalGeneration: step by step: off from" in reason


@pytest.mark.parametrize("rows", [1, 2])
def test_a_prompt_for_which_the_lens_has_no_memory_is_answered_without_it(
    loaded: Any, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, inputs = Engine(loaded), example_inputs(loaded.processor)
    plain = loaded.model.generate(**inputs, max_new_tokens=3)

    def full(self: Any, *args: Any, **kwargs: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 7.50 GiB.")

    monkeypatch.setattr(LogitLens, "generate", full)
    batch = {**inputs, "input_ids": inputs["input_ids"].repeat(rows, 1)}
    if rows > 1:  # a batch is the caller's to make smaller
        with pytest.raises(MemoryError, match="CUDA out of memory"):
            engine._run(batch, {"max_new_tokens": 3}, observe=True)
        return
    answer, why = engine._run(batch, {"max_new_tokens": 3}, observe=True)
    assert torch.equal(answer, plain)
    assert str(why) == (
        "the lens had no memory beside the model (CUDA out of memory. Tried to allocate 7.50 GiB.); the answer is not "
        "concerned"
    )
