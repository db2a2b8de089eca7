"""`build_report`: from records alone to report.md, index.html, stats.json and figures."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from lens_report.measures import (
    Analysis,
    BeforeAfter,
    Draws,
    RunComparison,
    analyse_task_run,
    comparisons,
)
from lens_report.measures import before_after as same_questions
from lens_report.measures.effects import effects_among
from lens_report.measures.runs import Loaded, Paths, Problem, load_runs
from lens_report.measures.task_run import labels_of, task_runs
from lens_report.presentation.composition import compose
from lens_report.presentation.document import plain
from lens_report.presentation.document.blocks import Document, Picture
from lens_report.presentation.document.html import render_html
from lens_report.presentation.document.markdown import markdown
from lens_report.presentation.explorer.payload import ExplorerLimits, explorer_data
from lens_report.presentation.figures import figures_over_tasks, report_figures, save
from lens_report.presentation.language import ENGLISH, Catalogue, catalogue, translated, translated_figure
from lens_results import LensResultsError, Run
from lens_results.storage import safe_name

log = logging.getLogger(__name__)

STATS_FORMAT = 1


@dataclass(frozen=True)
class Report:
    """The files of a report.

    Attributes:
        folder: Where they are.
        markdown: report.md.
        html: index.html; one self-contained file, unless the explorer has more samples than fit into one.
        stats: stats.json, every number of the text.
        figures: PNG and SVG files.
        problems: What could not be read and is left out.
    """

    folder: Path
    markdown: Path
    html: Path
    stats: Path
    figures: tuple[Path, ...]
    problems: tuple[Problem, ...]


def build_report(
    paths: Paths,
    out: str | Path,
    *,
    draws: Draws | None = None,
    limits: ExplorerLimits | None = None,
    before_after: Sequence[tuple[str, str]] = (),
    language: str = "en",
    names: Sequence[str] = (),
) -> Report:
    """Report on the runs in files and folders, without a model, a GPU or a network.

    Args:
        paths: Record files, or folders that are searched with what is below them.
        out: Folder of the report; made if missing, files of an earlier report are replaced.
        draws: Bootstrap draws, permutations and simulations; the defaults when None.
        limits: Largest number of samples and bytes of pictures in the explorer; the defaults when None.
        before_after: (task, task that asks the same questions after something was shown), beside those known
            (`lens_report.measures.KNOWN_PAIRS`).
        language: Of report.md, index.html and the figures: "en" or "ru". stats.json is the same in all languages.
        names: What the runs are called, one name a path; their models' names without.

    Returns:
        The files. What could not be read is named in the report and in `problems`.

    Raises:
        ReportError: There is no readable run, or the names do not fit the paths.
        OSError: The folder cannot be written.
        ValueError: There is no such language.
    """
    folder, texts = Path(out), catalogue(language)
    found = report_on(paths, folder, draws=draws, before_after=before_after, texts=texts, names=names)
    log.info("The page with its samples")
    data = explorer_data([one.task_run for one in found.analyses], limits or ExplorerLimits(), texts)
    files = Report(
        folder, folder / "report.md", folder / "index.html", folder / "stats.json", found.figures, found.problems
    )
    shown = translated(found.document, texts)
    files.markdown.write_text(markdown(shown), encoding="utf-8")
    files.stats.write_text(_stats(found), encoding="utf-8")
    files.html.write_text(render_html(shown, data, folder, texts), encoding="utf-8")
    data.write(files.html)
    return files


@dataclass(frozen=True, eq=False)
class Reported:
    """What a report says, before it is a page.

    Attributes:
        runs: Those that could be read.
        analyses: Of all their tasks.
        pairs: Runs compared on the same samples.
        learning: The same questions before and after something was shown.
        problems: What could not be read and is left out.
        document: Sentences, tables and figures.
        figures: PNG and SVG files.
    """

    runs: tuple[Run, ...]
    analyses: list[Analysis]
    pairs: list[RunComparison]
    learning: Sequence[BeforeAfter]
    problems: tuple[Problem, ...]
    document: Document
    figures: tuple[Path, ...]


def report_on(
    paths: Paths,
    folder: Path,
    *,
    draws: Draws | None = None,
    before_after: Sequence[tuple[str, str]] = (),
    texts: Catalogue = ENGLISH,
    names: Sequence[str] = (),
) -> Reported:
    """Analyse runs, draw the figures into a folder and put the document together, in English; see `build_report`.

    `texts`: what the figures are labelled with.
    """
    loaded = load_runs(paths, names)
    folder.mkdir(parents=True, exist_ok=True)
    analyses, broken = _analyse(loaded, draws or Draws())
    runs = tuple({one.task_run.run.info.run_id: one.task_run.run for one in analyses}.values())
    pairs = comparisons([one.task_run for one in analyses])
    learning = same_questions([one.task_run for one in analyses], before_after)
    unpaired = {*before_after} - {(one.before, one.after) for one in learning}
    problems = (*loaded.problems, *broken, *(_unpaired(*tasks) for tasks in sorted(unpaired)))
    parts = [(one, _draw(one, folder, texts)) for one in analyses]
    together = _draw_over_tasks(analyses, folder, texts)
    changed = effects_among([one.task_run for one in analyses])
    document = compose(runs, problems, parts, pairs, together, learning, changed)
    pictures = [*(picture for _, found in parts for picture in found.values()), *together]
    stems = [folder / picture.stem for picture in pictures]
    drawn = tuple(stem.with_name(f"{stem.name}.{kind}") for stem in stems for kind in ("png", "svg"))
    return Reported(runs, analyses, pairs, learning, problems, document, drawn)


def _unpaired(before: str, after: str) -> Problem:
    return Problem(f"{before}={after}", f"{before}={after}: no model was asked both tasks in these runs")


def _analyse(loaded: Loaded, draws: Draws) -> tuple[list[Analysis], list[Problem]]:
    """All tasks of all runs; a run whose rows turn out damaged becomes a problem."""
    analyses: list[Analysis] = []
    problems = []
    for run, label in zip(loaded.runs, labels_of(loaded.runs), strict=True):
        try:
            found = [analyse_task_run(task_run, draws) for task_run in task_runs(run, label)]
        except LensResultsError as error:
            problems.append(Problem(run.info.run_id, str(error)))
        else:
            analyses += found
    return analyses, problems


def _draw(analysis: Analysis, folder: Path, texts: Catalogue) -> dict[str, Picture]:
    """Write the figures of one analysis: figure name -> picture."""
    task_run = analysis.task_run
    home = f"figures/{safe_name(task_run.task)}_{task_run.run.info.run_id}"
    found = {}
    log.info("%s of %s: figures", task_run.task, task_run.label)
    for figure in report_figures(analysis):
        picture = Picture(f"{home}/{figure.name}", figure.caption)
        save(translated_figure(figure.draw(), texts), folder / picture.stem)
        found[figure.name] = picture
    return found


def _draw_over_tasks(analyses: Sequence[Analysis], folder: Path, texts: Catalogue) -> tuple[Picture, ...]:
    """Write the figures over all tasks of a report."""
    found = []
    for figure in figures_over_tasks(analyses):
        picture = Picture(f"figures/{figure.name}", figure.caption)
        save(translated_figure(figure.draw(), texts), folder / picture.stem)
        found.append(picture)
    return tuple(found)


def _stats(found: Reported) -> str:
    """stats.json: the numbers of the text first, then everything behind them."""
    content = {
        "format": STATS_FORMAT,
        "made_with": {"mm-logit-lens": metadata.version("mm-logit-lens")},
        "problems": plain.plain(tuple(found.problems)),
        "findings": plain.findings(found.document),
        "tables": plain.tables(found.document),
        "figures": plain.pictures(found.document),
        "runs": [json.loads(run.info.to_json()) for run in found.runs],
        "results": [_results(analysis) for analysis in found.analyses],
        "comparisons": plain.plain(tuple(found.pairs)),
        **({"before_after": plain.plain(tuple(found.learning))} if found.learning else {}),
    }
    return json.dumps(content, ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def _results(analysis: Analysis) -> dict[str, Any]:
    """All numbers of one task of one run."""
    task_run = analysis.task_run
    parts = (
        "overview", "scores", "curves", "emergence", "question_types", "decoders", "abstentions", "calibrations",
        "prediction",
        "controls", "pivot",
    )  # fmt: skip
    optional = ("picture", "turns", "steps", "step_regions")
    return {
        "task": task_run.task,
        "run": task_run.label,
        "run_id": task_run.run.info.run_id,
        **{name: plain.plain(getattr(analysis, name)) for name in parts},
        **{name: plain.plain(own) for name in optional if (own := getattr(analysis, name)) is not None},
    }
