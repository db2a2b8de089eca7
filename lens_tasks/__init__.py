"""Tasks: what is asked, what the possible answers are, where the answer is in a response, how it is scored.

    targets               the answer target of any document: `target_for`
    tasks/                tasks with targets, prompts or scores of their own, one module each
    options/              options of multiple choice in a prompt, for all other tasks
    yes_no_questions, kinds, gold, documents    what else a document or a prompt says of the answer
    surface, naming, vocabulary                 how an answer may be written, and what a piece of text names
    answers/              where the answer is in a response: `locate_answer`
    scoring               scores of short answers
    lm_eval/, lmms_eval/  task YAMLs of the two harnesses
    minis/, scenes/       the bundled benchmarks, and what draws them

Needs no harness, no torch and no transformers (docs/architecture.md).
"""

from lens_tasks.answers import AnswerSpan, NoAnswer, locate_answer
from lens_tasks.targets import AnswerTarget, Candidate, target_for

__all__ = ["AnswerSpan", "AnswerTarget", "Candidate", "NoAnswer", "locate_answer", "target_for"]
