"""Learn which image tokens a question is about, and measure it on other pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from lens_models import InputError, LensFileError
from lens_models.selection import ANSWER, STEPS, Selector, SelectorFit, SelectorRecipe, write_selector
from lens_models.selection.files import DESCRIPTION

from .lens_learning import LensData, Progress, learning_settings
from .sample import Request, Sample
from .selector_prompts import Looked, looked_at
from .selector_quality import SelectorQuality, quality_of
from .selector_steps import StepEnds, steps_looked_at
from .selector_targets import BoxTargets, Targets
from .transformers_engine import TransformersEngine
from .unfinished import SAVE_EVERY, UNFINISHED, Unfinished, batch_order

__all__ = ["Gathered", "SelectorPlan", "fitted", "gather", "learn_selector"]

_DTYPES = {"float16": torch.float16, "float32": torch.float32}


def _silent(what: str, done: int, total: int, figures: Mapping[str, float]) -> None:
    """Nobody is told."""


@dataclass(frozen=True)
class SelectorPlan:
    """How a selector is learnt.

    Attributes:
        recipe: its layer, rank and training.
        batch_size: prompts of a step.
        dtype: float16 or float32: in which it is kept; what is measured is measured after this rounding.
        seed: of the order of the prompts.
        targets: what it is to find; of steps their boxes.
        steps: reads the ends of written steps, and how the model writes them; None where it reads the position that
            predicts the answer.
    """

    recipe: SelectorRecipe
    batch_size: int = 16
    dtype: str = "float16"
    seed: int = 0
    targets: Targets = field(default_factory=BoxTargets)
    steps: StepEnds | None = None

    @property
    def at(self) -> str:
        """Which positions it reads."""
        return ANSWER if self.steps is None else STEPS

    @property
    def needed(self) -> str:
        """What the data must have, for the error where none has it."""
        if self.steps is None:
            return f"no prompt has {self.targets.needed}"
        return (
            "no response has a written step that corresponds to its program and is about a box; expected a model that "
            "writes the steps of the program, and documents, or lines of questions.jsonl, with boxes and steps "
            "(docs/boxes.md, docs/reasoning.md)"
        )


def learn_selector(
    engine: TransformersEngine,
    data: LensData,
    plan: SelectorPlan,
    folder: Path,
    *,
    model_name: str,
    progress: Progress = _silent,
) -> SelectorQuality:
    """Learn a selector, measure it, and write its folder; a run that was stopped keeps the prompts that it looked at.

    Prompts without targets are left out, and written steps without boxes.

    Raises:
        LensFileError: the folder holds a selector, or one that was begun with other settings.
        InputError: the layer is none of the model, no prompt has targets, or a sample cannot be encoded.
        CaptureError: the layers did not run as expected.
    """
    assert engine.lens is not None
    parts = engine.lens.parts
    if (folder / DESCRIPTION).exists():
        raise LensFileError(f"{folder} holds a selector already; choose another folder")
    if not 1 <= plan.recipe.layer <= parts.n_layers:
        raise InputError(f"layer {plan.recipe.layer}; {parts.model_class} has layers 1 to {parts.n_layers}")
    unfinished = Unfinished(folder / UNFINISHED, learning_settings(engine, data, plan))
    gathered = gather(engine, data.train, plan, unfinished, progress)
    if not gathered.looked:
        raise InputError(f"{plan.needed}. Left out: {gathered.reasons}")
    selector = fitted(gathered.looked, plan, data.train_named, engine.model.device, progress)
    measured = gather(engine, data.held_out, plan, None, progress)
    quality = quality_of(selector, measured.looked, data.held_out_named, against_targets=plan.targets.of_the_model)
    quality = replace(quality, left_out=dict(sorted(measured.left_out.items())))
    recipe = {**asdict(plan.recipe), "batch_size": plan.batch_size, "order_seed": plan.seed}
    recipe |= {"objective": plan.targets.name, **asdict(plan.targets)}
    recipe |= _counted(gathered, plan)
    held_out = {name: each for name, each in asdict(quality).items() if each != {}}
    write_selector(folder, selector, parts, model_name, recipe=recipe, held_out=held_out)
    unfinished.remove()
    return quality


def fitted(
    looked: Sequence[Looked], plan: SelectorPlan, named: str, device: Any = "cpu", progress: Progress = _silent
) -> Selector:
    """The selector that is learnt from what it sees of prompts.

    Raises:
        InputError: there are none.
    """
    if not looked:
        raise InputError(plan.needed)
    fit = SelectorFit(looked[0].shown.step.shape[-1], plan.recipe, device)
    batches = batch_order(len(looked), plan.batch_size, plan.seed)
    for _ in range(plan.recipe.steps):
        losses = fit.take([looked[place].shown for place in next(batches)])
        progress("steps", fit.step, plan.recipe.steps, losses)
    return replace(fit.selector(_DTYPES[plan.dtype], named), at=plan.at)


def _counted(gathered: Gathered, plan: SelectorPlan) -> dict[str, Any]:
    """What was learnt from, for the recipe."""
    if plan.steps is None:
        return {"prompts": len(gathered.looked)}
    left_out = dict(sorted(gathered.left_out.items()))
    return {**asdict(plan.steps), "written_steps": len(gathered.looked), "left_out": left_out}


def gather(
    engine: TransformersEngine,
    requests: Sequence[Request],
    plan: SelectorPlan,
    unfinished: Unfinished | None = None,
    progress: Progress = _silent,
) -> Gathered:
    """What a selector sees of the prompts that have targets; the model runs over each of them once for that.

    Where it reads the ends of written steps, the model answers each prompt, and what is seen is of these steps.

    All of it is in memory: of a prompt d numbers an image token, in the model's dtype.

    Args:
        engine: with a lens.
        requests: prompts.
        plan: of which the layer, the targets and the number of prompts at a time count.
        unfinished: where what is there so far is kept, and goes on.
        progress: is told how far it is.

    Raises:
        CaptureError, InputError: a prompt cannot be encoded, or the layers did not run.
    """
    found = Gathered()
    if unfinished is not None:
        unfinished.load(found)
    for begin in range(found.prompts, len(requests), plan.batch_size):
        samples = [request.sample() for request in requests[begin : begin + plan.batch_size]]
        found.add(engine, samples, plan)
        if unfinished is not None and begin // plan.batch_size % SAVE_EVERY == SAVE_EVERY - 1:
            unfinished.save(found)
        progress("held-out prompts" if unfinished is None else "prompts", found.prompts, len(requests), {})
    return found


@dataclass
class Gathered:
    """What a selector sees of prompts.

    Attributes:
        looked: of those that have targets, or of the written steps that have boxes.
        prompts: how many were looked at.
        left_out: of written steps, see `selector_steps.StepsSeen`.
    """

    looked: list[Looked] = field(default_factory=list)
    prompts: int = 0
    left_out: Counter[str] = field(default_factory=Counter)

    @property
    def reasons(self) -> str:
        """Why something was left out, in words."""
        return "; ".join(f"{why}: {count}" for why, count in self.left_out.most_common()) or "nothing"

    def add(self, engine: TransformersEngine, samples: Sequence[Sample], plan: SelectorPlan) -> None:
        """What is seen of more prompts."""
        if plan.steps is None:
            seen = looked_at(engine, samples, plan.recipe.layer, plan.targets)
            self.looked += [each for each in seen if each is not None]
        else:
            for each in steps_looked_at(engine, samples, plan.recipe.layer, plan.steps):
                self.looked += each.looked
                self.left_out.update(each.left_out)
        self.prompts += len(samples)

    def state(self) -> dict[str, Any]:
        """See `Resumable`."""
        looked = [each.tensors() for each in self.looked]
        return {"prompts": self.prompts, "looked": looked, "left_out": dict(self.left_out)}

    def load(self, state: Mapping[str, Any]) -> None:
        """See `Resumable`."""
        self.prompts, self.looked = int(state["prompts"]), [Looked.of_tensors(each) for each in state["looked"]]
        self.left_out = Counter(state["left_out"])
