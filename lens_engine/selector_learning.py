"""Learn which image tokens a question is about from the boxes of its document, and measure it on other pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lens_models import InputError, LensFileError
from lens_models.encoding import encodable_together
from lens_models.image_tokens import ImageTokens
from lens_models.image_tokens.boxes import Covered, box_figures, covered
from lens_models.probes import EVERY, ResidualCapture
from lens_models.selection import Selector, SelectorFit, SelectorRecipe, Shown, write_selector
from lens_models.selection.files import DESCRIPTION
from lens_tasks.regions import BoxError

from .batching import in_order
from .lens_learning import LensData, Progress, learning_settings
from .lens_states import cluster_of
from .places import seen_boxes
from .sample import Request, Sample
from .transformers_engine import TransformersEngine
from .unfinished import SAVE_EVERY, UNFINISHED, Unfinished, batch_order

__all__ = [
    "Looked",
    "SelectorPlan",
    "SelectorQuality",
    "another",
    "figures_of",
    "fitted",
    "gather",
    "learn_selector",
    "looked_at",
    "quality_of",
]

Floats = npt.NDArray[np.float64]
_ALL = 2**62  # bytes
_DTYPES = {"float16": torch.float16, "float32": torch.float32}
_FEWEST = 2


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
    """

    recipe: SelectorRecipe
    batch_size: int = 16
    dtype: str = "float16"
    seed: int = 0


@dataclass(frozen=True)
class Looked:
    """A prompt as a selector sees it.

    Attributes:
        shown: residuals of its last position and of its image tokens, and what of them is asked about.
        inside: the same against the boxes.
        cluster: what it shares with prompts that are not independent of it: its picture.
    """

    shown: Shown = field(repr=False)
    inside: Covered = field(repr=False)
    cluster: str

    def tensors(self) -> dict[str, Any]:
        """As numbers on disk."""
        covered_by = {name: torch.from_numpy(getattr(self.inside, name)) for name in ("share", "centre", "seen")}
        return {"step": self.shown.step, "tokens": self.shown.tokens, "cluster": self.cluster, **covered_by}

    @classmethod
    def of_tensors(cls, given: Mapping[str, Any]) -> Looked:
        """What `tensors` gave."""
        inside = Covered(*(given[name].numpy() for name in ("share", "centre", "seen")))
        return cls(Shown(given["step"], given["tokens"], given["share"].float()), inside, given["cluster"])


@dataclass(frozen=True)
class SelectorQuality:
    """Means over held-out prompts of figures against the boxes of what is asked about; see docs/metrics.md.

    Attributes:
        data: what it was measured on, in words.
        prompts, clusters: how many, and of how many pictures.
        own: `lift`, `pointing` and `auroc` of the selector's map.
        other_picture: the same of the map that it makes of the next prompt's picture: what a map has by knowing where
            objects lie in all pictures.
    """

    data: str
    prompts: int
    clusters: int
    own: Mapping[str, float]
    other_picture: Mapping[str, float]


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

    Prompts without boxes of what is asked about are left out.

    Raises:
        LensFileError: the folder holds a selector, or one that was begun with other settings.
        InputError: the layer is none of the model, no prompt has boxes, or a sample cannot be encoded.
        CaptureError: the layers did not run as expected.
    """
    assert engine.lens is not None
    parts = engine.lens.parts
    if (folder / DESCRIPTION).exists():
        raise LensFileError(f"{folder} holds a selector already; choose another folder")
    if not 1 <= plan.recipe.layer <= parts.n_layers:
        raise InputError(f"layer {plan.recipe.layer}; {parts.model_class} has layers 1 to {parts.n_layers}")
    unfinished = Unfinished(folder / UNFINISHED, learning_settings(engine, data, plan))
    gathered = gather(engine, data.train, plan.recipe.layer, plan.batch_size, unfinished, progress)
    selector = fitted(gathered, plan, data.train_named, engine.model.device, progress)
    measured = gather(engine, data.held_out, plan.recipe.layer, plan.batch_size, None, progress)
    quality = quality_of(selector, measured, data.held_out_named)
    recipe = {**asdict(plan.recipe), "batch_size": plan.batch_size, "order_seed": plan.seed, "objective": "boxes"}
    recipe["prompts"] = len(gathered)
    write_selector(folder, selector, parts, model_name, recipe=recipe, held_out=asdict(quality))
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
        raise InputError(
            "no prompt has a box of what is asked about that an image token lies in; expected boxes in the documents "
            "(docs/boxes.md), or in the lines of questions.jsonl"
        )
    fit = SelectorFit(looked[0].shown.step.shape[-1], plan.recipe, device)
    batches = batch_order(len(looked), plan.batch_size, plan.seed)
    for _ in range(plan.recipe.steps):
        losses = fit.take([looked[place].shown for place in next(batches)])
        progress("steps", fit.step, plan.recipe.steps, losses)
    return fit.selector(_DTYPES[plan.dtype], named)


def gather(
    engine: TransformersEngine,
    requests: Sequence[Request],
    layer: int,
    batch_size: int,
    unfinished: Unfinished | None = None,
    progress: Progress = _silent,
) -> list[Looked]:
    """What a selector of a layer sees of the prompts that have boxes; the model runs over each of them once.

    All of it is in memory: of a prompt d numbers an image token, in the model's dtype.

    Args:
        engine: with a lens.
        requests: prompts.
        layer: 1 to L.
        batch_size: prompts at a time.
        unfinished: where what is there so far is kept, and goes on.
        progress: is told how far it is.

    Raises:
        CaptureError, InputError: a prompt cannot be encoded, or the layers did not run.
    """
    found = _Gathered()
    if unfinished is not None:
        unfinished.load(found)
    for begin in range(found.prompts, len(requests), batch_size):
        samples = [request.sample() for request in requests[begin : begin + batch_size]]
        found.looked += [each for each in looked_at(engine, samples, layer) if each is not None]
        found.prompts = begin + len(samples)
        if unfinished is not None and begin // batch_size % SAVE_EVERY == SAVE_EVERY - 1:
            unfinished.save(found)
        progress("held-out prompts" if unfinished is None else "prompts", found.prompts, len(requests), {})
    return found.looked


@dataclass
class _Gathered:
    """What was seen so far."""

    looked: list[Looked] = field(default_factory=list)
    prompts: int = 0

    def state(self) -> dict[str, Any]:
        """See `Resumable`."""
        return {"prompts": self.prompts, "looked": [each.tensors() for each in self.looked]}

    def load(self, state: Mapping[str, Any]) -> None:
        """See `Resumable`."""
        self.prompts, self.looked = int(state["prompts"]), [Looked.of_tensors(each) for each in state["looked"]]


def _boxes(sample: Sample) -> dict[int, Any]:
    return {} if isinstance(sample.boxes, BoxError) else seen_boxes(sample.boxes)


@torch.no_grad()
def looked_at(engine: TransformersEngine, samples: Sequence[Sample], layer: int) -> list[Looked | None]:
    """What a selector of a layer sees of each prompt, in order; None where no image token lies in a box.

    The position that looks for something is the prompt's last one, which predicts the answer.

    Raises:
        CaptureError, InputError: a prompt cannot be encoded, or the layers did not run.
    """
    together = encodable_together(engine.processor, [len(sample.media.images) for sample in samples])
    return in_order(together, lambda rows: _looked_together(engine, [samples[row] for row in rows], layer))


def _looked_together(engine: TransformersEngine, samples: Sequence[Sample], layer: int) -> list[Looked | None]:
    assert engine.lens is not None
    inputs = engine.prompts.encode(samples)
    kept = ResidualCapture(engine.lens.parts, layer_index=[layer], positions=EVERY, keep_logits=False, limit=_ALL)
    with kept as trace:
        engine.model(**inputs)
    residual = trace.steps[0][0]
    located = engine.located(inputs, samples)
    return [_of(residual[row], located[row], sample) for row, sample in enumerate(samples)]


def _of(residual: Tensor, tokens: ImageTokens, sample: Sample) -> Looked | None:
    """Of one row `[positions, d]`; prompts are padded on the left."""
    boxes = _boxes(sample)
    if not boxes or tokens.boxes is None or not len(tokens):
        return None
    inside = covered(tokens, boxes)
    if not inside.share.any():
        return None
    share = torch.from_numpy(inside.share).float()
    places = torch.from_numpy(tokens.positions).to(residual.device)
    return Looked(Shown(residual[-1].cpu(), residual[places].cpu(), share), inside, cluster_of(sample))


def quality_of(selector: Selector, looked: Sequence[Looked], named: str) -> SelectorQuality:
    """Means of a selector's figures over prompts.

    Raises:
        InputError: they are of fewer than two pictures, so that there is no other one.
    """
    clusters = {each.cluster for each in looked}
    if len(clusters) < _FEWEST:
        raise InputError(f"{len(clusters)} pictures with boxes to measure on; expected {_FEWEST} or more")
    own = [figures_of(selector, each) for each in looked]
    others = [
        found
        for place, each in enumerate(looked)
        if (other := another(looked, place)) is not None
        and (found := figures_of(selector, each, other.shown.tokens)) is not None
    ]
    return SelectorQuality(named, len(looked), len(clusters), _means(own), _means(others))


def figures_of(selector: Selector, looked: Looked, tokens: Tensor | None = None) -> Mapping[str, float]:
    """`lift`, `pointing` and `auroc` of the map sigmoid(s); NaN where boxes give none.

    Args:
        selector: what makes the map.
        looked: the prompt, against whose boxes it is held.
        tokens: other image tokens `[tokens, d]` in the place of its own.
    """
    scores = selector(looked.shown.step, looked.shown.tokens if tokens is None else tokens)
    found = box_figures(torch.sigmoid(scores).cpu().numpy(), looked.inside)
    return {name: float(getattr(found, name)[0]) for name in ("lift", "pointing", "auroc")}


def another(looked: Sequence[Looked], place: int) -> Looked | None:
    """The next prompt about another picture with as many image tokens."""
    own = looked[place]
    rest = [looked[(place + step) % len(looked)] for step in range(1, len(looked))]
    shape = own.shown.tokens.shape
    return next((each for each in rest if each.cluster != own.cluster and each.shown.tokens.shape == shape), None)


def _means(figures: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Of the finite ones; a figure that no prompt has is left out."""
    found = {name: np.array([each[name] for each in figures]) for name in (figures[0] if figures else ())}
    return {name: float(own[np.isfinite(own)].mean()) for name, own in found.items() if np.isfinite(own).any()}
