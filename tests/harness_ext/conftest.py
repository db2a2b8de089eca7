from __future__ import annotations

from pathlib import Path

import pytest
import torch

from lens_models import load_model


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    """A folder with an adapter of the bundled model that changes what it says."""
    torch.manual_seed(0)
    peft = pytest.importorskip("peft")  # takes seconds to import, which only these tests should cost
    config = peft.LoraConfig(r=4, target_modules=["q_proj", "v_proj", "down_proj"], init_lora_weights=False)
    peft.get_peft_model(load_model(device="cpu").model, config).save_pretrained(tmp_path / "adapter")
    return tmp_path / "adapter"
