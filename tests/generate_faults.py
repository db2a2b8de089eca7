"""Ways to disturb `generate` of the bundled model in a run of either harness."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from transformers import Qwen2VLForConditionalGeneration


def instead_of_generate(monkeypatch: pytest.MonkeyPatch, change: Callable[[dict[str, Any]], None]) -> None:
    """Let `change` see, alter or refuse the arguments of every `generate` call."""
    generate = Qwen2VLForConditionalGeneration.generate

    def changed(self: Any, **arguments: Any) -> Any:
        change(arguments)
        return generate(self, **arguments)

    monkeypatch.setattr(Qwen2VLForConditionalGeneration, "generate", changed)


def no_room_for(rows: int) -> Callable[[dict[str, Any]], None]:
    """A check that runs out of memory at batches of at least so many rows."""

    def check(arguments: dict[str, Any]) -> None:
        if arguments["input_ids"].shape[0] >= rows:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 7.50 GiB.\nMore lines.")

    return check
