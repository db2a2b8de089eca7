"""What an answer target is: the candidates of a question, the gold one, and what the question belongs to."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Candidate:
    """One possible answer.

    Attributes:
        label: its name in records and tables, unique within a target (`"yes"`, `"B"`, `"красный"`).
        variants: surface forms a model may write it in, with and without a leading space, in several cases, with
            look-alike letters and synonyms. The lens pools the tokens of all of them.
        kind: what it is an answer to, where the set holds answers to several kinds of question: `yes_no`, `number`,
            `colour`, `shape`, `size`, `material`. None where all candidates are of one kind.
        text: what stands behind its letter or number where it is an option of a list; None where it is no option.
    """

    label: str
    variants: tuple[str, ...]
    kind: str | None = None
    text: str | None = None


@dataclass(frozen=True)
class AnswerTarget:
    """What the lens looks for when a model answers one document of a task.

    Attributes:
        candidates: the closed set of possible answers; empty for open tasks, where the adapter takes the answer given
            and the gold text.
        gold: label of the right candidate; None when it is unknown (private tasks) or when there are no candidates.
        gold_texts: acceptable answers as text, the one the scorer compares with first.
        cluster: image or pair the document shares with others: the unit to resample in statistics.
        question_type: the task's own division of its questions.
        binary: (positive label, negative label) where the question is a yes/no one: the sign of the log-odds.
        pivot: the English equivalents of `candidates`, same order and labels; empty where there are none.
        source: which rule made this target: `pope`, `clevr`, `ruclevr`, `weird`, `rucommonvqa`, `hallusion`, `vqa`,
            `perception`, `sound`, `reasoning`, `choices`, `prompt_options`, `yes_no`, `open`.
        note: why there is no gold answer or no candidates although the document or the prompt looked like it, or why a
            more specific rule did not apply; None when all is well.
        kind: the kind of candidate that the question asks for (see `Candidate.kind`); None where it is not known or
            where all candidates are of one kind.
        kind_from: how `kind` is known: `document` (its question type or program), `question` (its wording), or `gold`
            (from the right answer alone). None where `kind` is None.
        from_gold: the candidates, or which kind of them is asked for, are known from the right answer alone: a reading
            that is confined to them has looked at the gold.
        choices: the label of each of the harness's choices, in the harness's order; empty where it has none or where
            they are not the candidates.
    """

    candidates: tuple[Candidate, ...]
    gold: str | None
    gold_texts: tuple[str, ...] = ()
    cluster: str | None = None
    question_type: str | None = None
    binary: tuple[str, str] | None = None
    pivot: tuple[Candidate, ...] = ()
    source: str = "open"
    note: str | None = None
    kind: str | None = None
    kind_from: str | None = None
    from_gold: bool = False
    choices: tuple[str, ...] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        """Candidate labels, in the order of `candidates`."""
        return tuple(candidate.label for candidate in self.candidates)

    def choice_labels(self, count: int) -> tuple[str, ...]:
        """Labels of `count` scored choices in the harness's order; numbered where they are not this target's."""
        return self.choices if len(self.choices) == count else tuple(f"choice {number}" for number in range(count))


class TargetError(ValueError):
    """A document does not have what its task promises; `target_for` turns it into an open target with a note."""
