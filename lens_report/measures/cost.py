"""What the answers of a run cost, held against those of another run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lens_report.measures.task_run import TaskRun

__all__ = ["CostRatio", "cost_ratio"]


@dataclass(frozen=True)
class CostRatio:
    """Costs of an answer as multiples of another run's; None where one of the two has not counted it.

    Attributes:
        positions: Positions that went through the decoder. The same on every machine.
        head_products: Residual vectors that the output embedding was multiplied with. The same on every machine.
        seconds: Wall-clock time; it says something where both runs had a machine of one kind to themselves.
        memory: The most that torch had taken on the GPU, of the whole runs.
    """

    positions: float | None = None
    head_products: float | None = None
    seconds: float | None = None
    memory: float | None = None


def cost_ratio(base: TaskRun, run: TaskRun) -> CostRatio:
    """Costs of an answer of a run as multiples of the base's.

    A run tells its costs over all its tasks; nothing is compared where the two ran other tasks.
    """
    if set(base.run.tasks) != set(run.run.tasks):
        return CostRatio()
    before, after = base.run.info.answer_cost, run.run.info.answer_cost

    def an_answer(cost: Mapping[str, Any], name: str) -> float | None:
        answers, value = cost.get("answers"), cost.get(name)
        return value / answers if answers and value else None

    def ratio(one: float | None, other: float | None) -> float | None:
        return other / one if one and other else None

    counted = {
        name: ratio(an_answer(before, name), an_answer(after, name))
        for name in ("positions", "head_products", "seconds")
    }
    return CostRatio(**counted, memory=ratio(before.get("peak_bytes"), after.get("peak_bytes")))
