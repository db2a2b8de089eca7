"""All that reads an answered sample again beside its readout: controls, masks, a generic prompt, written steps."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

from .controls import CausalMasks, ImageControls
from .description import ModelOfRun
from .engine import Engine
from .relative_attention import RELATIVE, RelativeAttention
from .steps import STEPS, StepReader

__all__ = ["Rereading"]


@dataclass(frozen=True)
class Rereading:
    """What a run was asked to read again; None for what nobody asked for.

    Attributes:
        controls: read each sample again under other images.
        masks: read each sample again without some of its image tokens.
        relative: holds each attention map against that of a generic prompt.
        steps: reads the steps that a response writes before its answer.
    """

    controls: ImageControls | None = None
    masks: CausalMasks | None = None
    relative: RelativeAttention | None = None
    steps: StepReader | None = None

    @classmethod
    def of(cls, engine: Engine, model: ModelOfRun) -> Rereading:
        """What the options of a model with a lens ask for."""
        options, lens = model.options, model.lens
        reads_steps = STEPS in lens.settings.probes and STEPS not in lens.refused_probes
        return cls(
            ImageControls(options.controls) if options.controls else None,
            CausalMasks(options.masks, options.mask_way) if options.masks else None,
            RelativeAttention(engine) if options.relative_attention else None,
            StepReader(engine, lens) if reads_steps else None,
        )

    @property
    def costs(self) -> dict[str, dict[str, Any]]:
        """What read again -> samples, forward_passes, seconds of this process so far."""
        found: dict[str, dict[str, Any]] = {}
        for each in (self.controls, self.masks):
            found |= {} if each is None else each.costs
        if self.relative is not None:
            found[RELATIVE] = asdict(self.relative.cost)
        if self.steps is not None:
            found[STEPS] = asdict(self.steps.cost)
        return found

    @property
    def failures(self) -> Counter[tuple[str, str]]:
        """(control or mask, reason) -> samples for which it failed."""
        found: Counter[tuple[str, str]] = Counter()
        for each in (self.controls, self.masks):
            found.update({} if each is None else each.failures)
        return found
