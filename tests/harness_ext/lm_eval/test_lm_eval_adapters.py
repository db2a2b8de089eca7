"""lm-eval's own `peft=` with the lens beside it."""

from __future__ import annotations

from pathlib import Path

import pytest
from lm_eval_outcome import Evaluate

pytestmark = [
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"),
    # lm-eval makes the embedding as large as the tokenizer before it loads an adapter
    pytest.mark.filterwarnings("ignore:.*resiz:UserWarning"),
]


def test_answers_with_an_adapter_are_those_of_hf_multimodal(evaluate: Evaluate, adapter: Path) -> None:
    ours = evaluate("ruclevr_mini", f"peft={adapter}", limit=4)
    stock = evaluate("ruclevr_mini", f"peft={adapter}", model="hf-multimodal", output="stock", limit=4)
    assert ours.texts("ruclevr_mini") == stock.texts("ruclevr_mini")
    info = ours.run.info
    assert info.identity.load_argmax and info.identity.run_argmax
    assert info.args["peft"] == str(adapter)
    assert info.model.model_class == "Qwen2VLForConditionalGeneration"
