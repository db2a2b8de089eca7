"""Where in a response the answer stands, and which candidate it names."""

from .locate import locate_answer, part_after_marker
from .open import same_answer, without_article
from .scope import begins_thought, ends_thought, opens_thought
from .taken import Filters
from .types import AnswerSpan, NoAnswer

__all__ = [
    "AnswerSpan",
    "Filters",
    "NoAnswer",
    "begins_thought",
    "ends_thought",
    "locate_answer",
    "opens_thought",
    "part_after_marker",
    "same_answer",
    "without_article",
]
