"""Learn a lens from samples, step by step, and measure it on pictures that it was not learnt on."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch

from lens_models import LensFileError
from lens_models.lenses import AffineLens, AffineMaps, HeldOut
from lens_models.lenses.affine import IMAGE, TEXT, content_digest
from lens_models.lenses.files import DESCRIPTION, LensFile, write_lens
from lens_models.lenses.jacobian import JacobianFit
from lens_models.lenses.measuring import Measuring
from lens_models.lenses.model_values import model_values
from lens_models.lenses.tuned import Recipe, TunedFit
from lens_results.fingerprint import digest_of

from .lens_states import answered_states, cluster_of, prompt_kinds
from .sample import Request
from .transformers_engine import TransformersEngine
from .unfinished import SAVE_EVERY, UNFINISHED, Resumable, Unfinished, batch_order

__all__ = ["LearningPlan", "LensData", "Progress", "learn_lens", "learning_settings", "pictures_of", "split_by_cluster"]

Progress = Callable[[str, int, int, Mapping[str, float]], object]
"""(what is done, how much of it, of how much, figures by name): called after each piece of work."""

_DTYPES = {"float16": torch.float16, "float32": torch.float32}


@dataclass(frozen=True)
class LensData:
    """Prompts to learn from and prompts to measure on, which share no picture.

    Attributes:
        train: the first ones.
        held_out: the others.
        train_named, held_out_named: what they are, in words.
        shown: digests of what the first ones show, one each (`lens_states.cluster_of`).
    """

    train: Sequence[Request] = field(repr=False)
    held_out: Sequence[Request] = field(repr=False)
    train_named: str
    held_out_named: str
    shown: Sequence[str] = field(repr=False)


@dataclass(frozen=True)
class LearningPlan:
    """How a lens is learnt.

    Attributes:
        kind: tuned or jacobian.
        recipe: of a tuned lens.
        batch_size: prompts of a step.
        max_new_tokens: of the answer that follows each prompt.
        dtype: float16 or float32: in which the maps are kept; what is measured is measured after this rounding.
        seed: of the order of the prompts.
    """

    kind: str = "tuned"
    recipe: Recipe = field(default_factory=Recipe)
    batch_size: int = 16
    max_new_tokens: int = 16
    dtype: str = "float16"
    seed: int = 0


class _Fit(Resumable, Protocol):
    """A lens while it is learnt."""

    def maps(self, kind: str, dtype: torch.dtype = ...) -> AffineMaps | None: ...


def learn_lens(
    engine: TransformersEngine,
    data: LensData,
    plan: LearningPlan,
    folder: Path,
    *,
    model_name: str,
    start: AffineLens | None = None,
    progress: Progress = lambda what, done, total, figures: None,
) -> HeldOut:
    """Learn a lens, measure it, and write its folder; what was begun there with the same settings goes on.

    Args:
        engine: with a lens, which says what the parts of the model are.
        data: prompts.
        plan: how.
        folder: where the lens is written, and what is unfinished before.
        model_name: for messages of who reads the folder.
        start: a tuned lens to begin with.
        progress: is told how far it is.

    Returns:
        The quality of the lens that was written.

    Raises:
        LensFileError: the folder holds a lens, or one that was begun with other settings; nothing was learnt of text.
        CaptureError, InputError: see `lens_engine.lens_states`.
    """
    assert engine.lens is not None
    parts, unembed = engine.lens.parts, engine.lens.unembedding
    if (folder / DESCRIPTION).exists():
        raise LensFileError(f"{folder} holds a lens already; choose another folder")
    settings = {**learning_settings(engine, data, plan), "start": None if start is None else start.digest}
    unfinished = Unfinished(folder / UNFINISHED, settings)
    fit: _Fit
    if plan.kind == "jacobian":
        fit = _learn_jacobian(engine, data.train, plan, unfinished, progress)
    else:
        fit = _learn_tuned(engine, TunedFit(unembed, plan.recipe), data.train, plan, start, unfinished, progress)
    dtype = _DTYPES[plan.dtype]
    text, images = fit.maps(TEXT, dtype), fit.maps(IMAGE, dtype)
    if text is None:
        raise LensFileError("no text position was seen, so there is nothing to read answers with")
    held_out = _measured(engine, Measuring(unembed, text, images), data, plan, progress)
    recipe = {**({} if plan.kind == "jacobian" else asdict(plan.recipe)), "batch_size": plan.batch_size}
    recipe |= {"prompts": len(data.train), "max_new_tokens": plan.max_new_tokens, "seed": plan.seed}
    recipe |= {} if start is None else {"start": start.digest}
    write_lens(folder, LensFile(plan.kind, text, images, held_out, data.train_named, recipe), parts, model_name)
    unfinished.remove()
    return held_out


def pictures_of(requests: Sequence[Request], progress: Progress) -> list[str]:
    """A digest of what each request shows, see `lens_states.cluster_of`; `progress` is told how many were looked at."""
    found = []
    for place, request in enumerate(requests):
        found.append(cluster_of(request.sample()))
        progress("pictures looked at", place + 1, len(requests), {})
    return found


def split_by_cluster(clusters: Sequence[str], n_held_out: int, share: float | None) -> tuple[list[int], list[int]]:
    """Places of the prompts to learn from, and of those to measure on; no picture is in both.

    Args:
        clusters: what each prompt shows, see `pictures_of`.
        n_held_out: so many of the last ones are to be measured on; prompts before them about the same pictures are
            left out of both.
        share: without such, the share of the pictures that are measured on. A picture goes where the digest of its
            pixels says, whatever else is in the data.
    """
    if share is not None:
        held = {cluster for cluster in clusters if _drawn(cluster) < share}
        return _places(clusters, held, False), _places(clusters, held, True)
    first = len(clusters) - n_held_out
    return _places(clusters[:first], set(clusters[first:]), False), list(range(first, len(clusters)))


def _drawn(cluster: str) -> float:
    return int.from_bytes(hashlib.sha256(cluster.encode()).digest()[:8], "big") / 2**64


def _places(clusters: Sequence[str], some: set[str], among: bool) -> list[int]:
    return [place for place, cluster in enumerate(clusters) if (cluster in some) == among]


def _learn_tuned(
    engine: TransformersEngine,
    fit: TunedFit,
    requests: Sequence[Request],
    plan: LearningPlan,
    start: AffineLens | None,
    unfinished: Unfinished,
    progress: Progress,
) -> TunedFit:
    if start is not None:
        fit.start_from(TEXT, start.text)
        if start.images is not None:
            fit.start_from(IMAGE, start.images)
    unfinished.load(fit)
    order = batch_order(len(requests), plan.batch_size, plan.seed)
    for step in range(plan.recipe.steps):
        places = next(order)
        if step < fit.step:
            continue
        samples = [requests[place].sample() for place in places]
        losses = fit.take(answered_states(engine, samples, plan.max_new_tokens))
        if fit.step % SAVE_EVERY == 0:
            unfinished.save(fit)
        progress("steps", fit.step, plan.recipe.steps, losses)
    unfinished.save(fit)
    return fit


def _learn_jacobian(
    engine: TransformersEngine,
    requests: Sequence[Request],
    plan: LearningPlan,
    unfinished: Unfinished,
    progress: Progress,
) -> JacobianFit:
    assert engine.lens is not None
    fit = JacobianFit()
    unfinished.load(fit)
    for begin in range(fit.prompts, len(requests), plan.batch_size):
        samples = [request.sample() for request in requests[begin : begin + plan.batch_size]]
        fit.take(engine.model, engine.lens.parts, *prompt_kinds(engine, samples))
        unfinished.save(fit)
        progress("prompts", fit.prompts, len(requests), {})
    return fit


def _measured(
    engine: TransformersEngine, measuring: Measuring, data: LensData, plan: LearningPlan, progress: Progress
) -> HeldOut:
    assert engine.lens is not None
    for begin in range(0, len(data.held_out), plan.batch_size):
        samples = [request.sample() for request in data.held_out[begin : begin + plan.batch_size]]
        measuring.take(answered_states(engine, samples, plan.max_new_tokens))
        progress("held-out prompts", begin + len(samples), len(data.held_out), {})
    return measuring.held_out(data.held_out_named, engine.lens.dtype)


def learning_settings(engine: TransformersEngine, data: LensData, plan: Any) -> dict[str, Any]:
    """What something that is learnt of a model depends on: a plan (a dataclass), the model and the data.

    Each is a JSON value or a digest, for `unfinished.Unfinished`.
    """
    assert engine.lens is not None
    return {
        "plan": asdict(plan),
        "model": content_digest({"values": model_values(engine.lens.parts)}),
        "data": digest_of(
            [data.train_named, list(data.shown), [[*request.key, request.prompt] for request in data.train]]
        ),
    }
