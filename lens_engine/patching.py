"""Is the answer where a lens reads it? The answer position's residual of one picture, put into a run with another one.

For a question and two pictures to which the model answers differently: at which layers does the residual of the first
picture's run, put into the second one's at the position that predicts the answer, make the model give the first one's
answer (causally there), and at which layers does a lens read it (readable there)?
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lens_models import Unembedding
from lens_models.interventions import changed
from lens_models.interventions.patch import Patch
from lens_models.lenses import Lens
from lens_models.probes import ResidualCapture

from .lens_states import cluster_of
from .sample import Sample
from .transformers_engine import TransformersEngine

__all__ = ["Patched", "depths", "patch_pairs"]

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Patched:
    """Pairs of pictures to which a question has different answers; all arrays are `[pairs, L]`, layers 1 to L.

    Attributes:
        n_asked: pairs that were looked at, those with one answer included.
        clusters: the picture of each pair whose run is changed.
        moved: whether the answer of the other picture is the likelier one of the two when the layer is patched.
        restored: (d - d_own) / (d_other - d_own) of the log-odds d of the other picture's answer against the own one.
        read: lens -> whether it reads the answer of each of the two runs as the likelier one of the two there. Of one
            run alone a lens that always reads the same answer would be right in every other pair.
    """

    n_asked: int
    clusters: tuple[str, ...]
    moved: Flags = field(repr=False)
    restored: Floats = field(repr=False)
    read: Mapping[str, Flags] = field(repr=False)


def depths(held: Flags) -> Floats:
    """`[pairs]`: the first layer from which it holds to the end, from 1; NaN where it does not hold at the end."""
    lasting = np.flip(np.logical_and.accumulate(np.flip(held, axis=1), axis=1), axis=1)
    return np.where(lasting.any(axis=1), lasting.argmax(axis=1) + 1.0, np.nan)


@torch.no_grad()
def patch_pairs(
    engine: TransformersEngine, samples: Sequence[Sample], lenses: Mapping[str, Lens], batch_size: int
) -> Patched:
    """Ask each sample's question about its own picture and about the next sample's, and patch one run into the other.

    Args:
        engine: with a lens.
        samples: each with one picture or more, as many as the others.
        lenses: name -> what reads the layers.
        batch_size: pairs at a time.

    Raises:
        CaptureError, InputError: a prompt cannot be encoded, or the layers did not run.
    """
    assert engine.lens is not None
    others = [_with_another_picture(samples, place) for place in range(len(samples))]
    pairs = [(one, other) for one, other in zip(samples, others, strict=True) if other is not None]
    clusters: list[str] = []
    found: list[tuple[Tensor, Tensor, dict[str, Tensor]]] = []
    for start in range(0, len(pairs), batch_size):
        batch = pairs[start : start + batch_size]
        tokens = [_answers(engine, [pair[side] for pair in batch]) for side in (0, 1)]
        differing = [pair for pair, own, other in zip(batch, *tokens, strict=True) if own != other]
        if differing:
            clusters += [cluster_of(own) for own, _ in differing]
            found.append(_patched(engine, differing, lenses))
    none = torch.zeros(0, engine.lens.parts.n_layers)
    moved = torch.cat([none > 0, *(each[0] for each in found)]).numpy()
    restored = torch.cat([none, *(each[1] for each in found)]).double().numpy()
    read = {name: torch.cat([none > 0, *(each[2][name] for each in found)]).numpy() for name in lenses}
    return Patched(len(pairs), tuple(clusters), moved, restored, read)


def _with_another_picture(samples: Sequence[Sample], place: int) -> Sample | None:
    """The same question about the pictures of the next sample that shows others; None where there is none."""
    own = samples[place]
    for step in range(1, len(samples)):
        other = samples[(place + step) % len(samples)]
        if len(other.media.images) == len(own.media.images) and cluster_of(other) != cluster_of(own):
            return own.under(other.media.images)
    return None


def _run(engine: TransformersEngine, samples: Sequence[Sample], changes: Sequence[Any] = ()) -> tuple[Tensor, Tensor]:
    """Residuals `[L, rows, d]` of layers 1 to L at the last position, and logits `[rows, V]`, fp32, of one pass."""
    assert engine.lens is not None
    parts, inputs = engine.lens.parts, engine.prompts.encode(samples)
    with changed(parts, changes), ResidualCapture(parts) as trace:
        logits = engine.model(**inputs).logits[:, -1]
    return trace.steps[0], logits.float()


def _answers(engine: TransformersEngine, samples: Sequence[Sample]) -> list[int]:
    found: list[int] = _run(engine, samples)[1].argmax(-1).tolist()
    return found


def _patched(
    engine: TransformersEngine, pairs: Sequence[tuple[Sample, Sample]], lenses: Mapping[str, Lens]
) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """`moved`, `restored` and `read` of `Patched`."""
    assert engine.lens is not None
    own, other = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    (own_residual, plain), (residual, target) = _run(engine, own), _run(engine, other)
    tokens = torch.stack([target.argmax(-1), plain.argmax(-1)], dim=-1)

    def odds(logits: Tensor) -> Tensor:
        """`[..., rows]` of `[..., rows, V]`: log-odds of the other picture's answer against the own one."""
        both = logits.gather(-1, tokens.to(logits.device).expand(*logits.shape[:-1], 2))
        return (both[..., 0] - both[..., 1]).cpu()

    layers = range(1, engine.lens.parts.n_layers + 1)
    under = torch.stack([odds(_run(engine, own, [Patch(layer, residual[layer - 1])])[1]) for layer in layers], dim=1)
    start, end = odds(plain)[:, None], odds(target)[:, None]
    unembed = Unembedding(engine.lens.parts, transform=engine.lens.transform)
    read = {
        name: ((odds(unembed(lens(residual, layers))) > 0) & (odds(unembed(lens(own_residual, layers))) < 0)).T
        for name, lens in lenses.items()
    }
    return under > 0, (under - start) / (end - start), read
