"""The decoders: from the candidates' shares at each layer to an answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lens_report.measures.candidates import leaders
from lens_report.measures.decoders.readouts import Readouts

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
PLAUSIBLE = 0.1
"""Least share, relative to the largest, with which a contrast may still choose a candidate (DoLa's and VCD's cut)."""
ALPHAS = (0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0)
"""Strengths of the image contrast that are tried; 0 is the final layer itself, VCD's own setting is 1."""


@dataclass(frozen=True)
class Rule:
    """A decoder.

    Attributes:
        name: As printed.
        about: What it answers, in words.
        grid: The settings to choose from, the one that changes least first; one setting when nothing is chosen, none
            when the record does not allow the decoder.
        answers: Answers with a setting, int [n], -1 where none leads.
        setting: What the setting is called; empty when nothing is chosen.
        missing: Why `grid` may be empty.
    """

    name: str
    about: str
    grid: Callable[[Readouts], tuple[float, ...]]
    answers: Callable[[Readouts, float], Ints]
    setting: str = ""
    missing: str = ""


def final_layer(readout: Readouts) -> Ints:
    """The candidate that leads the last layer: argmax z_N."""
    return leaders(readout.log_q[:, -1])


def mean_of_upper(readout: Readouts, setting: float = 0.0) -> Ints:
    """The candidate with the largest mean share over the upper half of the layers (l > N / 2)."""
    return leaders(np.exp(readout.log_q[:, readout.upper]).mean(axis=1))


def single_layer(readout: Readouts, layer: float) -> Ints:
    """The candidate that leads one layer."""
    return leaders(readout.log_q[:, readout.place(layer)])


def dola(readout: Readouts, setting: float = 0.0) -> Ints:
    """Contrast of the last layer with the early layer that is farthest from it in this sample.

    DoLa (Chuang et al. 2023, arXiv:2309.03883) on the candidates alone: the premature layer M has the largest
    Jensen-Shannon divergence of q_M from q_N among the blocks of the lower half, and the answer maximises
    log q_N - log q_M over the candidates with q_N >= 0.1 max q_N.
    """
    early = readout.log_q[:, readout.lower]
    last = np.broadcast_to(readout.log_q[:, [-1]], early.shape)
    premature = divergence(early, last).argmax(axis=1)
    return _contrast(readout, np.take_along_axis(early, premature[:, None, None], axis=1)[:, 0])


def dola_static(readout: Readouts, layer: float) -> Ints:
    """DoLa with the same early layer in every sample."""
    return _contrast(readout, readout.log_q[:, readout.place(layer)])


def image_contrast(readout: Readouts, alpha: float) -> Ints:
    """(1 + alpha) log q_N with the image minus alpha log q_N with a blank one, over plausible candidates.

    In the manner of visual contrastive decoding (VCD, Leng et al. 2023, arXiv:2311.16922), which distorts the image
    where this control blanks it.
    """
    if readout.blank is None:
        raise ValueError("found no blank control, which the image contrast needs")
    own = readout.log_q[:, -1]
    with np.errstate(invalid="ignore"):
        value = (1 + alpha) * own - alpha * readout.blank
    return leaders(np.where(_plausible(own), value, -np.inf))


def divergence(a: Floats, b: Floats) -> Floats:
    """Jensen-Shannon divergence in nats of two log distributions, float [..., C] -> float [...]."""
    middle = np.logaddexp(a, b) - np.log(2)
    with np.errstate(invalid="ignore"):
        parts = [np.where(np.isfinite(one), np.exp(one) * (one - middle), 0.0).sum(axis=-1) for one in (a, b)]
    return np.asarray((parts[0] + parts[1]) / 2)


def _contrast(readout: Readouts, premature: Floats) -> Ints:
    own = readout.log_q[:, -1]
    with np.errstate(invalid="ignore"):
        value = own - premature
    return leaders(np.where(_plausible(own), value, -np.inf))


def _plausible(own: Floats) -> NDArray[np.bool_]:
    return np.asarray(own >= np.log(PLAUSIBLE) + own.max(axis=-1, keepdims=True))


def _once(readout: Readouts) -> tuple[float, ...]:
    return (0.0,)


def _layers_from_the_last(readout: Readouts) -> tuple[float, ...]:
    return tuple(float(layer) for layer in readout.layers[::-1] if layer > 0)


def _early_layers(readout: Readouts) -> tuple[float, ...]:
    return tuple(float(layer) for layer in readout.layers[readout.lower])


NO_EARLY = "no block of the lower half was recorded"
RULES = (
    Rule("mean of the upper layers", "largest mean share over the upper half of the layers", _once, mean_of_upper),
    Rule(
        "best layer",
        "leader of one layer, which may be the last",
        _layers_from_the_last,
        single_layer,
        setting="layer",
    ),
    Rule(
        "DoLa contrast",
        "last layer against the early layer farthest from it in each sample",
        lambda readout: (0.0,) if readout.lower.any() else (),
        dola,
        missing=NO_EARLY,
    ),
    Rule(
        "DoLa contrast, fixed layer",
        "last layer against the same early layer in all samples",
        _early_layers,
        dola_static,
        setting="early layer",
        missing=NO_EARLY,
    ),
    Rule(
        "image minus blank",
        "last layer with the image against the last layer with a blank one",
        lambda readout: ALPHAS if readout.blank is not None else (),
        image_contrast,
        setting="alpha",
        missing="no blank control was recorded; run with lens_controls=blank",
    ),
)
"""Every decoder that is compared with the final layer, listed before any data are seen."""
