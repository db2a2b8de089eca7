"""The candidates of one answered sample, in the model's tokens."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from lens_models.candidates import FIRST_TOKEN, candidate_tokens, has_text, variant_ids
from lens_tasks import AnswerSpan, AnswerTarget, Candidate
from lens_tasks.answers import same_answer, without_article

from .position import AnswerPosition

__all__ = ["SampleCandidates", "named_candidates", "resolve_candidates"]


@dataclass(frozen=True)
class SampleCandidates:
    """What to read for a sample.

    Attributes:
        labels: candidate labels; empty when there is nothing to compare.
        ids: token ids of each candidate, pooled; empty tuples never occur.
        fixed: the candidates and the place that is read were known without the gold answer (closed task); otherwise the
            candidates are the answer given and the gold answer, or the gold answer alone told which kind was asked for.
        gold: index of the gold candidate, or None.
        pred: index of the candidate that the answer names, or None.
        gold_ids: token ids that stand for the gold answer.
        pivots: token ids of the English equivalents; empty when there are none.
        binary: indices of the positive and the negative candidate.
        method: first_token or teacher_forced.
        score: what the candidates' scores are, see `candidate_score` in docs/record-format.md.
        correct: whether the answer names the gold candidate; None when that cannot be said.
        collisions: which tokens could not be used.
        sequences: token sequences of each candidate, where they have to be teacher-forced.
    """

    labels: tuple[str, ...] = ()
    ids: tuple[tuple[int, ...], ...] = ()
    fixed: bool = True
    gold: int | None = None
    pred: int | None = None
    gold_ids: tuple[int, ...] = ()
    pivots: tuple[tuple[int, ...], ...] = ()
    pivot_labels: tuple[str, ...] = ()
    binary: tuple[int, int] | None = None
    method: str | None = None
    score: str = "logit"
    correct: bool | None = None
    collisions: tuple[str, ...] = ()
    sequences: tuple[tuple[tuple[int, ...], ...], ...] = ()


def resolve_candidates(tokenizer: Any, target: AnswerTarget, position: AnswerPosition) -> SampleCandidates:
    """Closed tasks: their own candidate set. Open tasks: the answer given and, where known, the gold answer."""
    return _closed(tokenizer, target, position) if target.candidates else _open(tokenizer, target, position)


def _closed(tokenizer: Any, target: AnswerTarget, position: AnswerPosition) -> SampleCandidates:
    labels, known = target.labels, named_candidates(target, position.span)
    tokens = candidate_tokens(tokenizer, [c.variants for c in target.candidates], labels=labels)
    gold = known.gold
    readable = tokens.method == FIRST_TOKEN
    ids = tokens.ids if readable else ()
    return replace(
        known,
        ids=ids,
        gold_ids=ids[gold] if ids and gold is not None else (),
        pivots=_pivot_ids(tokenizer, target.pivot),
        pivot_labels=tuple(c.label for c in target.pivot),
        method=tokens.method,
        collisions=tokens.collisions,
        sequences=() if readable or not all(tokens.sequences) else tokens.sequences,
    )


def named_candidates(target: AnswerTarget, span: AnswerSpan) -> SampleCandidates:
    """The candidates of a closed task by their labels, without tokens, and which of them the answer names."""
    labels = target.labels
    pred, gold = _index(labels, span.label), _index(labels, target.gold)
    return SampleCandidates(
        labels=labels,
        fixed=not target.from_gold,
        gold=gold,
        pred=pred,
        binary=_binary(labels, target),
        # an answer outside the set is a format error, which is not the same as a wrong answer
        correct=None if gold is None or pred is None else gold == pred,
    )


def _open(tokenizer: Any, target: AnswerTarget, position: AnswerPosition) -> SampleCandidates:
    """The answer given, and the gold answer where the token that was read is where the two part.

    The place that is read is chosen without the gold answer. "2016" and "2022" share the token that is read, so there
    is nothing to compare at it.
    """
    answer = position.span.text.strip()
    golds = [text.strip() for text in target.gold_texts if text.strip()]
    pred_ids = (position.token_id,)
    alone = SampleCandidates((answer,), (pred_ids,), fixed=False, pred=0, method=FIRST_TOKEN)
    if not golds:
        return alone
    decided = [without_article(gold) for gold in golds]
    gold_ids = _first_ids(tokenizer, [text for gold in decided for text in (gold, f" {gold}")])
    if any(same_answer(answer, gold) for gold in golds):
        ids = tuple(dict.fromkeys((*pred_ids, *gold_ids)))
        return replace(alone, ids=(ids,), gold=0, gold_ids=ids, correct=True)
    shared = next((gold for gold in decided if _begins_alike(tokenizer, position.token_id, gold)), None)
    if shared is not None or not gold_ids or set(gold_ids) & set(pred_ids):
        return replace(alone, collisions=(f"the answer and {shared or golds[0]!r} share the token that is read",))
    return replace(alone, labels=(answer, golds[0]), ids=(pred_ids, gold_ids), gold=1, gold_ids=gold_ids)


def _begins_alike(tokenizer: Any, token: int, gold: str) -> bool:
    """Whether the gold text begins with the text of a token, or the token with the gold text."""
    piece = str(tokenizer.decode([token])).strip().casefold()
    text = gold.casefold()
    return bool(piece) and (text.startswith(piece) or piece.startswith(text))


def _first_ids(tokenizer: Any, texts: list[str]) -> tuple[int, ...]:
    """The first token of each text that has text of its own; a bare space before it says nothing."""
    sequences = [[token for token in variant_ids(tokenizer, text) if has_text(tokenizer, token)] for text in texts]
    return tuple(dict.fromkeys(sequence[0] for sequence in sequences if sequence))


def _pivot_ids(tokenizer: Any, pivot: tuple[Candidate, ...]) -> tuple[tuple[int, ...], ...]:
    if not pivot:
        return ()
    tokens = candidate_tokens(tokenizer, [c.variants for c in pivot], labels=[c.label for c in pivot])
    return tokens.ids if tokens.method == FIRST_TOKEN else ()


def _binary(labels: tuple[str, ...], target: AnswerTarget) -> tuple[int, int] | None:
    if target.binary is None:
        return None
    return labels.index(target.binary[0]), labels.index(target.binary[1])


def _index(labels: tuple[str, ...], label: str | None) -> int | None:
    return labels.index(label) if label in labels else None
