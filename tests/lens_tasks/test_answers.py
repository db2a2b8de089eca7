from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lens_tasks.answers import AnswerSpan, NoAnswer, locate_answer, part_after_marker
from lens_tasks.options.candidates import Option, option_candidates
from lens_tasks.vocabulary import CLEVR, RUCLEVR, YES_NO, YES_NO_RUSSIAN

YN, DN = YES_NO, YES_NO_RUSSIAN
ABCD = option_candidates(
    [Option(key, text) for key, text in zip("ABCD", ["cat", "dog", "horse", "bird"], strict=True)], cyrillic=False
)
AB = option_candidates([Option("A", "нормальное"), Option("B", "странное")], cyrillic=True)
LONG = "Let me look at the picture step by step. " * 25
LONG_RU = "Рассмотрим изображение внимательно: слева стоит шар, и тень его короткая. " * 20

# response, candidates, text before the answer (None: no answer), text of the answer, rule, aligned, label
TABLE = [
    # plain answers
    ("yes", YN, "", "yes", "first_content", True, "yes"),
    ("Yes.", YN, "", "Yes", "first_content", True, "yes"),
    (" no", YN, " ", "no", "first_content", True, "no"),
    ("\n\nyes", YN, "\n\n", "yes", "first_content", True, "yes"),
    ("**B**", ABCD, "**", "B", "first_content", True, "B"),
    ("(C)", ABCD, "(", "C", "first_content", True, "C"),
    ('"No"', YN, '"', "No", "first_content", True, "no"),
    ("«Да»", DN, "«", "Да", "first_content", True, "да"),
    ("> **Да.**", DN, "> **", "Да", "first_content", True, "да"),
    ("B. dog", ABCD, "", "B", "first_content", True, "B"),
    ("B) dog", ABCD, "", "B", "first_content", True, "B"),
    ("dog", ABCD, "", "dog", "first_content", True, "B"),
    ("No, there is no dog.", YN, "", "No", "first_content", True, "no"),
    ("Yes, 2 of them.", CLEVR, "", "Yes", "first_content", True, "yes"),
    # numbers
    ("2", CLEVR, "", "2", "first_content", True, "2"),
    (" 2", CLEVR, " ", "2", "first_content", True, "2"),
    ("two", CLEVR, "", "two", "first_content", True, "2"),
    ("Two.", CLEVR, "", "Two", "first_content", True, "2"),
    ("10", CLEVR, "", "10", "first_content", True, "10"),
    ("20", CLEVR, "", "20", "first_content:no_candidate", True, None),
    ("2.5", CLEVR, "", "2.5", "first_content:no_candidate", True, None),
    ("три", RUCLEVR, "", "три", "first_content", True, "3"),
    # spelling: е and ё, Cyrillic and Latin
    ("зелёный", RUCLEVR, "", "зелёный", "first_content", True, "зеленый"),
    ("ЖЕЛТЫЙ", RUCLEVR, "", "ЖЕЛТЫЙ", "first_content", True, "желтый"),
    ("В", AB, "", "В", "first_content", True, "B"),  # Cyrillic
    ("а", AB, "", "а", "first_content", True, "A"),  # Cyrillic, small
    ("А нормальное", AB, "", "А", "first_content", True, "A"),
    ("Странное", AB, "", "Странное", "first_content", True, "B"),
    # markers
    ("Answer: yes", YN, "Answer: ", "yes", "after_marker", True, "yes"),
    ("Final answer:\n**no**", YN, "Final answer:\n**", "no", "after_marker", True, "no"),
    ("## Answer\n\nB", ABCD, "## Answer\n\n", "B", "after_marker", True, "B"),
    ("Ответ: да", DN, "Ответ: ", "да", "after_marker", True, "да"),
    ("Ответ — В", AB, "Ответ — ", "В", "after_marker", True, "B"),
    ("ОТВЕТ нет", DN, "ОТВЕТ ", "нет", "after_marker", True, "нет"),
    ("РАССУЖДЕНИЕ: тени нет. ОТВЕТ: нет", DN, "РАССУЖДЕНИЕ: тени нет. ОТВЕТ: ", "нет", "after_marker", True, "нет"),
    ("РАССУЖДЕНИЕ: да.\nОТВЕТ: литера В", AB, "РАССУЖДЕНИЕ: да.\nОТВЕТ: литера ", "В", "after_marker", True, "B"),
    ("Ответ: да. Нет, ОТВЕТ: нет", DN, "Ответ: да. Нет, ОТВЕТ: ", "нет", "after_marker", True, "нет"),
    ("Ответ на вопрос: сфера", RUCLEVR, "Ответ на вопрос: ", "сфера", "after_marker", True, "сфера"),
    (LONG + "Answer: (D)", ABCD, LONG + "Answer: (", "D", "after_marker", True, "D"),
    (LONG_RU + "\nОТВЕТ: 3", RUCLEVR, LONG_RU + "\nОТВЕТ: ", "3", "after_marker", True, "3"),
    ("So $\\boxed{\\text{B}}$", ABCD, "So $\\boxed{\\text{", "B", "after_marker", True, "B"),
    ("<answer>no</answer>", YN, "<answer>", "no", "after_marker", True, "no"),
    # sentences that lead to the answer
    ("The answer is yes.", YN, "The answer is ", "yes", "after_phrase", True, "yes"),
    ("The correct answer is: **B**", ABCD, "The correct answer is: **", "B", "after_phrase", True, "B"),
    ("The answer to the question is no.", YN, "The answer to the question is ", "no", "after_phrase", True, "no"),
    ("Правильным ответом является B.", AB, "Правильным ответом является ", "B", "after_phrase", True, "B"),
    ("Мой ответ да", DN, "Мой ответ ", "да", "after_phrase", True, "да"),
    ("No. If you answer yes, look again.", YN, "", "No", "first_content", True, "no"),
    ("Ответ: думаю, ответ да", DN, "Ответ: думаю, ответ ", "да", "after_phrase", True, "да"),
    ("No doubt, the answer is yes", YN, "No doubt, the answer is ", "yes", "after_phrase", True, "yes"),
    ("It is yes", YN, "It is ", "yes", "after_lead_in", True, "yes"),
    ("a cube", CLEVR, "a ", "cube", "after_lead_in", True, "cube"),
    ("Это изображение странное.", AB, "Это изображение ", "странное", "after_lead_in", True, "B"),
    ("Правильная буква — В", AB, "Правильная буква — ", "В", "after_lead_in", True, "B"),
    ("I answer yes", YN, "I answer ", "yes", "after_phrase", True, "yes"),
    ("Option B", ABCD, "Option ", "B", "after_lead_in", True, "B"),
    ("Буква А.", AB, "Буква ", "А", "after_lead_in", True, "A"),
    ("Yes, the answer is clear from the picture.", YN, "", "Yes", "first_content", True, "yes"),
    # reasoning blocks
    ("<think>Is it? yes</think>\n\nno", YN, "<think>Is it? yes</think>\n\n", "no", "after_think", True, "no"),
    ("hm, no</think>Answer: yes", YN, "hm, no</think>Answer: ", "yes", "after_marker", True, "yes"),
    # one or two words outside the set
    ("yesterday", YN, "", "yesterday", "first_content:no_candidate", True, None),
    ("orange", CLEVR, "", "orange", "first_content:no_candidate", True, None),
    ("нет. Не вижу.", DN, "", "нет", "first_content", True, "нет"),
    # open answers
    ("a red bus.", (), "", "a red bus", "first_content", True, None),
    ("The answer is a red bus.", (), "The answer is ", "a red bus", "after_phrase", True, None),
    ("Ответ: красный автобус\nи ещё", (), "Ответ: ", "красный автобус", "after_marker", True, None),
    ("**Ответ:** кот", (), "**Ответ:** ", "кот", "after_marker", True, None),
]


@pytest.mark.parametrize(("response", "candidates", "before", "text", "rule", "aligned", "label"), TABLE)
def test_table_of_answers(response, candidates, before, text, rule, aligned, label):
    expected = AnswerSpan(len(before), len(before) + len(text), text, rule, aligned, label)
    found = locate_answer(response, candidates)
    assert isinstance(found, AnswerSpan), found
    assert replace(found, decided_at=found.start) == expected


def test_the_rows_of_the_table_are_consistent():
    for response, _, before, text, *_ in TABLE:
        assert response.startswith(before + text)


@pytest.mark.parametrize(
    ("response", "candidates", "reason"),
    [
        ("", YN, "the response has no words"),
        ("...\n**", YN, "the response has no words"),
        ("Answer:", YN, "an answer marker with nothing after it"),
        ("Yes. Answer: **", YN, "an answer marker with nothing after it"),
        ("РАССУЖДЕНИЕ: шар слева. ОТВЕТ:", DN, "an answer marker with nothing after it"),
        ("РАССУЖДЕНИЕ: шар слева, тень справа, да", DN, "reasoning without an answer marker after it"),
        ("**Reasoning:** yes and so on", YN, "reasoning without an answer marker after it"),
        ("<think>yes, but", YN, "the reasoning block is never closed"),
        ("<think>no</think>", YN, "nothing after the reasoning block"),
        ("<think>no</think> <think>again", YN, "the reasoning block is never closed"),
    ],
)
def test_no_answer_is_said_and_not_guessed(response, candidates, reason):
    assert locate_answer(response, candidates) == NoAnswer(reason)


@pytest.mark.parametrize(
    ("response", "until", "expected"),
    [
        ("yes\n\nAnswer: no", ["\n\n"], "yes"),
        ("so yes###Answer: no", [], "no"),
        ("yes###no\n\n", ["\n\n", "###"], "yes"),
        ("Answer: no", [""], "no"),
    ],
)
def test_text_after_a_stop_string_does_not_count(response, until, expected):
    span = locate_answer(response, YN, until)
    assert isinstance(span, AnswerSpan)
    assert span.label == expected


def test_a_response_that_begins_with_the_stop_string_has_no_answer():
    assert locate_answer("\n\nyes", YN, ["\n\n"]) == NoAnswer("the response has no words")


@pytest.mark.parametrize(
    ("response", "part"),
    [("ОТВЕТ: нет", " нет"), ("Ответ: a ОТВЕТ b", "b"), ("no marker", None), ("Answer:", "")],
)
def test_part_after_the_last_marker(response, part):
    assert part_after_marker(response) == part


WORDS = st.sampled_from(
    [
        "yes",
        "No",
        "B",
        "В",
        "А",
        "Answer:",
        "ОТВЕТ",
        "is",
        "not",
        "или",
        "</think>",
        "<think>",
        "**",
        "\n",
        "\n\n",
        ",",
        "İ",
        "ё",
    ]
)


@given(st.one_of(st.text(), st.lists(WORDS).map(" ".join)), st.sampled_from([(), YN, AB, CLEVR]))
def test_any_response_is_located_or_refused(response, candidates):
    found = locate_answer(response, candidates, ["\n\n"])
    if isinstance(found, AnswerSpan):
        assert 0 <= found.start < found.end <= len(response)
        assert found.text == response[found.start : found.end]
        assert "\n\n" not in response[: found.end]
        assert found.label is None or found.label in [candidate.label for candidate in candidates]
        assert found.aligned or found.label is None
