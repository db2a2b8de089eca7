"""Tensors of many steps within a limit: the first ones and the last ones stay."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

__all__ = ["KeptSteps"]

_DEVICE_BUDGET_BYTES = 16 * 2**20


@dataclass
class KeptSteps:
    """One tensor a step, moved to the machine's memory by and by; a step that was let go is an empty tensor.

    When they are more than `limit` bytes, half of it goes to the first steps (at least one) and the rest to the last
    ones (at least one), where answers stand.
    """

    limit: int
    steps: list[Tensor] = field(default_factory=list)
    _on_device: int = 0
    _bytes: int = 0
    _first_kept: int = 0  # steps that stay whatever comes
    _let_go: int = 0  # steps after them that are gone

    def append(self, step: Tensor) -> None:
        """Keep one more step."""
        size = step.numel() * step.element_size()
        if step.device.type != "cpu":
            self._on_device += size
            if self._on_device > _DEVICE_BUDGET_BYTES:
                self.steps[:] = [kept.cpu() for kept in self.steps]
                self._on_device = size
        self.steps.append(step)
        self._bytes += size
        if not self._first_kept or (not self._let_go and self._bytes <= self.limit / 2):
            self._first_kept = len(self.steps)
        while self._bytes > self.limit and (oldest := self._first_kept + self._let_go) < len(self.steps) - 1:
            self._bytes -= self.steps[oldest].numel() * self.steps[oldest].element_size()
            self.steps[oldest] = self.steps[oldest].new_empty(0)
            self._let_go += 1
