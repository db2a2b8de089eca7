"""All that reads an answered sample again beside its readout: controls, masks, a generic prompt, written steps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from .controls import CausalMasks, ControlCost, ImageControls
from .description import ModelOfRun
from .engine import Engine
from .image_maps import Observed
from .relative_attention import RELATIVE, RelativeAttention
from .step_causes import STEP_CAUSES, StepCauseReader
from .step_regions import STEP_REGIONS, StepRegionReader
from .steps import STEPS, StepReader, Thought

__all__ = ["ReadsSteps", "Rereading"]


class ReadsSteps(Protocol):
    """Reads the steps that a response writes before its answer."""

    cost: ControlCost
    """What it took so far."""

    def add(self, observed: Observed, thought: Thought) -> None:
        """Put what is read into `observed`, or why it is not there; never raises for what this alone cannot do."""


_STEP_READERS: dict[str, Callable[[Engine, ModelOfRun], ReadsSteps]] = {
    STEPS: lambda engine, model: StepReader(engine, model.lens, model.options.most_steps),
    STEP_REGIONS: lambda engine, model: StepRegionReader(model.lens),
    STEP_CAUSES: lambda engine, model: StepCauseReader(engine, model.lens),
}
"""Probe -> what reads written steps for it."""


@dataclass(frozen=True)
class Rereading:
    """What a run was asked to read again; None for what nobody asked for.

    Attributes:
        controls: read each sample again under other images.
        masks: read each sample again without some of its image tokens.
        relative: holds each attention map against that of a generic prompt.
        steps: probe -> what reads the steps that a response writes before its answer.
    """

    controls: ImageControls | None = None
    masks: CausalMasks | None = None
    relative: RelativeAttention | None = None
    steps: Mapping[str, ReadsSteps] = field(default_factory=dict)

    @classmethod
    def of(cls, engine: Engine, model: ModelOfRun) -> Rereading:
        """What the options of a model with a lens ask for."""
        options, lens = model.options, model.lens
        observing = set(lens.settings.probes) - set(lens.refused_probes)
        return cls(
            ImageControls(options.controls) if options.controls else None,
            CausalMasks(options.masks, options.mask_way) if options.masks else None,
            RelativeAttention(engine) if options.relative_attention else None,
            {name: make(engine, model) for name, make in _STEP_READERS.items() if name in observing},
        )

    @property
    def anything(self) -> bool:
        """Whether anything was asked for."""
        alone = (self.controls, self.masks, self.relative)
        return bool(self.steps) or any(each is not None for each in alone)

    @property
    def costs(self) -> dict[str, dict[str, Any]]:
        """What read again -> samples, forward_passes, seconds of this process so far."""
        found: dict[str, dict[str, Any]] = {}
        for each in (self.controls, self.masks):
            found |= {} if each is None else each.costs
        if self.relative is not None:
            found[RELATIVE] = asdict(self.relative.cost)
        return found | {name: asdict(reader.cost) for name, reader in self.steps.items()}

    @property
    def failures(self) -> Counter[tuple[str, str]]:
        """(control or mask, reason) -> samples for which it failed."""
        found: Counter[tuple[str, str]] = Counter()
        for each in (self.controls, self.masks):
            found.update({} if each is None else each.failures)
        return found
