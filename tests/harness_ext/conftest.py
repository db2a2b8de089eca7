from __future__ import annotations

from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model

from lens_models import load_model


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    """A folder with an adapter of the bundled model that changes what it says."""
    torch.manual_seed(0)
    config = LoraConfig(r=4, target_modules=["q_proj", "v_proj", "down_proj"], init_lora_weights=False)
    get_peft_model(load_model(device="cpu").model, config).save_pretrained(tmp_path / "adapter")
    return tmp_path / "adapter"
