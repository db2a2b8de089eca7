"""MERA's multimodal benchmark as the shape of a leaderboard."""

from __future__ import annotations

from collections.abc import Mapping

from harness_ext.submission.tasks import MODALITIES, names_of, tasks_of, with_task_files
from lens_report.presentation.document.blocks import say
from lens_report.presentation.document.shown import named
from lens_report.presentation.leaderboard.benchmark import Benchmark, DataSet

__all__ = ["mera"]

_METRICS = ("exact_match", "acc")
"""Generated answers, and multiple choice, whose accuracy is whether the right option was chosen."""
_OTHER_METRICS = {"ruSLUn": ("intent_EM",)}


def mera(task_files: Mapping[str, str] | None = None) -> Benchmark:
    """MERA's data sets by modality.

    Args:
        task_files: A user's own tasks and the files of the data sets that they stand for.
    """
    files = with_task_files(task_files)
    parts = {
        modality: tuple(
            DataSet(
                file.replace("_", "-"),
                tuple(names_of(base, files) for base in tasks_of(file, files)),
                _OTHER_METRICS.get(file, _METRICS),
            )
            for file in own
        )
        for modality, own in MODALITIES.items()
    }
    note = say(
        "EM is exact match of the whole answer; of {ruslun} the one of the intent. MERA's site ranks models by private "
        "tasks alone, whose right answers it keeps, by their groups ({ruhhh}) and by a judge model beside EM: a mean "
        "here is no place there.",
        ruslun=named("ruSLUn"), ruhhh=named("ruHHH"),
    )  # fmt: skip
    return Benchmark("MERA", parts, note)
