"""The models: the two bundled ones, and checkpoints made of them by a few lines of arithmetic.

None of the variants was trained: they stand for checkpoints of different quality and calibration, not for models that
somebody would use.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

import lens_models

FOLDER: Final = Path(lens_models.__file__).parent
BUNDLED: Final = ("lens_tiny", "lens_tiny_video")
WEIGHTS: Final = "model.safetensors"
FINAL_NORM: Final = "model.norm.weight"
Weights = dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Variant:
    """A checkpoint.

    Attributes:
        name: Of the model.
        about: What it is, in words.
        make: Weights of the two bundled models, by name -> its own; None for a bundled one.
    """

    name: str
    about: str
    make: Callable[[Mapping[str, Weights]], Weights] | None = None

    def write(self, folder: Path) -> Path:
        """The model's folder, made below `folder` unless it is a bundled one."""
        if self.make is None:
            return FOLDER / self.name
        target = folder / self.name
        shutil.copytree(FOLDER / BUNDLED[0], target, dirs_exist_ok=True)
        made = self.make({name: load_file(FOLDER / name / WEIGHTS) for name in BUNDLED})
        save_file(made, target / WEIGHTS, metadata={"format": "pt"})
        return target


def _noisy(strength: float, seed: int) -> Callable[[Mapping[str, Weights]], Weights]:
    """Gaussian noise on the matrices of the language model's blocks, in shares of each matrix's standard deviation."""

    def make(bundled: Mapping[str, Weights]) -> Weights:
        rng = np.random.default_rng(seed)
        weights = bundled[BUNDLED[0]]
        for name in sorted(weights):
            if _in_blocks(name) and weights[name].ndim == 2:
                spread = strength * float(weights[name].std())
                weights[name] = (weights[name] + rng.normal(scale=spread, size=weights[name].shape)).astype(np.float32)
        return weights

    return make


def _between(share: float) -> Callable[[Mapping[str, Weights]], Weights]:
    """The straight line from lens_tiny to lens_tiny_video, which was trained on from it, at so large a share."""

    def make(bundled: Mapping[str, Weights]) -> Weights:
        first, second = (bundled[name] for name in BUNDLED)
        return {name: ((1 - share) * first[name] + share * second[name]).astype(np.float32) for name in first}

    return make


def _sharpened(factor: float) -> Callable[[Mapping[str, Weights]], Weights]:
    """The final norm's weights times a factor, and with them all logits."""

    def make(bundled: Mapping[str, Weights]) -> Weights:
        weights = bundled[BUNDLED[0]]
        return {**weights, FINAL_NORM: (factor * weights[FINAL_NORM]).astype(np.float32)}

    return make


def _in_blocks(name: str) -> bool:
    return "layers" in name and "visual" not in name


MODELS: Final = (
    Variant("lens_tiny", "the bundled model for pictures"),
    Variant("lens_tiny_video", "the bundled model for videos, trained on from it"),
    Variant("noise_50", "lens_tiny with noise of 50 % on the blocks' matrices", _noisy(0.5, 1)),
    Variant("noise_65", "the same, 65 %", _noisy(0.65, 2)),
    Variant("noise_80", "the same, 80 %", _noisy(0.8, 3)),
    Variant("sharp", "lens_tiny with its final norm times 1.5: the same answers, more confident", _sharpened(1.5)),
    Variant("halfway", "the mean of the weights of the two bundled models", _between(0.5)),
)
