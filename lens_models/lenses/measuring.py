"""How far a lens's readouts are from the last layer's on held-out data, beside those of the logit lens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lens_models import distributions as dist
from lens_models.unembed import Unembedding

from .affine import IMAGE, AffineMaps
from .quality import Divergences, HeldOut
from .states import POSITION_KINDS, States, pieces

__all__ = ["Measuring"]

Floats = npt.NDArray[np.float64]
_LIMIT = 2**28


@dataclass
class Measuring:
    """Divergences summed up prompt by prompt.

    Attributes:
        unembed: of the model.
        text: maps of text positions, in the dtype in which they will be kept.
        images: those of image tokens, or None.
    """

    unembed: Unembedding
    text: AffineMaps
    images: AffineMaps | None
    _sums: dict[str, dict[str, Floats]] = field(default_factory=dict, repr=False)
    _counts: dict[str, dict[str, int]] = field(default_factory=dict, repr=False)

    @torch.no_grad()
    def take(self, batch: Sequence[States]) -> None:
        """Count prompts in."""
        for states in batch:
            for kind in POSITION_KINDS:
                maps = self.images if kind == IMAGE else self.text
                residual = states.of_kind(kind)
                if maps is not None and residual.shape[1]:
                    self._add(kind, states.cluster, self._divergences(maps, residual), residual.shape[1])

    def held_out(self, data: str, dtype: str) -> HeldOut:
        """What was found.

        Raises:
            ValueError: nothing was counted in.
        """
        if not self._sums:
            raise ValueError("no held-out positions")
        clusters = {cluster for own in self._counts.values() for cluster in own}
        by_kind = {kind: self._summary(kind) for kind in POSITION_KINDS if kind in self._sums}
        return HeldOut(data, len(clusters), dtype, tuple(sorted(self.text.weights)), by_kind)

    def _divergences(self, maps: AffineMaps, residual: Tensor) -> Floats:
        """`[2, layers]`: by the lens and by the logit lens, summed over positions."""
        layers, residual = sorted(maps.weights), residual.to(self.unembed.device)
        found = np.zeros((2, len(layers)))
        for rows in pieces(residual.shape[1], self.unembed.vocab_size, _LIMIT):
            last = torch.log_softmax(self.unembed(residual[-1, rows]), dim=-1)
            p = last.exp()
            for place, layer in enumerate(layers):
                plain = residual[layer, rows].unsqueeze(0)
                for by, hidden in enumerate((maps(plain, [layer]), plain)):
                    logp = torch.log_softmax(self.unembed(hidden[0]), dim=-1)
                    found[by, place] += float(dist.kl(last, logp, p).double().sum())
        return found

    def _add(self, kind: str, cluster: str, sums: Floats, count: int) -> None:
        own, counts = self._sums.setdefault(kind, {}), self._counts.setdefault(kind, {})
        own[cluster] = own.get(cluster, 0.0) + sums
        counts[cluster] = counts.get(cluster, 0) + count

    def _summary(self, kind: str) -> Divergences:
        """The standard error is that of a ratio of sums over clusters (linearised; Cochran 1977, ch. 6)."""
        sums = np.stack(list(self._sums[kind].values()))  # [clusters, 2, layers]
        counts = np.array(list(self._counts[kind].values()), dtype=np.float64)
        lens, logit = sums.sum(0) / counts.sum()
        apart = (sums[:, 0] - sums[:, 1]) - counts[:, None] * (lens - logit)
        n = len(counts)
        error = None
        if n > 1:
            error = tuple(map(float, np.sqrt((apart**2).sum(0) * n / (n - 1)) / counts.sum()))
        return Divergences(int(counts.sum()), tuple(map(float, lens)), tuple(map(float, logit)), error)
