"""Published figures of other people's runs, with their sources."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from lens_report.measures.runs import ReportError


@dataclass(frozen=True)
class Published:
    """One published figure.

    Attributes:
        task: Benchmark as the source calls it.
        tasks: Names of our tasks that it may stand beside.
        model: As the source calls it; `human` for a human baseline.
        measure: What the score is.
        score: 0 to 1.
        source: Where it is published.
        judge: Score by a judge model where the source gives one.
    """

    task: str
    tasks: tuple[str, ...]
    model: str
    measure: str
    score: float
    source: str
    judge: float | None = None


def published_rows(tasks: Iterable[str], path: str | Path | None = None) -> list[Published]:
    """The published figures for some of our tasks.

    Args:
        tasks: Task names of the runs at hand.
        path: A file like `published.yaml` to read in its place.

    Raises:
        ReportError: The file does not have that form.
    """
    wanted = set(tasks)
    return [row for row in _read(path) if wanted & set(row.tasks)]


def _read(path: str | Path | None) -> list[Published]:
    name = str(path or "published.yaml")
    try:
        bundled = resources.files("lens_report.presentation.leaderboard").joinpath("published.yaml")
        text = bundled.read_text("utf-8") if path is None else Path(path).read_text("utf-8")
        content = yaml.safe_load(text)
        return [_row(entry, content) for entry in content["rows"]]
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise ReportError(
            f"{name}: found no list of published figures ({type(error).__name__}: {error}), expected `sources`, "
            "`tasks` and `rows` as in lens_report/presentation/leaderboard/published.yaml."
        ) from error


def _row(entry: dict[str, Any], content: dict[str, Any]) -> Published:
    judge = entry.get("judge")
    return Published(
        str(entry["task"]),
        tuple(map(str, content["tasks"][entry["task"]])),
        str(entry["model"]),
        str(entry["measure"]),
        float(entry["score"]),
        str(content["sources"][entry["source"]]),
        None if judge is None else float(judge),
    )
