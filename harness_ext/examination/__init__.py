"""What `mmlens check` finds out about a model and a task before a run: candidates, time, memory."""

from .costs import Costs, measure_costs
from .documents import TaskError, load_task, probe_sample, task_samples
from .samples import Sample
from .separation import CandidateSet, candidate_sets

__all__ = [
    "CandidateSet",
    "Costs",
    "Sample",
    "TaskError",
    "candidate_sets",
    "load_task",
    "measure_costs",
    "probe_sample",
    "task_samples",
]
