"""What a task's own filter took decides which candidate, and which occurrence of it, is read."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from lens_tasks.answers import AnswerSpan, Filters, NoAnswer, locate_answer
from lens_tasks.options.candidates import Option, option_candidates
from lens_tasks.vocabulary import CLEVR, YES_NO

ABCD = option_candidates(
    [Option(key, text) for key, text in zip("ABCD", ["cat", "dog", "horse", "bird"], strict=True)], cyrillic=False
)


def pipelines(*takes: Callable[[str], str | None]) -> Filters:
    return lambda response: [take(response) for take in takes]


def regex(pattern: str, group: int = 0, fallback: str = "[invalid]") -> Callable[[str], str]:
    def take(response: str) -> str:
        found = re.findall(pattern, response)
        return str(found[group]).strip() if found else fallback

    return take


LAST_LETTER, FIRST_LETTER = regex(r"\b([A-D])\b", -1), regex(r"\b([A-D])\b")
LAST_POLAR, LAST_NUMBER = regex(r"(?i)\b(yes|no)\b", -1), regex(r"-?\d+", -1)


@pytest.mark.parametrize(
    ("response", "candidates", "filters", "start", "label"),
    [
        ("Looks like a cat. I go for (B) in the end", ABCD, pipelines(LAST_LETTER), 28, "B"),
        ("B is near, C is far, so B it is", ABCD, pipelines(LAST_LETTER), 24, "B"),  # the second B
        ("B is near, C is far, so B it is", ABCD, pipelines(FIRST_LETTER), 0, "B"),  # and the first
        ("Yes. Or rather no.", YES_NO, pipelines(LAST_POLAR), 15, "no"),  # where the text alone is not certain
        ("Answer: A", ABCD, pipelines(LAST_LETTER), 8, "A"),
        ("Answer: A", ABCD, pipelines(lambda response: None), 8, "A"),  # a filter that takes all of it
        ("It is the B one", ABCD, pipelines(regex("#### (.*)"), LAST_LETTER), 10, "B"),  # the first that found any
        ("<think>yes</think> no", YES_NO, pipelines(lambda response: response.split(">")[-1]), 19, "no"),
        ("Bus 2 has 2 doors", CLEVR, pipelines(LAST_NUMBER), 10, "2"),
        ("yes: Yes", YES_NO, pipelines(lambda response: LAST_POLAR(response).lower()), 5, "yes"),
    ],
)
def test_the_answer_taken_is_the_answer_read(response, candidates, filters, start, label) -> None:
    found = locate_answer(response, candidates, filters=filters)
    assert isinstance(found, AnswerSpan), found
    assert (found.start, found.label) == (start, label)


@pytest.mark.parametrize(
    ("response", "candidates", "filters", "reason"),
    [
        ("Answer: B", ABCD, pipelines(regex("#### (.*)")), "took '[invalid]', which names no candidate"),
        ("Answer: B", ABCD, pipelines(lambda _: "A"), "took 'A', and where in the response cannot be told"),
        # a default for everything without a letter; the shirt does not say what the filter looked at
        ("The shirt says yes", YES_NO, pipelines(lambda _: "yes"), "took 'yes', and where in the response"),
        ("2 and two", CLEVR, pipelines(lambda r: "2" if re.search("2|two", r) else "0"), "took '2', and where"),
        ("It is twelve", (), pipelines(regex(r"\d+")), "took '[invalid]', and where in the response cannot be told"),
    ],
)
def test_what_a_filter_took_and_the_text_does_not_show_is_not_read(response, candidates, filters, reason) -> None:
    found = locate_answer(response, candidates, filters=filters)
    assert isinstance(found, NoAnswer), found
    assert reason in found.reason


@pytest.mark.parametrize(
    ("response", "filters", "text", "start"),
    [
        ("Adding up gives 41, so the sum is #### 42", pipelines(regex("#### (.*)")), "42", 39),
        ("12 or 13, say 12", pipelines(LAST_NUMBER), "12", 14),
        ("The war ended in 1945.", pipelines(regex(r"\d{4}")), "1945", 17),
    ],
)
def test_an_open_answer_is_read_where_the_filter_took_it(response, filters, text, start) -> None:
    found = locate_answer(response, filters=filters)
    assert isinstance(found, AnswerSpan), found
    assert (found.text, found.start, found.rule) == (text, start, "task_filter")
