"""Where each written step looks, against the boxes of the step of its document's program."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from lens_models.candidates import candidate_tokens
from lens_models.image_tokens import ImageTokens
from lens_models.image_tokens.boxes import Boxes, box_figures, covered
from lens_models.probes import Answered, StepRegions
from lens_tasks.surface import word_forms

from .controls import ControlCost
from .engine import Lens, Tokens
from .failures import failure
from .image_maps import Observed, in_levels
from .linked_steps import LinkedSteps, NotLinkedError, elsewhere, in_pictures, linked_steps
from .observations import Watched
from .steps import Thought

__all__ = ["STEP_REGIONS", "StepRegionReader"]

STEP_REGIONS = StepRegions.name
Floats = npt.NDArray[np.float32]
_FIGURES = ("lift", "pointing", "auroc")
_NOT_KEPT = "the attention at the end of a step was not kept"


class StepRegionReader:
    """Reads where written steps look; docs/reasoning.md defines all of it. The model does not run again.

    Args:
        lens: the proven lens of the model.
    """

    def __init__(self, lens: Lens) -> None:
        self._lens = lens
        self.cost = ControlCost()

    def add(self, observed: Observed, thought: Thought) -> None:
        """See `ReadsSteps`; what the arrays are stands in docs/record-format.md."""
        watched = thought.watched
        probe = next((each for each in watched.probes if isinstance(each, StepRegions)), None) if watched else None
        if watched is None or probe is None:
            return
        try:
            with self.cost.counting(self._lens):
                arrays = self._read(thought, watched, probe)
        except NotLinkedError as why:
            observed.status[STEP_REGIONS] = ": ".join(why.args)
        except Exception as error:  # the answer is given; what this alone cannot do becomes its status
            observed.status[STEP_REGIONS] = f"failed: {failure(error).reason}"
        else:
            assert watched.tokens is not None
            observed.probes[STEP_REGIONS] = arrays
            observed.probes.setdefault(
                "tokens", {"boxes": watched.tokens.boxes, "image": watched.tokens.image.astype(np.float32)}
            )
            observed.gold_based |= _scalars(arrays)
            observed.status[STEP_REGIONS] = "ok" if "map" in arrays else f"partial: {_NOT_KEPT}"
            self.cost.samples += 1

    def _read(self, thought: Thought, watched: Watched, probe: StepRegions) -> dict[str, Any]:
        linked, tokens = linked_steps(thought), in_pictures(watched.tokens)
        stored = _stored_boxes(linked)
        if "box" not in stored:
            raise NotLinkedError("no_box", "no step of the program is about an object that has a box")
        found = self._looks(linked, tokens, probe, Answered(watched.row, watched.rows()))
        if not found:
            raise NotLinkedError("not_kept", _NOT_KEPT)
        return stored | found

    def _looks(
        self, linked: LinkedSteps, tokens: ImageTokens, probe: StepRegions, answered: Answered
    ) -> dict[str, Any]:
        """Maps and their figures against the boxes of the step, and of other steps that lie elsewhere."""
        thought = linked.thought
        found: dict[str, Any] = {}
        last = probe.looked(answered, thought.ends)
        maps = {
            "attention": _numbered(last),
            "mean attention": _numbered(self._means(thought, probe, answered)),
            "words": self._said(linked, probe, answered),
        }
        for name, own in maps.items():
            found |= _against(name, own, linked.boxes, tokens)
        return found if last is None else found | {"map": in_levels(last)}

    def _means(self, thought: Thought, probe: StepRegions, answered: Answered) -> Any:
        maps = [
            probe.looked(answered, range(begin + 1, end + 1))
            for begin, end in zip(thought.begins, thought.ends, strict=True)
        ]
        known = [each.mean(axis=0) for each in maps if each is not None]
        return np.stack(known) if len(known) == len(maps) else None

    def _said(self, linked: LinkedSteps, probe: StepRegions, answered: Answered) -> dict[int, Any]:
        """Step number -> map of the words of the object or attribute that it states; of others there is none."""
        found = {}
        for number, step in enumerate(linked.program):
            if step.function == "unique" or step.function.startswith("query_"):
                said = probe.words(replace(answered, words=_words(linked, number)))
                if said is not None:
                    found[number] = said
        return found


def _words(linked: LinkedSteps, number: int) -> dict[str, Tokens]:
    """The words of what a step states, as it writes them, with the tokens that may begin them."""
    start, stated = linked.thought.reasoning.segments[number][0], linked.stated[number]
    text = linked.thought.text[start + stated.start : start + stated.end]
    tokenizer = linked.thought.tokenizer
    return {word: candidate_tokens(tokenizer, [word_forms([word])]).ids[0] for word in re.findall(r"\w+", text)}


def _numbered(maps: Any) -> dict[int, Any]:
    return {} if maps is None else dict(enumerate(maps))


def _against(name: str, maps: Mapping[int, Any], boxes: Sequence[Boxes], tokens: ImageTokens) -> dict[str, Floats]:
    """`NAME` `[k, 4]`: number of a step, lift, pointing, AUROC of its map, for steps whose boxes hold image tokens.

    `NAME null` has the means of the same map in the boxes of other steps that lie elsewhere.
    """
    own: list[list[float]] = []
    null: list[list[float]] = []
    for number, heat in maps.items():
        figures = _figures(heat, boxes[number], tokens)
        if figures is None:
            continue
        own.append([number, *figures])
        others = [found for there in elsewhere(boxes, number) if (found := _figures(heat, there, tokens)) is not None]
        if others:
            null.append([number, *np.mean(others, axis=0)])
    both = {name: own, f"{name} null": null}
    return {each: np.asarray(rows, dtype=np.float32) for each, rows in both.items() if rows}


def _figures(heat: Any, boxes: Boxes, tokens: ImageTokens) -> list[float] | None:
    if not boxes:
        return None
    found = box_figures(heat, covered(tokens, boxes))
    values = [float(getattr(found, name)[0]) for name in _FIGURES]
    return values if np.isfinite(values).all() else None


def _stored_boxes(linked: LinkedSteps) -> dict[str, Any]:
    """`result`, and of the boxes of all steps `box` `[boxes, 4]` in shares, `box of` `[boxes, 2]`: step and picture."""
    rows = [
        (number, image, box)
        for number, own in enumerate(linked.boxes) for image, boxes in own.items() for box in boxes
    ]  # fmt: skip
    found = linked.stored()
    if rows:
        found["box"] = np.asarray([box for *_, box in rows], dtype=np.float32)
        found["box of"] = np.asarray([each[:2] for each in rows], dtype=np.float32)
    return found


def _scalars(arrays: Mapping[str, Any]) -> dict[str, float | None]:
    """Means over the steps of a response."""
    found: dict[str, float | None] = {}
    for prefix, name in (("", "attention"), ("mean_", "mean attention"), ("word_", "words")):
        for null in ("", "null"):
            rows = arrays.get(f"{name} {null}".strip())
            if rows is not None:
                means = rows[:, 1:].mean(axis=0)
                found |= {
                    f"{'null_' if null else ''}{prefix}step_{figure}": float(value)
                    for figure, value in zip(_FIGURES, means, strict=True)
                }
    return found
