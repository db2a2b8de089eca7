"""The per-layer arrays of one answer position, as the scalar metrics take them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from lens_models.metrics import candidates
from lens_models.metrics.arrays import Bools, Floats, Ints

__all__ = ["LayerReadout"]


@dataclass(frozen=True, eq=False)
class LayerReadout:
    """What the lens read at the recorded layers, at the position that predicts the answer.

    The arrays belong to the caller; nothing here changes them. Logarithms are natural, entropies and divergences in
    nats. A value that could not be read is NaN and makes the metrics that need it missing.

    Attributes:
        layer_index: int [layers], rising. 0 is the embedding output (if recorded), l in 1..L the output of block l.
        n_layers: L, the number of decoder blocks of the model. Relative depth is ``layer_index / n_layers``.
        cand_scores: float [layers, C], z_l(c): logsumexp of the layer's logits over the surface variants of candidate
            c; of ``sequences`` the log-probability of the whole candidate. C is 0 when the task has no candidates.
        cand_mass: float [layers], probability of all variants of all candidates together, in [0, 1].
        logprob_pred: float [layers], log p_l of the first token of the answer given, over the whole vocabulary.
        entropy: float [layers], H(p_l) over the whole vocabulary.
        jsd_last: float [layers], Jensen-Shannon divergence between p_l and p_L.
        top1_ids: int [layers], the token of the highest logit.
        pred_index: Which candidate was answered; None when the answer is outside the candidate set.
        candidates_fixed: True when the candidates were known without looking at the gold answer (yes/no, the options
            of the question). False on open tasks, where they are the answer given and the gold answer: then they say
            whether the answer is right, and no label-free metric may look at them.
        pred_token: Token id of the answer given, used in place of the candidates where there are none that may be
            looked at; None when unknown.
        sequences: The candidates were scored as whole token sequences. Their mass is a product over all tokens and
            falls with their number, so no threshold on it says what a layer is about: theta is not applied.

    Raises:
        ValueError: Shapes disagree, the layers do not rise, or an index is out of range.
    """

    layer_index: Ints
    n_layers: int
    cand_scores: Floats
    cand_mass: Floats
    logprob_pred: Floats
    entropy: Floats
    jsd_last: Floats
    top1_ids: Ints
    pred_index: int | None = None
    candidates_fixed: bool = True
    pred_token: int | None = None
    sequences: bool = False

    def __post_init__(self) -> None:
        index = self.layer_index
        if index.ndim != 1 or index.size == 0:
            raise ValueError(f"layer_index is a non-empty array [layers], found shape {index.shape}")
        if np.any(np.diff(index) <= 0) or index[0] < 0 or index[-1] > self.n_layers:
            raise ValueError(f"layer_index rises within 0..{self.n_layers}, found {index.tolist()}")
        if self.cand_scores.ndim != 2 or self.cand_scores.shape[0] != index.size:
            raise ValueError(f"cand_scores is [{index.size} layers, candidates], found shape {self.cand_scores.shape}")
        for name in ("cand_mass", "logprob_pred", "entropy", "jsd_last", "top1_ids"):
            shape = getattr(self, name).shape
            if shape != index.shape:
                raise ValueError(f"{name} is [{index.size} layers], found shape {shape}")
        if self.pred_index is not None and not 0 <= self.pred_index < self.n_candidates:
            raise ValueError(f"pred_index is None or below {self.n_candidates} candidates, found {self.pred_index}")

    @property
    def n_candidates(self) -> int:
        """C, the number of candidates."""
        return int(self.cand_scores.shape[1])

    def heavy(self, theta: float) -> Bools:
        """bool [layers], the layers that are about the candidates: mass above theta; all of them for ``sequences``."""
        if self.sequences:
            return np.ones(self.layer_index.shape, dtype=np.bool_)
        return np.asarray(self.cand_mass > theta)

    # several metrics look at each of the following

    @cached_property
    def readable(self) -> bool:
        """Whether every layer holds usable candidate scores."""
        return candidates.readable(self.cand_scores)

    @cached_property
    def leaders(self) -> NDArray[np.int64]:
        """int [layers], the leading candidate of each layer, see ``candidates.leaders``; needs C >= 2."""
        return candidates.leaders(self.cand_scores)

    @cached_property
    def shares(self) -> NDArray[np.float64]:
        """float [layers, C], q_l(c); needs readable scores."""
        return candidates.shares(self.cand_scores)

    @cached_property
    def margins(self) -> NDArray[np.float64]:
        """float [layers, C], each candidate's lead over the best other one, in nats; needs C >= 2."""
        return candidates.margins(self.cand_scores)

    @cached_property
    def depth(self) -> Floats:
        """float [layers], relative depth in [0, 1]."""
        return np.asarray(self.layer_index / self.n_layers, dtype=np.float64)

    @property
    def has_last(self) -> bool:
        """Whether the last decoder block was recorded."""
        return int(self.layer_index[-1]) == self.n_layers

    @cached_property
    def upper_half(self) -> Bools:
        """bool [layers], the layers with l > L / 2; the last layer is one of them."""
        return np.asarray(2 * self.layer_index > self.n_layers)

    @cached_property
    def lower_half(self) -> Bools:
        """bool [layers], the blocks with 1 <= l <= L / 2; neither the embedding output nor the last layer is one."""
        index = self.layer_index
        return np.asarray((index >= 1) & (2 * index <= self.n_layers))
