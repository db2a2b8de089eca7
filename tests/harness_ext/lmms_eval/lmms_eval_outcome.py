from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lens_results import Run, load


@dataclass(frozen=True)
class Outcome:
    """What one evaluation gave: the harness's results, its sample logs, the texts, and the lens records' folder."""

    results: dict[str, Any]
    folder: Path

    def texts(self, task: str) -> list[str]:
        return [sample["resps"][0][0] for sample in self.results["samples"][task]]

    def value(self, task: str, metric: str) -> Any:
        return self.results["results"][task].get(f"{metric},none")

    @property
    def run(self) -> Run:
        return load(self.folder)


Evaluate = Callable[..., Outcome]
