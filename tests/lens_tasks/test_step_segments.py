"""The steps of written reasoning, against texts that a person divided."""

from __future__ import annotations

import re

import pytest
from step_texts import BLOCKS, OPENED, PLAIN

from lens_tasks.answers import segments, written_reasoning


def unmarked(marked):
    """(text, steps, closing, answer) of a marked text."""
    text, places = "", {mark: [] for mark in "⟦⟧{}¦"}
    braces = "{" in marked.replace("\\boxed{", "") and "\\boxed" not in marked
    for letter in marked:
        if letter in places and (braces or letter not in "{}"):
            places[letter].append(len(text))
        else:
            text += letter
    steps = tuple(zip(places["⟦"], places["⟧"], strict=True))
    closing = (places["{"][0], places["}"][0]) if places["{"] else None
    return text, steps, closing, places["¦"][0] if places["¦"] else None


def test_there_are_enough_texts():
    assert len({*PLAIN, *BLOCKS, *OPENED}) >= 70
    assert sum(bool(re.search("[а-я]", text)) for text in (*PLAIN, *BLOCKS)) >= 12


@pytest.mark.parametrize("marked", [*PLAIN, *BLOCKS])
def test_steps_of_a_response(marked):
    check(marked, False)


@pytest.mark.parametrize("marked", OPENED)
def test_steps_of_a_response_that_begins_in_a_block(marked):
    check(marked, True)


def check(marked, in_reasoning):
    text, steps, closing, answer = unmarked(marked)
    found = written_reasoning(text, answer, in_reasoning=in_reasoning)
    assert [text[start:end] for start, end in found.segments] == [text[start:end] for start, end in steps]
    assert found.segments == steps
    if closing is not None:
        assert found.closing == closing and found.inside == sum(end <= closing[0] for _, end in steps)
    else:
        assert found.closing == (0, 0) and (found.inside == 0 or answer is None)
    if steps and answer is not None:
        # nothing between the last step in the block, or the last step of all, and the answer is lost
        visible = steps[found.inside :]
        closed = text[slice(*closing)] if closing else ""
        led = text[visible[-1][1] : answer] if visible else ""
        assert said(text, found.bridge(found.inside)) == closed + led
        assert said(text, found.bridge(len(steps))) == (led if visible else closed)


def said(text, places):
    return "".join(text[start:end] for start, end in places)


def test_marks_that_are_special_tokens_are_not_in_the_text():
    found = written_reasoning("The cube is red. So.red", 20, hidden_end=20)
    assert found.segments == ((0, 16), (17, 20)) and found.inside == 2
    assert found.bridge(0) == ((20, 20), (20, 20))  # the marks themselves are among the tokens


def test_a_block_is_closed_before_visible_steps_are_led_to_the_answer():
    text = "<think>One. Two.</think> So three. Answer: 3"
    found = written_reasoning(text, text.index("3"))
    led = [[text[start:end] for start, end in found.bridge(after)] for after in range(4)]
    assert led == [["</think> ", " Answer: "]] * 3 + [[" Answer: "]]


@pytest.mark.parametrize("marked", [*PLAIN, *BLOCKS])
def test_steps_lie_in_order_within_the_text(marked):
    text, _, _, answer = unmarked(marked)
    for cut in range(0, len(text) + 1, 3):
        before = written_reasoning(text[:cut])
        flat = [place for segment in before.segments for place in segment]
        assert flat == sorted(flat) and all(0 <= place <= cut for place in flat)
        assert all(text[start:end].strip() == text[start:end] != "" for start, end in before.segments)
    assert written_reasoning(text, answer) == written_reasoning(text, answer)


@pytest.mark.parametrize("piece", ["e.g. x ", "1. ", "Answer: ", "Step 1: ", "> ", "The cube is red. ", "<think>"])
def test_a_text_ten_times_as_long_takes_no_hundred_times_as_many_looks(piece, monkeypatch):
    """Characters that patterns are given to search, counted: what a model that repeats itself writes."""
    given = []

    class Counted:
        def __init__(self, pattern):
            self.pattern = pattern

        def search(self, text, *places):
            given.append(len(text[slice(*places)]) if places else len(text))
            return self.pattern.search(text, *places)

    for name in ("_ABBREVIATED", "_TITLE"):
        monkeypatch.setattr(segments, name, Counted(getattr(segments, name)))
    counts = []
    for times in (100, 1000):
        given.clear()
        written_reasoning(piece * times)
        counts.append(sum(given))
    assert counts[1] <= 12 * max(counts[0], 1)
