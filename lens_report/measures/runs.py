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


def load_runs(paths: Paths, names: Sequence[str] = ()) -> Loaded:
    """Open every run in files and folders.

    Args:
        paths: Record files, or folders that are searched with what is below them.
        names: What the runs are called, one name a path, which must then hold one run; without any, runs
            have their models' names.

    Raises:
        ReportError: There is no readable run at all, or the names do not fit the paths.
    """
    wanted = [Path(paths)] if isinstance(paths, (str, Path)) else [Path(path) for path in paths]
    if names and not len(names) == len(set(names)) == len(wanted):
        raise ReportError(
            f"found {len(wanted)} paths and the names {', '.join(names)}; "
            "expected a name of its own for each path, in order"
        )
    runs: dict[tuple[Path, ...], Run] = {}
    called: dict[str, str] = {}
    problems: dict[str, Problem] = {}
    for place, path in enumerate(wanted):
        found, bad = _open(path)
        if names and found:
            first = called.setdefault(_only(path, found), names[place])
            if first != names[place]:
                raise ReportError(f"the run in {path} was named {first} already; give it one name and list it once")
        runs |= {run.files: run for run in found}
        problems |= {problem.what: problem for problem in bad}
    if not runs:
        reasons = "\n".join(f"  {problem.message}" for problem in problems.values()) or "  no path was given."
        raise ReportError(f"No run could be read:\n{reasons}")
    loaded = _distinct(list(runs.values()))
    for run in loaded:
        run.name = called.get(run.info.run_id)
    return Loaded(loaded, tuple(problems.values()))


def _only(path: Path, runs: Sequence[Run]) -> str:
    """The id of the one run below a path that is named."""
    ids = sorted({run.info.run_id for run in runs})
    if len(ids) > 1:
        raise ReportError(f"{path} holds {len(ids)} runs ({', '.join(ids)}), expected one; give each a path and a name")
    return ids[0]


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
