"""Reports, figures, an explorer and leaderboards from the records of lens runs: no model, no GPU, no network.

lens_report.build_report("runs/pope", "my_report")
lens_report.build_leaderboard(["runs/a", "runs/b"]).write("my_table")

run = lens_results.load("runs/pope")                   # in a notebook
analysis = lens_report.analyse(run)[0]
lens_report.figures.forest(analysis.prediction)
"""

from __future__ import annotations

from lens_report import figures
from lens_report.analysis import Analysis, Draws, RunComparison, analyse, compare, comparisons
from lens_report.errors import ReportError
from lens_report.explorer.payload import ExplorerLimits
from lens_report.leaderboard import Entry, Leaderboard, build_leaderboard
from lens_report.report import Report, build_report
from lens_report.runs import Problem, load_runs
from lens_report.subject import Subject, subjects

__all__ = [
    "Analysis",
    "Draws",
    "Entry",
    "ExplorerLimits",
    "Leaderboard",
    "Problem",
    "Report",
    "ReportError",
    "RunComparison",
    "Subject",
    "analyse",
    "build_leaderboard",
    "build_report",
    "compare",
    "comparisons",
    "figures",
    "load_runs",
    "subjects",
]
