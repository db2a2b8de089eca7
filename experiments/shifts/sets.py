"""The data sets: the bundled benchmarks, and the same with other pictures or other prompts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow.parquet as pq
from PIL import Image, ImageFilter

import lens_tasks
from lens_tasks.images import to_image
from lens_tasks.scenes.instructions import RUCLEVR, WEIRD
from lens_tasks.vocabulary import CLEVR
from lens_tasks.vocabulary import RUCLEVR as RUCLEVR_ANSWERS

MINIS: Final = Path(lens_tasks.__file__).parent / "minis"
TAIL: Final = "\nAnswer the question using a single word or phrase."
SAMPLES: Final = 120
"""Questions of each set: every k-th of its benchmark, so that all kinds of questions are there."""

Change = Callable[[Image.Image, np.random.Generator], Image.Image]
Document = Mapping[str, Any]


@dataclass(frozen=True)
class ShiftedSet:
    """Questions of a benchmark, its pictures changed.

    Attributes:
        name: Of the set; what stands before the first underscore is the benchmark.
        about: In words.
        prompt: Text around the question of an English benchmark, or the instruction of a Russian one.
        change: What is done to each picture; None leaves it.
        start: First question that is taken: sets of one benchmark with other starts share no question.
    """

    name: str
    about: str
    prompt: str
    change: Change | None = None
    start: int = 0

    def questions(self) -> list[dict[str, Any]]:
        """Arguments of `VisionLanguageModel.ask`, the same in every call."""
        documents: Sequence[Document] = pq.read_table(MINIS / f"{self.name.split('_')[0]}_mini.parquet").to_pylist()
        step = len(documents) // SAMPLES
        rng = np.random.default_rng([int.from_bytes(self.name.encode(), "little") % 2**32, SAMPLES])
        return [self._question(doc, rng) for doc in documents[self.start % step :: step][:SAMPLES]]

    def _question(self, doc: Document, rng: np.random.Generator) -> dict[str, Any]:
        image = to_image(doc["image"] if "image" in doc else doc["inputs"]["image"])
        if self.change is not None:
            image = self.change(image, rng)
        if "instruction" in doc:
            text = self.prompt.replace("<image>\n", "").format(**doc["inputs"])
            labels = ("A", "B") if "option_a" in doc["inputs"] else tuple(each.label for each in RUCLEVR_ANSWERS)
            return {"image": image, "question": text, "candidates": labels, "gold": doc["outputs"]}
        labels = ("yes", "no") if "category" in doc else tuple(each.label for each in CLEVR)
        text = self.prompt.format(question=doc["question"].strip())
        return {"image": image, "question": text, "candidates": labels, "gold": doc["answer"]}


def blur(radius: float) -> Change:
    """Gaussian blur of so many pixels; the pictures are 64 x 64."""
    return lambda image, _: image.filter(ImageFilter.GaussianBlur(radius))


def noise(strength: float) -> Change:
    """Gaussian noise on every value, of so many grey levels of 255."""

    def change(image: Image.Image, rng: np.random.Generator) -> Image.Image:
        values = np.asarray(image, dtype=np.float64)
        noisy = values + rng.normal(scale=strength, size=values.shape)
        return Image.fromarray(np.clip(np.rint(noisy), 0, 255).astype(np.uint8))

    return change


def crop(share: float) -> Change:
    """The middle of the picture, of so large a share of each side, as large as the whole was: other sizes, and what
    stood at the edge is gone."""

    def change(image: Image.Image, _: np.random.Generator) -> Image.Image:
        width, height = image.size
        left, top = round(width * (1 - share) / 2), round(height * (1 - share) / 2)
        return image.crop((left, top, width - left, height - top)).resize((width, height), Image.Resampling.BILINEAR)

    return change


def small(share: float) -> Change:
    """The picture made smaller on grey: solids of sizes that are in no training picture."""

    def change(image: Image.Image, _: np.random.Generator) -> Image.Image:
        width, height = image.size
        inner = image.resize((round(width * share), round(height * share)), Image.Resampling.BILINEAR)
        canvas = Image.new("RGB", (width, height), (160, 160, 160))
        canvas.paste(inner, ((width - inner.width) // 2, (height - inner.height) // 2))
        return canvas

    return change


def hue(turn: int) -> Change:
    """All hues turned by so many of 256 steps: colours that are in no training picture."""

    def change(image: Image.Image, _: np.random.Generator) -> Image.Image:
        bands = list(image.convert("HSV").split())
        bands[0] = bands[0].point(lambda value: (value + turn) % 256)
        return Image.merge("HSV", bands).convert("RGB")

    return change


_PLAIN: Final = "{question}" + TAIL
_OTHER: Final = "Look at the picture.\nQuestion: {question}\nAnswer:"
SETS: Final = (
    ShiftedSet("pope", "as it is", _PLAIN),
    ShiftedSet("pope_blur1", "blurred, 1 pixel", _PLAIN, blur(1.0), 1),
    ShiftedSet("pope_blur2", "blurred, 2 pixels", _PLAIN, blur(2.0), 2),
    ShiftedSet("pope_noise", "noise of 30 grey levels", _PLAIN, noise(30.0), 3),
    ShiftedSet("pope_crop", "the middle 80 % of each side", _PLAIN, crop(0.8), 4),
    ShiftedSet("pope_small", "at 70 % of the size, on grey", _PLAIN, small(0.7), 1),
    ShiftedSet("pope_hue", "hues turned by 25 degrees", _PLAIN, hue(18), 2),
    ShiftedSet("pope_prompt", "another prompt", _OTHER, None, 3),
    ShiftedSet("clevr", "as it is", _PLAIN),
    ShiftedSet("clevr_blur", "blurred, 1.5 pixels", _PLAIN, blur(1.5), 1),
    ShiftedSet("clevr_crop", "the middle 85 % of each side", _PLAIN, crop(0.85), 3),
    ShiftedSet("clevr_prompt", "another prompt", _OTHER, None, 4),
    ShiftedSet("ruclevr", "in Russian", RUCLEVR[1]),
    ShiftedSet("ruclevr_blur", "in Russian, blurred, 1 pixel", RUCLEVR[1], blur(1.0), 1),
    ShiftedSet("weird", "in Russian, letters", WEIRD[1]),
    ShiftedSet("weird_noise", "in Russian, letters, noise of 20 grey levels", WEIRD[1], noise(20.0), 1),
)
"""Sets of one benchmark take turns at its questions; those with the same start share questions, not pictures."""
