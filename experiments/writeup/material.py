"""The reference runs as analyses, by name of the experiment and task."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from experiments.plan import Experiment, read_plan
from lens_report import Analysis, Draws, task_runs
from lens_report.measures import analyse_task_run
from lens_results import Run, load

MAIN = "main"
PAGE = "README"
SEEDS = ("seed_13", "seed_113", "seed_213")
LINE = ("seed_13", "checkpoint_mixture", "checkpoint_open", "main")
"""The main line of training in order; its first checkpoint is also the first of the seeds."""
PROMPTS = ("prompt_bare", "prompt_chat", "prompt_cot")
DRAWS = Draws(bootstrap=2_000, permutations=1_000, simulations=200)


@dataclass(frozen=True)
class Material:
    """Everything the write-up is made of.

    Attributes:
        runs: Experiment -> its run, in the order of the plan.
        analyses: (experiment, task) -> analysis.
        plan: The part of the plan that the paper is made of.
    """

    runs: dict[str, Run]
    analyses: dict[tuple[str, str], Analysis]
    plan: tuple[Experiment, ...]

    def of(self, name: str) -> dict[str, Analysis]:
        """Task -> analysis of one experiment, tasks in the order of the plan."""
        return {task: one for (experiment, task), one in self.analyses.items() if experiment == name}

    def everywhere(self, task: str, names: tuple[str, ...]) -> Iterator[tuple[str, Analysis]]:
        """The analyses of a task in those of the experiments that have it."""
        for name in names:
            if (name, task) in self.analyses:
                yield name, self.analyses[name, task]


def read_material(results: Path, draws: Draws = DRAWS) -> Material:
    """Read and analyse the runs below `results`.

    Raises:
        FileNotFoundError: The main run is not there; names the command that makes it.
    """
    plan = tuple(one for one in read_plan() if one.page == PAGE)
    if not (results / MAIN).is_dir():
        raise FileNotFoundError(f"{results / MAIN}: found no main run, make it with: python -m experiments.run")
    runs = {one.name: load(results / one.name) for one in plan if (results / one.name).is_dir()}
    analyses = {}
    for one in plan:
        if one.name not in runs:
            continue
        found = {task_run.task: task_run for task_run in task_runs(runs[one.name], one.name)}
        for task in one.tasks:
            analyses[one.name, task] = analyse_task_run(found[task], draws)
    return Material(runs, analyses, plan)
