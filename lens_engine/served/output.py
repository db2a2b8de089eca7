"""The distribution of a model's output as far as a server lists it, and what follows from it for certain.

A server gives the log-probabilities of the k likeliest tokens. What is left, `outside`, may lie on any other token,
spellings of the candidates among them. So every candidate's probability lies between what the listed tokens have and
that plus `outside`, and a figure is given only where these bounds leave it within `PRECISION`; else its reason is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import exp, log

import numpy as np
import numpy.typing as npt

from lens_engine.failures import NoReadout
from lens_tasks import Candidate

from .tokens import ListedToken, ServedToken

__all__ = ["PRECISION", "CandidateShares", "Output", "candidate_shares", "output_of"]

PRECISION = 0.001
"""Largest width of the bounds of a share; that of a margin or an entropy, in nats, is ten times as large."""
_NATS = 10 * PRECISION
_ROUNDING = 1e-6
"""What the sum of the listed probabilities may have lost by rounding in float32."""
_SUM = 1.001


@dataclass(frozen=True)
class Output:
    """The distribution at one token.

    Attributes:
        own: the token that was generated; its log-probability is None where the server did not tell it.
        top: the tokens whose log-probability is known, the likeliest first.
        outside: largest probability that all other tokens can have together.
    """

    own: ListedToken
    top: tuple[ListedToken, ...]
    outside: float


def output_of(token: ServedToken) -> Output | NoReadout:
    """The distribution at a token; or why what the server lists is none."""
    listed = token.top if token.own.data in {each.data for each in token.top} else (*token.top, token.own)
    known = sorted(((each.logprob, each) for each in listed if each.logprob is not None), key=lambda pair: -pair[0])
    top = tuple(each for _, each in known)
    if not top:
        return NoReadout("not_run", "the server told no log-probability at the answer")
    total = sum(exp(logprob) for logprob, _ in known)
    if total > _SUM:
        return NoReadout("not_run", f"the probabilities that the server lists at the answer add up to {total:.4g}")
    if len(top) == 1 and known[0][0] == 0.0 and len(listed) > 1:
        return NoReadout(
            "not_run",
            "the server gives one token all of the probability and the others none: that is what it samples from, not "
            "the model's own distribution",
        )
    return Output(token.own, top, max(0.0, 1.0 - total) + _ROUNDING)


@dataclass(frozen=True)
class CandidateShares:
    """What is certain of the candidates at an output.

    Attributes:
        shares: float32 [candidates], softmax over them; None where it is not certain.
        entropy: of these shares, in nats.
        margin: log-probability of the answer given minus that of the best other candidate, in nats.
        reasons: what is not certain -> why, in words.
    """

    shares: npt.NDArray[np.float32] | None = None
    entropy: float | None = None
    margin: float | None = None
    reasons: dict[str, str] = field(default_factory=dict)


def candidate_shares(output: Output, candidates: Sequence[Candidate], pred: int | None) -> CandidateShares:
    """Shares of candidates by the text of the listed tokens.

    A token stands for a candidate when its text is one of the candidate's spellings and no other's. A token that only
    begins one may stand for it or not, which depends on the tokenizer: its probability counts as `outside`.

    Args:
        output: the distribution.
        candidates: known without the right answer, two or more.
        pred: index of the answer given; None where it is none of them.
    """
    masses, doubtful = _masses(output, candidates)
    outside, total = output.outside + doubtful, float(masses.sum())
    if total <= 0.0:
        return CandidateShares(reasons={"shares": "no listed token is a candidate"})
    reasons = {}
    shares = entropy = None
    width = outside / (total + outside)
    if width <= PRECISION:
        shares = masses / total
        spread = width * log(max(len(masses) - 1, 1)) - width * log(width) - (1 - width) * log(1 - width)
        entropy = float(-(shares[shares > 0] * np.log(shares[shares > 0])).sum()) if spread <= _NATS else None
    else:
        reasons["shares"] = (
            f"the listed tokens of candidates have a probability of {total:.3g}, and up to {outside:.3g} may lie on "
            "others"
        )
    margin = None if pred is None else _margin(masses, pred, outside)
    if pred is not None and margin is None:
        reasons["margin"] = f"it depends on where up to {outside:.3g} of the probability lies that is not listed"
    return CandidateShares(None if shares is None else shares.astype(np.float32), entropy, margin, reasons)


def _margin(masses: npt.NDArray[np.float64], pred: int, outside: float) -> float | None:
    own, other = float(masses[pred]), float(np.delete(masses, pred).max())
    if min(own, other) <= 0.0:
        return None
    width = log(own + outside) - log(own) + log(other + outside) - log(other)
    return log(own) - log(other) if width <= _NATS else None


def _masses(output: Output, candidates: Sequence[Candidate]) -> tuple[npt.NDArray[np.float64], float]:
    """Probability of each candidate's spellings among the listed tokens, and of tokens that may be beginnings."""
    masses, doubtful = np.zeros(len(candidates)), 0.0
    for token in output.top:
        assert token.logprob is not None
        text, probability = token.text, exp(token.logprob)
        named = [place for place, each in enumerate(candidates) if text in each.variants]
        if len(named) == 1:
            masses[named[0]] += probability
        elif not named and text.strip() and any(form.startswith(text) for each in candidates for form in each.variants):
            doubtful += probability
    return masses, doubtful
