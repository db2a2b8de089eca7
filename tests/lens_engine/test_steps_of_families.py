"""Answers forced after the steps of a response, on several architectures, against plain transformers by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from packaging.version import Version
from processors import WORDS, checkpoint
from transformers import AutoModelForImageTextToText

from lens_engine import Media, Sample, TransformersEngine
from lens_engine.candidates import SampleCandidates
from lens_engine.engine import Tokens
from lens_engine.image_maps import Observed
from lens_engine.position import AnswerPosition
from lens_engine.steps import STEPS, StepReader, Thought
from lens_models import LensSettings, example_inputs, load_model
from lens_models.deviation import logit_tolerance
from lens_tasks import AnswerSpan

LINES = (("red", "cube"), ("a", "picture"))
ANSWERS = ("is", "there", "what")
pytestmark = pytest.mark.skipif(
    Version(transformers.__version__) < Version("5"),
    reason="transformers 4 maps no Gemma 3 to its class of such models",
)


class Example:
    """Puts the example input to the model, whatever the sample."""

    def __init__(self, loaded: Any) -> None:
        self.inputs = example_inputs(loaded.processor)

    def encode(self, samples: Any) -> Any:
        return self.inputs


def by_hand(model: Any, inputs: Any, given: Tokens) -> Any:
    """Logits `[vocabulary]` behind the prompt and these tokens, from one call of the model without a cache."""
    added = torch.tensor([given], dtype=torch.long)
    whole = {name: values for name, values in inputs.items() if name != "labels"}
    for name, values in whole.items():
        if values.shape[:2] == inputs["input_ids"].shape:
            more = added if name == "input_ids" else torch.full_like(added, int(name == "attention_mask"))
            whole[name] = torch.cat([values, more.to(values.dtype)], dim=1)
    with torch.no_grad():
        return model(**whole, use_cache=False).logits[0, -1].float()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("family", ["llava", "gemma3", "qwen2_5_vl", "idefics3", "internvl"])
def test_forced_answers_are_those_of_a_hand_run(family: str, dtype: str, tmp_path: Path) -> None:
    folder = checkpoint(family, tmp_path / family)
    loaded = load_model(str(folder), device="cpu", dtype=dtype)
    prompts: Any = Example(loaded)
    engine = TransformersEngine(loaded.model, loaded.processor, prompts, LensSettings(probes=(STEPS,)))
    assert engine.lens is not None
    ids = {word: loaded.tokenizer.convert_tokens_to_ids(word) for word in (*WORDS, "\n")}
    steps = [tuple(ids[word] for word in line) for line in LINES]
    tokens = (*steps[0], ids["\n"], *steps[1], ids["\n"], ids["is"])
    text = loaded.tokenizer.decode(tokens, skip_special_tokens=True)
    answer = text.rindex("is")
    span = AnswerSpan(answer, answer + 2, "is", "last_line", True, "is")
    candidates = SampleCandidates(ANSWERS, tuple((ids[word],) for word in ANSWERS), pred=0, method="first_token")
    own = Thought(
        loaded.tokenizer, Sample(("t", 0, 0, 0), "prompt", Media()), text, tokens,
        AnswerPosition(span, len(tokens) - 1, tokens[-1]), candidates, lambda number: engine.score(
            Sample(("t", 0, 0, 0), "prompt", Media()), [(tokens[number],)], before=tokens[:number]
        )[0].residual,
    )  # fmt: skip
    observed = Observed({STEPS: {"entropy": np.ones(len(tokens), np.float32)}}, status={STEPS: "ok"})
    StepReader(engine, engine.lens).add(observed, own)
    assert observed.status[STEPS] == "ok"
    forced = observed.probes[STEPS]["forced"]
    end = ids["\n"]
    contexts = [(end,), (*steps[0], end), (*steps[0], end, *steps[1], end)]
    assert [own.forced(after) for after in range(3)][-1] == contexts[-1]
    plain = AutoModelForImageTextToText.from_pretrained(folder, dtype=getattr(torch, dtype)).eval()
    for after in range(3):
        logits = by_hand(plain, prompts.inputs.to(plain.dtype), own.forced(after))
        expected = torch.log_softmax(logits, -1)[[ids[word] for word in ANSWERS]]
        spread = float(logits.max() - logits[logits > -1e30].min())
        atol = 2 * logit_tolerance(plain.dtype, engine.lens.parts.n_layers) * spread
        np.testing.assert_allclose(forced[after], expected.numpy(), atol=atol)
    assert not np.allclose(forced[0], forced[-1], atol=1e-6), "the steps make a difference to what is scored"
