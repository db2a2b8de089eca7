"""What a task's own filter took decides which candidate, and which occurrence of it, is read."""

from __future__ import annotations

import pytest

from lens_tasks.answers import AnswerSpan, NoAnswer, locate_answer
from lens_tasks.choices import Option, option_candidates
from lens_tasks.vocabulary import YES_NO

ABCD = option_candidates(
    [Option(key, text) for key, text in zip("ABCD", ["cat", "dog", "horse", "bird"], strict=True)], cyrillic=False
)


@pytest.mark.parametrize(
    ("response", "candidates", "taken", "start", "label"),
    [
        ("Looks like a cat. I go for (B) in the end", ABCD, ("B",), 28, "B"),  # the filter knows the form
        ("Yes. Or rather no.", YES_NO, ("no",), 15, "no"),  # where the text alone is not certain
        ("Answer: A", ABCD, ("A",), 8, "A"),
        ("B", ABCD, ("(B)",), 0, "B"),
        ("The dog", ABCD, ("[invalid]", "B"), 4, "B"),  # the first filter that took a candidate
        ("Answer: no", YES_NO, ("Answer: NO",), 8, "no"),  # a filter that changes the case alone
        ("<think>yes</think> no", YES_NO, (" no",), 19, "no"),
    ],
)
def test_the_answer_taken_is_the_answer_read(response, candidates, taken, start, label) -> None:
    found = locate_answer(response, candidates, taken=taken)
    assert isinstance(found, AnswerSpan), found
    assert (found.start, found.label) == (start, label)


@pytest.mark.parametrize(
    ("response", "candidates", "taken", "reason"),
    [
        ("Answer: B", ABCD, ("[invalid]",), "took '[invalid]', which names no candidate"),
        ("Answer: B", ABCD, ("A",), "took 'A', which stands in the response 0 times"),
        ("no no yes", YES_NO, ("no",), "took 'no', which stands in the response 2 times"),
        ("It is 12 or 13, say 12", (), ("12",), "took '12', which stands in the response 2 times"),
        ("It is twelve", (), ("[invalid]",), "took '[invalid]', which stands in the response 0 times"),
    ],
)
def test_what_a_filter_took_and_the_text_does_not_show_is_not_read(response, candidates, taken, reason) -> None:
    found = locate_answer(response, candidates, taken=taken)
    assert isinstance(found, NoAnswer)
    assert reason in found.reason


def test_an_open_answer_is_read_where_the_filter_took_it() -> None:
    found = locate_answer("Adding up gives 41, so the sum is #### 42", taken=("[invalid]", "42"))
    assert isinstance(found, AnswerSpan)
    assert (found.text, found.start) == ("42", 39)


def test_of_a_sentence_the_filter_tells_the_place() -> None:
    sentence = "The war ended in 1945."
    assert isinstance(locate_answer(sentence), NoAnswer)
    found = locate_answer(sentence, taken=("1945",))
    assert isinstance(found, AnswerSpan)
    assert (found.text, found.rule) == ("1945", "task_filter")
