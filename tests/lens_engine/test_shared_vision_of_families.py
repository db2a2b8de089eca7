"""Models are tried with shared pictures as their own processors encode a batch of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from processors import checkpoint, missing, picture
from zoo import ZOO

from lens_engine.sharing import shared_vision
from lens_models import LensArgumentError, load_model
from lens_models.example_input import example_batch
from lens_models.shared_vision import SharedVision


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning:transformers.models")
@pytest.mark.parametrize("family", sorted(ZOO))
def test_each_family_shares_pictures_or_says_why_not(family: str, tmp_path: Path) -> None:
    if missing(family):
        pytest.skip(f"the processor of {family} needs {missing(family)}")
    loaded = load_model(str(checkpoint(family, tmp_path / "model")), device="cpu")
    model: Any = loaded.model
    if family == "mllama":
        with pytest.raises(LensArgumentError, match=r"lens_shared_vision=True: MllamaFor\w+: it has no method"):
            shared_vision(model, loaded.processor)
        return
    shared = shared_vision(model, loaded.processor)
    assert isinstance(shared, SharedVision) and shared.layout is not None
    assert (shared.pictures, shared.pictures_encoded) == (0, 0), "what was tried is not counted"
    batch = example_batch(loaded.processor, [picture(1), picture(2), picture(1)]).to("cpu", model.dtype)
    settings: dict[str, Any] = {"max_new_tokens": 2, "do_sample": False}
    with torch.inference_mode():
        whole = model.generate(**batch, **settings)
        with shared.at_hand():
            assert torch.equal(model.generate(**batch, **settings), whole)
    assert (shared.pictures, shared.pictures_encoded) == (3, 2)
