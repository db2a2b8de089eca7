"""Where in a response the answer is, and which candidate it names.

locate      `locate_answer`: the way through the others
scope       the part of a response that may answer: behind the reasoning block, before another question
closed      tasks with candidates: what a marker, a phrase or the beginning of the response states
statements  whether a candidate at a place is plainly stated there
doubts      why a stated answer is not certain after all
yes_no, numbers, phrases    statements of these kinds
open        tasks without candidates
segments    the steps that the response writes before its answer
taken       the place of what the task's own filter took
words       the words and patterns of all of them, in three languages
types       what is searched and what is found
"""

from .locate import locate_answer, part_after_marker
from .open import same_answer, without_article
from .scope import closes_reasoning, ends_in_reasoning, opens_reasoning
from .segments import WrittenReasoning, written_reasoning
from .taken import Filters
from .types import AnswerSpan, NoAnswer

__all__ = [
    "AnswerSpan",
    "Filters",
    "NoAnswer",
    "WrittenReasoning",
    "closes_reasoning",
    "ends_in_reasoning",
    "locate_answer",
    "opens_reasoning",
    "part_after_marker",
    "same_answer",
    "without_article",
    "written_reasoning",
]
