"""ruclevr_mini with one instruction for all documents, so that prompts are compared and nothing else."""

from __future__ import annotations

from typing import Any

from lens_tasks.scenes.instructions import REASONING_FROM, RUCLEVR
from lens_tasks.tasks.mera import lift_images


def direct(dataset: Any) -> Any:
    """Every document with the instruction that asks for one word."""
    return _with_instruction(dataset, RUCLEVR[1])


def reasoning(dataset: Any) -> Any:
    """Every document with the instruction that asks for РАССУЖДЕНИЕ and then ОТВЕТ."""
    return _with_instruction(dataset, RUCLEVR[REASONING_FROM])


def _with_instruction(dataset: Any, instruction: str) -> Any:
    return lift_images(dataset.map(lambda _: {"instruction": instruction}))
