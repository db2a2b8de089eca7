"""Ways to disturb `generate` of the bundled model in a run of either harness."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from transformers import Qwen2VLForConditionalGeneration

import lens_models.lens


def instead_of_generate(monkeypatch: pytest.MonkeyPatch, change: Callable[[dict[str, Any]], None]) -> None:
    """Let `change` see, alter or refuse the arguments of every `generate` call but those of the check at load."""
    generate, prove = Qwen2VLForConditionalGeneration.generate, lens_models.lens.prove_forcing
    proving = [False]

    def undisturbed(*args: Any) -> Any:
        proving[0] = True
        try:
            return prove(*args)
        finally:
            proving[0] = False

    def changed(self: Any, **arguments: Any) -> Any:
        if not proving[0]:
            change(arguments)
        return generate(self, **arguments)

    monkeypatch.setattr(lens_models.lens, "prove_forcing", undisturbed)
    monkeypatch.setattr(Qwen2VLForConditionalGeneration, "generate", changed)


def no_room_for(rows: int) -> Callable[[dict[str, Any]], None]:
    """A check that runs out of memory at batches of at least so many rows."""

    def check(arguments: dict[str, Any]) -> None:
        if arguments["input_ids"].shape[0] >= rows:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 7.50 GiB.\nMore lines.")

    return check
