"""Answer candidates in the vocabulary of a tokenizer: which token ids stand for which candidate.

The score of a candidate at a layer is the logsumexp of that layer's logits over its ids. A set in which some candidate
has no id of its own must be teacher-forced with the full sequences instead.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

__all__ = ["FIRST_TOKEN", "TEACHER_FORCED", "CandidateTokens", "candidate_tokens", "has_text", "variant_ids"]

FIRST_TOKEN = "first_token"
TEACHER_FORCED = "teacher_forced"

# Text to encode a variant behind, so that the dummy prefix of a SentencePiece tokenizer goes to it and not the variant.
_CONTEXTS = ("\n", ":", "|", "0")

_Ids = tuple[int, ...]
_cache: WeakKeyDictionary[Any, dict[tuple[Any, ...], CandidateTokens]] = WeakKeyDictionary()


@dataclass(frozen=True)
class CandidateTokens:
    """Token ids of a candidate set; all axes in the order of the candidates.

    Attributes:
        ids: per candidate the distinct token ids to pool with logsumexp. Disjoint between candidates. Empty for a
            candidate that has none of its own; `method` is then `teacher_forced` for the whole set.
        method: `first_token` or `teacher_forced`.
        sequences: per candidate the distinct full token sequences of its variants, for teacher forcing.
        collisions: for people: which token could not be used, and who shares it.
    """

    ids: tuple[tuple[int, ...], ...]
    method: str
    sequences: tuple[tuple[tuple[int, ...], ...], ...]
    collisions: tuple[str, ...]


def candidate_tokens(
    tokenizer: Any, variants: Sequence[Sequence[str]], *, labels: Sequence[str] | None = None
) -> CandidateTokens:
    """Token ids of candidates given by their surface variants; cached per tokenizer.

    A variant that is one token counts as it is. A longer one counts by its first token, where that token has text of
    its own and belongs to no other candidate. An id that several candidates claim with equal right belongs to none.

    Args:
        tokenizer: a transformers tokenizer.
        variants: per candidate its surface forms, with and without leading space.
        labels: names of the candidates for `collisions`; by default the first variant of each.

    Raises:
        ValueError: a candidate without variants, or `labels` of another length.
    """
    frozen = tuple(tuple(forms) for forms in variants)
    names = tuple(labels) if labels is not None else tuple(forms[0].strip() if forms else "" for forms in frozen)
    if len(names) != len(frozen):
        raise ValueError(f"expected one label for each of the {len(frozen)} candidates, found {len(names)}")
    for name, forms in zip(names, frozen, strict=True):
        if not any(form.strip() for form in forms):
            raise ValueError(f"candidate {name!r} has no surface form")
    per_tokenizer = _cache.setdefault(tokenizer, {})
    key = (frozen, names)
    if key not in per_tokenizer:
        per_tokenizer[key] = _build(tokenizer, frozen, names)
    return per_tokenizer[key]


def _build(tokenizer: Any, variants: tuple[tuple[str, ...], ...], names: tuple[str, ...]) -> CandidateTokens:
    sequences = tuple(_distinct(variant_ids(tokenizer, form) for form in forms) for forms in variants)
    single = _claims([{sequence[0] for sequence in own if len(sequence) == 1} for own in sequences])
    first = _claims([{sequence[0] for sequence in own} for own in sequences])
    ids: list[_Ids] = []
    for index, own in enumerate(sequences):
        usable = [
            sequence[0]
            for sequence in own
            if (single[sequence[0]] if len(sequence) == 1 else first[sequence[0]]) == {index}
            and has_text(tokenizer, sequence[0])
        ]
        ids.append(tuple(dict.fromkeys(usable)))
    method = FIRST_TOKEN if all(ids) else TEACHER_FORCED
    return CandidateTokens(tuple(ids), method, sequences, _collisions(tokenizer, sequences, ids, first, names))


def variant_ids(tokenizer: Any, form: str) -> _Ids:
    """Token ids of a surface form as it would be generated in the middle of a text, without special tokens.

    Empty when the tokenizer has no pieces for it (unknown token).
    """
    ids = _in_context(tokenizer, form)
    unknown = getattr(tokenizer, "unk_token_id", None)
    return () if unknown is not None and unknown in ids else ids


def _in_context(tokenizer: Any, form: str) -> _Ids:
    for context in _CONTEXTS:
        alone = _encode(tokenizer, context)
        together = _encode(tokenizer, context + form)
        if alone and len(together) > len(alone) and together[: len(alone)] == alone:
            return together[len(alone) :]
    return _encode(tokenizer, form)


def _encode(tokenizer: Any, text: str) -> _Ids:
    return tuple(int(token_id) for token_id in tokenizer.encode(text, add_special_tokens=False))


def has_text(tokenizer: Any, token_id: int) -> bool:
    """Whether a token has text of its own: not a bare space piece, not a part of a character's bytes."""
    text = str(tokenizer.decode([token_id]))
    return bool(text.strip().strip("\ufffd"))


def _distinct(sequences: Iterable[_Ids]) -> tuple[_Ids, ...]:
    return tuple(dict.fromkeys(sequence for sequence in sequences if sequence))


def _claims(sets: Sequence[set[int]]) -> dict[int, set[int]]:
    """Token id -> indices of the candidates that claim it."""
    claims: dict[int, set[int]] = defaultdict(set)
    for index, ids in enumerate(sets):
        for token_id in ids:
            claims[token_id].add(index)
    return claims


def _collisions(
    tokenizer: Any,
    sequences: Sequence[Sequence[_Ids]],
    ids: Sequence[_Ids],
    first: dict[int, set[int]],
    names: Sequence[str],
) -> tuple[str, ...]:
    lines = []
    for token_id, claimants in sorted(first.items()):
        if len(claimants) < 2 or not has_text(tokenizer, token_id):
            continue
        owner = next((names[index] for index in claimants if token_id in ids[index]), None)
        who = ", ".join(names[index] for index in sorted(claimants))
        piece = str(tokenizer.decode([token_id]))
        lines.append(f"token {token_id} {piece!r} begins {who}; " + (f"kept for {owner}" if owner else "used for none"))
    lines += [
        f"{name} has no token of its own" + ("" if own else " and no encodable form")
        for name, own, kept in zip(names, sequences, ids, strict=True)
        if not kept
    ]
    return tuple(lines)
