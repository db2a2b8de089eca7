"""lm-eval's own `peft=` with the lens beside it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from lm_eval_outcome import Evaluate
from peft import LoraConfig, get_peft_model

from lens_models import load_model

pytestmark = [
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"),
    # lm-eval makes the embedding as large as the tokenizer before it loads an adapter
    pytest.mark.filterwarnings("ignore:.*resiz:UserWarning"),
]


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    config = LoraConfig(r=4, target_modules=["q_proj", "v_proj", "down_proj"], init_lora_weights=False)
    get_peft_model(load_model(device="cpu").model, config).save_pretrained(tmp_path / "adapter")
    return tmp_path / "adapter"


def test_answers_with_an_adapter_are_those_of_hf_multimodal(evaluate: Evaluate, adapter: Path) -> None:
    ours = evaluate("ruclevr_mini", f"peft={adapter}", limit=4)
    stock = evaluate("ruclevr_mini", f"peft={adapter}", model="hf-multimodal", output="stock", limit=4)
    assert ours.texts("ruclevr_mini") == stock.texts("ruclevr_mini")
    info = ours.run.info
    assert info.identity.load_argmax and info.identity.run_argmax
    assert info.args["peft"] == str(adapter)
    assert info.model.model_class == "Qwen2VLForConditionalGeneration"
