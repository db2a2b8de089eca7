"""Tasks: what is asked, what the possible answers are, where the answer stands in a response, how it is scored.

Needs no harness, no torch and no transformers (docs/architecture.md).
"""

from lens_tasks.answers import AnswerSpan, NoAnswer, locate_answer
from lens_tasks.targets import AnswerTarget, Candidate, target_for

__all__ = ["AnswerSpan", "AnswerTarget", "Candidate", "NoAnswer", "locate_answer", "target_for"]
