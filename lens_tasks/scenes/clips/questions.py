"""The questions that are asked about videos: one text each, as Perception Test has 132 of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

AREAS: Final = ("Memory", "Abstraction", "Physics", "Semantics")
"""Perception Test's skill areas."""

NEEDS: Final = {
    "order": "the frames in their order",
    "frames": "several frames, in any order",
    "moment": "the one moment at which it is shown",
    "any": "any frame at rest",
}
"""What has to be seen to answer a question."""


@dataclass(frozen=True)
class VideoQuestion:
    """A question: number, text, Perception Test's labels, what must be seen (NEEDS), and its options if fixed."""

    id: str
    text: str
    area: str
    reasoning: str
    tag: tuple[str, ...]
    need: str
    options: tuple[str, ...] = ()


_CUPS: Final = ("the left cup", "the middle cup", "the right cup")
_PLACES: Final = ("behind the left cylinder", "behind the right cylinder", "outside the picture")
_ROWS: Final = {
    "cups_end": (
        "Under which cup is the hidden object at the end?",
        "Memory", "Descriptive", "object permanence, occlusion, motion", "order", _CUPS,
    ),
    "cups_swapped_first": (
        "Which two cups changed places first?",
        "Memory", "Descriptive", "sequencing, motion", "order",
        ("the left and the middle one", "the middle and the right one", "the left and the right one"),
    ),
    "cups_object": (
        "Which object was put under a cup?",
        "Memory", "Descriptive", "event recall, object recognition", "moment", (),
    ),
    "cups_start": (
        "Under which cup was the object put at the start?",
        "Memory", "Descriptive", "event recall, spatial relations", "moment", _CUPS,
    ),
    "hiding_end": (
        "Where is the small object at the end?",
        "Physics", "Explanatory", "object permanence, occlusion, motion", "order", _PLACES,
    ),
    "hiding_first": (
        "Where did the small object disappear first?",
        "Memory", "Descriptive", "sequencing, occlusion", "order", _PLACES,
    ),
    "hiding_object": (
        "Which object moved through the picture?",
        "Semantics", "Descriptive", "object recognition, motion", "moment", (),
    ),
    "moved_first": (
        "Which object moved first?",
        "Memory", "Descriptive", "sequencing, motion", "order", (),
    ),
    "moved_last": (
        "Which object moved last?",
        "Memory", "Descriptive", "sequencing, motion", "order", (),
    ),
    "not_moved": (
        "Which object did not move?",
        "Abstraction", "Descriptive", "change detection, motion", "frames", (),
    ),
    "leftmost": (
        "Which object stands furthest to the left at the start?",
        "Semantics", "Descriptive", "object recognition, spatial relations", "any", (),
    ),
    "meeting": (
        "What did the moving object do?",
        "Physics", "Descriptive", "collision, motion", "frames",
        ("it hit another object", "it stopped before another object", "it passed in front of another object"),
    ),
    "movers": (
        "How many objects moved?",
        "Physics", "Descriptive", "collision, counting", "frames", ("0", "1", "2"),
    ),
    "shown": (
        "How many objects were shown one after the other?",
        "Abstraction", "Descriptive", "event counting", "frames", ("2", "3", "4"),
    ),
    "spheres_shown": (
        "How many spheres were shown?",
        "Abstraction", "Descriptive", "event counting, object recognition", "frames", ("1", "2", "3"),
    ),
    "shown_first": (
        "Which object was shown first?",
        "Memory", "Descriptive", "sequencing, object recognition", "order", (),
    ),
    "came_out": (
        "What came out from behind the large object?",
        "Physics", "Explanatory", "object permanence, occlusion", "frames",
        ("the same object", "another object", "nothing"),
    ),
    "way": (
        "How did the small object move?",
        "Physics", "Descriptive", "occlusion, spatial relations, motion", "frames",
        (
            "it passed behind the large object",
            "it passed in front of the large object",
            "it turned back before the large object",
        ),
    ),
    "came_in": (
        "Which object came into the picture?",
        "Semantics", "Descriptive", "object recognition, event recall", "moment", (),
    ),
}  # fmt: skip

QUESTIONS: Final = {
    name: VideoQuestion(str(number), text, area, reasoning, tuple(tag.split(", ")), need, options)
    for number, (name, (text, area, reasoning, tag, need, options)) in enumerate(_ROWS.items())
}
"""Name to question. Those without fixed options have names of objects for options."""
