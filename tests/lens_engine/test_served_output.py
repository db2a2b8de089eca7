"""What a server's list of tokens says of the candidates for certain, against the whole distribution that it is of."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lens_engine.failures import NoReadout
from lens_engine.served.output import PRECISION, Output, candidate_shares, output_of
from lens_engine.served.tokens import ListedToken, ServedToken, step_at, tokens_of
from lens_tasks import Candidate
from lens_tasks.surface import letter_forms, word_forms

LETTERS = tuple(Candidate(letter, letter_forms(letter)) for letter in "ABC")
YES_NO = (Candidate("yes", word_forms(["yes"])), Candidate("no", word_forms(["no"])))


def listed(probabilities: Mapping[str, float]) -> tuple[ListedToken, ...]:
    return tuple(ListedToken(text.encode(), math.log(p)) for text, p in probabilities.items())


def output(probabilities: Mapping[str, float]) -> Output:
    top = listed(probabilities)
    found = output_of(ServedToken(top[0], top))
    assert isinstance(found, Output)
    return found


def choice(*tokens: Mapping[str, Any]) -> dict[str, Any]:
    return {"logprobs": {"content": list(tokens)}}


def test_a_list_with_all_of_the_probability_gives_every_figure() -> None:
    found = candidate_shares(output({"A": 0.5, " A": 0.1, "В": 0.3, "x": 0.1}), LETTERS, 0)
    assert found.shares is not None
    np.testing.assert_allclose(found.shares, [2 / 3, 1 / 3, 0.0], atol=1e-5)
    assert found.margin == pytest.approx(math.log(2), abs=1e-4)
    assert found.entropy == pytest.approx(math.log(3) - 2 / 3 * math.log(2), abs=1e-4)
    assert found.reasons == {}


def test_what_is_not_listed_leaves_figures_open() -> None:
    found = candidate_shares(output({"A": 0.6, "B": 0.3}), LETTERS, 0)
    assert (found.shares, found.entropy, found.margin) == (None, None, None)
    assert "0.9" in found.reasons["shares"]
    assert "0.1" in found.reasons["margin"]


def test_a_sure_answer_has_a_share_and_no_margin() -> None:
    found = candidate_shares(output({"yes": 0.9998, " the": 0.0001}), YES_NO, 0)
    assert found.shares is not None
    assert found.shares.tolist() == [1.0, 0.0]
    assert found.margin is None
    assert set(found.reasons) == {"margin"}


def test_the_beginning_of_a_spelling_may_stand_for_it_or_not() -> None:
    sure = candidate_shares(output({"yes": 0.6, "no": 0.3, "maybe": 0.1}), YES_NO, 0)
    doubtful = candidate_shares(output({"yes": 0.6, "no": 0.3, "ye": 0.1}), YES_NO, 0)
    assert sure.shares is not None
    assert doubtful.shares is None
    assert "0.1" in doubtful.reasons["shares"]


def test_a_token_that_spells_two_candidates_is_nobodys() -> None:
    both = (Candidate("one", ("x", "y")), Candidate("other", ("x", "z")))
    found = candidate_shares(output({"x": 0.5, "y": 0.25, "z": 0.25}), both, 0)
    assert found.shares is not None
    np.testing.assert_allclose(found.shares, [0.5, 0.5], atol=1e-5)


def test_without_a_candidate_in_the_list_there_is_nothing_to_say() -> None:
    found = candidate_shares(output({"the": 0.9}), YES_NO, None)
    assert found.shares is None
    assert found.reasons == {"shares": "no listed token is a candidate"}


SPELLINGS = [form for each in LETTERS for form in each.variants]
OTHERS = [f"other{number}" for number in range(20)]


@given(
    logits=st.lists(st.floats(-20, 20), min_size=len(SPELLINGS) + 20, max_size=len(SPELLINGS) + 20),
    k=st.integers(1, 20),
    pred=st.sampled_from([None, 0, 1, 2]),
)
def test_every_figure_is_that_of_the_whole_distribution(logits: list[float], k: int, pred: int | None) -> None:
    texts = [*SPELLINGS, *OTHERS]
    p = np.exp(np.array(logits) - max(logits))
    p /= p.sum()
    order = np.argsort(-p)[:k]
    found = candidate_shares(output({texts[place]: float(p[place]) for place in order}), LETTERS, pred)
    mass = np.array([sum(p[texts.index(form)] for form in each.variants) for each in LETTERS])
    true = mass / mass.sum()
    if found.shares is not None:
        assert np.abs(found.shares - true).max() <= PRECISION + 1e-6
    if found.entropy is not None:
        assert abs(found.entropy + (true * np.log(true)).sum()) <= 10 * PRECISION + 1e-6
    if found.margin is not None and pred is not None:
        margin = math.log(mass[pred]) - math.log(np.delete(mass, pred).max())
        assert abs(found.margin - margin) <= 10 * PRECISION + 1e-6


def test_a_list_that_is_no_distribution_is_refused() -> None:
    top = listed({"A": 0.9, "B": 0.9})
    found = output_of(ServedToken(top[0], top))
    assert isinstance(found, NoReadout)
    assert "add up to 1.8" in found.reason


def test_certainty_after_sampling_is_not_the_models_own() -> None:
    """Some servers give the distribution that they sample from: at temperature 0 all is on one token."""
    found = output_of(ServedToken(ListedToken(b"A", 0.0), (ListedToken(b"A", 0.0), ListedToken(b"B", None))))
    assert isinstance(found, NoReadout)
    assert "samples from" in found.reason


def test_the_token_itself_counts_where_it_is_not_among_the_likeliest() -> None:
    found = output_of(ServedToken(ListedToken(b"A", math.log(0.1)), listed({"B": 0.6, "C": 0.3})))
    assert isinstance(found, Output)
    assert [each.text for each in found.top] == ["B", "C", "A"]
    assert found.outside == pytest.approx(0.0, abs=1e-5)


def test_unlikely_is_not_a_number() -> None:
    (token,) = as_tokens(choice({"token": "A", "logprob": -9999.0, "top_logprobs": [{"token": "B", "logprob": -0.1}]}))
    assert token.own.logprob is None
    assert token.top[0].logprob == -0.1


def as_tokens(given_choice: dict[str, Any]) -> tuple[ServedToken, ...]:
    found = tokens_of(given_choice)
    assert not isinstance(found, NoReadout)
    return found


@pytest.mark.parametrize(
    ("given_choice", "reason"),
    [
        ({}, "gave no log-probabilities"),
        ({"logprobs": None}, "gave no log-probabilities"),
        ({"logprobs": {"content": []}}, "gave no log-probabilities"),
        ({"logprobs": {"tokens": ["A"], "token_logprobs": [-0.1]}}, "gave no log-probabilities"),
        (choice({"token": "A"}), "cannot be read (KeyError"),
        (choice({"token": "A", "logprob": 0.7}), "0.7 is no log-probability"),
        (choice({"token": "A", "logprob": float("nan")}), "nan is no log-probability"),
        (choice({"token": "A", "logprob": None}), "cannot be read (TypeError"),
    ],
)
def test_other_forms_are_refused_in_words(given_choice: dict[str, Any], reason: str) -> None:
    found = tokens_of(given_choice)
    assert isinstance(found, NoReadout)
    assert found.status == "not_run"
    assert reason in found.reason


def spoken(*texts: str | bytes) -> tuple[ServedToken, ...]:
    data = [text.encode() if isinstance(text, str) else text for text in texts]
    return tuple(ServedToken(ListedToken(each, -0.1), ()) for each in data)


@pytest.mark.parametrize(
    ("texts", "content", "response", "char", "step"),
    [
        (("The ", "answer", " is", " B"), "The answer is B", "The answer is B", 14, 3),
        (("<think>", "B", "</think>", "A"), "A", "A", 0, 3),  # the reasoning is among the tokens and not in the text
        (("A", "<|end|>"), "A", "A", 0, 0),  # and so is an end token
        (("x</think>", " \n", "да", "."), "x</think> \nда.", "да.", 0, 2),  # the harness dropped the beginning
        (("😀".encode()[:2], "😀".encode()[2:], "да"), "😀да", "😀да", 1, 2),  # half a character a token
        (("😀".encode()[:2], "😀".encode()[2:], "да"), "😀да", "😀да", 0, 0),
    ],
)
def test_the_token_that_begins_a_character(texts: Any, content: str, response: str, char: int, step: int) -> None:
    assert step_at(spoken(*texts), content, response, char) == step


@pytest.mark.parametrize(
    ("texts", "content", "response"),
    [
        (("A", "x", "A"), "A", "A"),  # which of the two it is cannot be told
        (("B",), "A", "A"),
        (("A",), "A", "Б"),
        ((), "A", "A"),
    ],
)
def test_tokens_of_another_text_are_not_aligned(texts: Any, content: str, response: str) -> None:
    found = step_at(spoken(*texts), content, response, 0)
    assert isinstance(found, NoReadout)
    assert found.status == "unaligned"
