"""The written steps of a response, number by number with the steps of its document's program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from lens_models.alignment import step_of_char
from lens_models.image_tokens import ImageTokens
from lens_models.image_tokens.boxes import LARGEST_OVERLAP, Boxes, overlap_of
from lens_tasks.program_steps import ProgramError, ProgramStep
from lens_tasks.regions import Box, BoxError, PlacedBox
from lens_tasks.stated_results import StatedResult, stated_result

from .steps import Thought

__all__ = ["LinkedSteps", "NotLinkedError", "elsewhere", "in_pictures", "linked_steps"]


class NotLinkedError(Exception):
    """Steps, or the places that they are about, are not there; args are one word and the reason."""


@dataclass(frozen=True)
class LinkedSteps:
    """The written steps of a response with the steps of its document's program, number by number.

    Attributes:
        thought: the response.
        program: a step of the program for each written one.
        stated: what each written step gives as its result.
        placed: the boxes of the document, or why they cannot be used.
    """

    thought: Thought
    program: tuple[ProgramStep, ...]
    stated: tuple[StatedResult, ...]
    placed: tuple[PlacedBox, ...] | NotLinkedError = field(repr=False)

    @cached_property
    def boxes(self) -> tuple[Boxes, ...]:
        """Of each step; empty for a step that is about no object.

        Raises:
            NotLinkedError: the boxes of the document cannot be used.
        """
        if isinstance(self.placed, NotLinkedError):
            raise self.placed
        return tuple(_boxes(step, self.placed) for step in self.program)

    @cached_property
    def results(self) -> list[tuple[int, int]]:
        """`[first, one past the last]` character of each stated result, in the text of the response."""
        starts = [start for start, _ in self.thought.reasoning.segments]
        return [(start + each.start, start + each.end) for start, each in zip(starts, self.stated, strict=True)]

    @cached_property
    def places(self) -> list[tuple[int, int]]:
        """`[first, one past the last]` token of each stated result."""
        return [(self._token(start), self._token(end - 1) + 1) for start, end in self.results]

    def _token(self, char: int) -> int:
        return step_of_char(self.thought.tokenizer, self.thought.tokens, char, text=self.thought.text)

    def stored(self) -> dict[str, Any]:
        """What records say of the link: `result` `[steps, 2]`, the characters of each stated result."""
        return {"result": np.asarray(self.results, dtype=np.float32)}


def in_pictures(tokens: ImageTokens | None) -> ImageTokens:
    """Image tokens that boxes of steps can be held against.

    Raises:
        NotLinkedError: there are none, or their places in pictures are not known.
    """
    if tokens is not None and tokens.frames is not None:
        raise NotLinkedError("no_picture", "steps of programs are about pictures, and the prompt shows a video")
    if tokens is None or not len(tokens) or tokens.boxes is None:
        problem = None if tokens is None else tokens.problem
        raise NotLinkedError("no_geometry", problem or "where the image tokens lie is not known")
    return tokens


def elsewhere(boxes: Sequence[Boxes], number: int) -> list[Boxes]:
    """Of the boxes of all steps those of the other ones, where at most a quarter of them lies in those of a step."""
    return [
        there
        for other, there in enumerate(boxes)
        if other != number and there and overlap_of(there, boxes[number]) <= LARGEST_OVERLAP
    ]


def linked_steps(thought: Thought) -> LinkedSteps:
    """The steps of a response with those of its document's program.

    They correspond where there are as many of both and each written one states a result of its counterpart's kind.

    Raises:
        NotLinkedError: they do not.
    """
    regions, segments = thought.sample.reference.regions, thought.reasoning.segments
    if isinstance(regions, BoxError):
        raise NotLinkedError(regions.status, str(regions))
    program = regions.steps
    if isinstance(program, ProgramError):
        raise NotLinkedError("bad_form", str(program))
    if not program:
        raise NotLinkedError("no_program", "the document has no lens_steps")
    if not segments:
        raise NotLinkedError("nothing", "no step is written before the answer")
    if len(segments) != len(program):
        raise NotLinkedError("other_steps", f"{len(segments)} steps are written, the program has {len(program)}")
    placed = _placed(thought, program)
    labels = () if isinstance(placed, NotLinkedError) else [each.label for each in placed if each.label]
    stated = []
    for number, ((start, end), step) in enumerate(zip(segments, program, strict=True), start=1):
        found = stated_result(thought.text[start:end], step, labels)
        if found is None:
            raise NotLinkedError("other_steps", f"step {number} states no result of the kind {step.function}")
        stated.append(found)
    return LinkedSteps(thought, program, tuple(stated), placed)


def _placed(thought: Thought, program: Sequence[ProgramStep]) -> tuple[PlacedBox, ...] | NotLinkedError:
    placed = thought.sample.boxes
    if isinstance(placed, BoxError):
        return NotLinkedError(placed.status, str(placed))
    if any(number >= len(placed) for step in program for number in step.objects):
        why = f"lens_steps names an object that is none of the {len(placed)} in lens_boxes"
        return NotLinkedError("bad_form", why)
    return placed


def _boxes(step: ProgramStep, placed: Sequence[PlacedBox]) -> dict[int, list[Box]]:
    found: dict[int, list[Box]] = {}
    for number in step.objects:
        each = placed[number]
        if each.box is not None:
            found.setdefault(each.image, []).append(each.box)
    return found
