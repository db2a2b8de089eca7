"""What `mmlens check` finds out about a model and a task before a run: candidates, time, memory."""

from .candidates import CandidateSet, candidate_sets
from .costs import Costs, measure_costs
from .task_samples import (
    ExamplePrompts,
    TaskError,
    example_sample,
    load_task,
    spread,
    task_requests,
    task_samples,
)

__all__ = [
    "CandidateSet",
    "Costs",
    "ExamplePrompts",
    "TaskError",
    "candidate_sets",
    "example_sample",
    "load_task",
    "measure_costs",
    "spread",
    "task_requests",
    "task_samples",
]
