"""The plan of the reference experiments (plan.yaml) as objects, and the command of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
SHIPPED = "lens_tiny"
_HARNESSES = ("lmms-eval", "lm-eval-lens")


@dataclass(frozen=True)
class Experiment:
    """One run of a harness.

    Attributes:
        name: Folder below results/.
        about: What it is for.
        harness: Command: lmms-eval or lm-eval-lens.
        model: lens_tiny, or the name of a checkpoint folder.
        tasks: Tasks of the run.
        lens: Lens arguments of the model.
        flags: Further flags of the command.
        page: Page of report/ that is made of it.
    """

    name: str
    about: str
    harness: str
    model: str
    tasks: tuple[str, ...]
    lens: Mapping[str, Any] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
    page: str = "README"

    def pretrained(self, checkpoints: Path) -> str:
        """What `pretrained=` gets."""
        return SHIPPED if self.model == SHIPPED else str(checkpoints / self.model)

    def command(self, checkpoints: Path, out: Path) -> list[str]:
        """The command line, without the folder that the command lies in."""
        arguments = {"pretrained": self.pretrained(checkpoints), **self.lens}
        line = [self.harness, "--model", "hf-multimodal-lens", "--tasks", ",".join(self.tasks), "--batch_size", "16"]
        line += ["--model_args", ",".join(f"{name}={value}" for name, value in arguments.items())]
        if self.harness == "lm-eval-lens":
            line += ["--include_path", str((HERE / "tasks").relative_to(HERE.parent))]
        return [*line, "--output_path", str(out), "--log_samples", *self.flags]


def read_plan(path: Path = HERE / "plan.yaml") -> tuple[Experiment, ...]:
    """The experiments in order.

    Raises:
        ValueError: A name stands twice, or a harness is unknown.
        TypeError: An unknown key.
    """
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    plan = tuple(Experiment(**{k: tuple(v) if isinstance(v, list) else v for k, v in one.items()}) for one in raw)
    names = [one.name for one in plan]
    if len(set(names)) != len(names):
        raise ValueError(f"{path}: a name stands twice among {names}")
    for one in plan:
        if one.harness not in _HARNESSES:
            raise ValueError(f"{path}: {one.name} has harness {one.harness!r}, expected one of {_HARNESSES}")
    return plan
