"""Reports, figures, an explorer and leaderboards from the records of lens runs: no model, no GPU, no network.

lens_report.build_report("runs/pope", "my_report")
lens_report.build_leaderboard(["runs/a", "runs/b"]).write("my_table")
lens_report.build_paper("runs/pope", "my_paper")
lens_report.predict_accuracy("runs/unlabelled", ["runs/a", "runs/b"]).to_markdown()

run = lens_results.load("runs/pope")                   # in a notebook
analysis = lens_report.analyse(run)[0]
lens_report.figures.forest(analysis.prediction)

Three parts, each importing only those after it: `presentation` (text, tables, figures, pages), `measures` (from the
records of a run to results) and `stats` (pure statistics on arrays).
"""

from __future__ import annotations

from lens_report.measures import Analysis, Draws, RunComparison, TaskRun, analyse, compare, comparisons, task_runs
from lens_report.measures.runs import Problem, ReportError, load_runs
from lens_report.measures.trust import Trust, fit_on_runs, with_p_correct
from lens_report.measures.unlabelled import labelled, unlabelled
from lens_report.presentation import figures
from lens_report.presentation.accuracy import AccuracyTable, predict_accuracy
from lens_report.presentation.effects import EffectBoard, build_effects
from lens_report.presentation.explorer.payload import ExplorerLimits
from lens_report.presentation.leaderboard import (
    Benchmark,
    BenchmarkBoard,
    DataSet,
    Entry,
    Leaderboard,
    build_benchmark_board,
    build_leaderboard,
)
from lens_report.presentation.paper import Paper, build_paper
from lens_report.presentation.report import Report, build_report

__all__ = [
    "AccuracyTable",
    "Analysis",
    "Benchmark",
    "BenchmarkBoard",
    "DataSet",
    "Draws",
    "EffectBoard",
    "Entry",
    "ExplorerLimits",
    "Leaderboard",
    "Paper",
    "Problem",
    "Report",
    "ReportError",
    "RunComparison",
    "TaskRun",
    "Trust",
    "analyse",
    "build_benchmark_board",
    "build_effects",
    "build_leaderboard",
    "build_paper",
    "build_report",
    "compare",
    "comparisons",
    "figures",
    "fit_on_runs",
    "labelled",
    "load_runs",
    "predict_accuracy",
    "task_runs",
    "unlabelled",
    "with_p_correct",
]
