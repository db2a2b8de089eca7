"""A paper of two pages from the records of a run."""

from __future__ import annotations

from lens_report.presentation.paper.building import Paper, build_paper

__all__ = ["Paper", "build_paper"]
