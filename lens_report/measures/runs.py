"""Open runs for a report: what cannot be read is named and left out, the rest goes on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lens_results import LensResultsError, Run, load_all


class ReportError(Exception):
    """Nothing to report on: no readable run among the paths. The message says what was found at each of them."""


Paths = str | Path | Iterable[str | Path]


@dataclass(frozen=True)
class Problem:
    """Something that could not be read, and why.

    Attributes:
        what: The file or run.
        message: What was found, what was expected and what to do.
    """

    what: str
    message: str


@dataclass(frozen=True)
class Loaded:
    """The runs that could be read, oldest first, and what could not."""

    runs: tuple[Run, ...]
    problems: tuple[Problem, ...] = ()


def load_runs(paths: Paths) -> Loaded:
    """Open every run in files and folders.

    Raises:
        ReportError: There is no readable run at all.
    """
    wanted = [Path(paths)] if isinstance(paths, (str, Path)) else [Path(path) for path in paths]
    runs: dict[tuple[Path, ...], Run] = {}
    problems: dict[str, Problem] = {}
    for path in wanted:
        found, bad = _open(path)
        runs |= {run.files: run for run in found}
        problems |= {problem.what: problem for problem in bad}
    if not runs:
        reasons = "\n".join(f"  {problem.message}" for problem in problems.values()) or "  no path was given."
        raise ReportError(f"No run could be read:\n{reasons}")
    return Loaded(_distinct(list(runs.values())), tuple(problems.values()))


def _open(path: Path) -> tuple[Sequence[Run], list[Problem]]:
    """The runs below a path. Only where that fails as a whole is every file tried by itself."""
    try:
        return load_all(path), []
    except LensResultsError as error:
        if not path.is_dir():
            return [], [Problem(str(path), str(error))]
        first = Problem(str(path), str(error))
    good, problems = [], []
    for file in sorted(path.resolve().rglob("*.parquet")):
        try:
            load_all(file)
        except LensResultsError as error:
            problems.append(Problem(str(file), str(error)))
        else:
            good.append(file)
    return (load_all(good) if good else []), problems or [first]


def _distinct(runs: Sequence[Run]) -> tuple[Run, ...]:
    """Each run once, oldest first, with the samples of all files that were found of it, although paths overlap."""
    found: dict[str, list[Run]] = {}
    for run in runs:
        found.setdefault(run.info.run_id, []).append(run)
    return tuple(_joined(found[run_id]) for run_id in sorted(found))


def _joined(same: Sequence[Run]) -> Run:
    if len(same) == 1:
        return same[0]
    (run,) = load_all(list(dict.fromkeys(file.resolve() for each in same for file in each.files)))
    return run
