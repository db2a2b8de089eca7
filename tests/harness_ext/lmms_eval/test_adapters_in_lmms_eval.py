"""`peft=` among the model arguments of lmms-eval."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from lmms_eval_outcome import Evaluate

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")


def test_an_adapter_answers_and_is_read_and_named_in_the_records(evaluate: Evaluate, adapter: Path) -> None:
    outcome = evaluate("tiny_yes_no", f"peft={adapter}")
    without = evaluate("tiny_yes_no", f"peft={adapter},lens=False", output="plain")
    base = evaluate("tiny_yes_no", output="base")
    assert outcome.texts("tiny_yes_no") == without.texts("tiny_yes_no")
    assert np.abs(outcome.run.stack("entropy") - base.run.stack("entropy")).max() > 0.01
    info = outcome.run.info
    assert info.identity.load_argmax and info.identity.run_argmax
    assert info.args["peft"] == str(adapter)
    assert info.model.model_class == "Qwen2VLForConditionalGeneration"
