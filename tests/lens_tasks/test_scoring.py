from __future__ import annotations

import pytest

from lens_tasks import target_for
from lens_tasks.scoring import exact_match, short_answer_scores
from lens_tasks.tasks.mera import ruclevr_process_results, rucommonvqa_process_results, weird_process_results


@pytest.mark.parametrize(
    ("response", "golds", "expected"),
    [
        ("нет", ["нет"], 1.0),
        ("Нет.", ["нет"], 1.0),
        ("НЕТ!", ["нет"], 1.0),
        (" 2", ["2"], 0.0),  # blanks are not stripped, as in the original
        ("2", ["2", "two"], 1.0),
        ("Two", ["2", "two"], 1.0),
        ("В", ["B"], 0.0),  # Cyrillic
        ("B. странное", ["B"], 0.0),
        ("", ["нет"], 0.0),
    ],
)
def test_strict_score_is_the_originals(response, golds, expected):
    assert exact_match(response, golds) == expected


# response: strict, lenient, format_error, no_answer
RUCLEVR_SCORES = {
    "нет": (1, 1, 0, 0),
    "Нет.": (1, 1, 0, 0),
    " нет": (0, 1, 0, 0),
    "РАССУЖДЕНИЕ: предмет один. ОТВЕТ: нет": (0, 1, 0, 0),
    "РАССУЖДЕНИЕ: предмет один. ОТВЕТ: да": (0, 0, 0, 0),
    "Ответ: нет, таких предметов больше не видно": (0, 1, 1, 0),
    "да": (0, 0, 0, 0),
    "Да, есть ещё один": (0, 0, 1, 0),
    "На изображении много предметов": (0, 0, 1, 1),
    "РАССУЖДЕНИЕ: нет времени": (0, 0, 1, 1),
    "да и нет": (0, 0, 1, 1),
    "": (0, 0, 1, 1),
}
WEIRD_SCORES = {
    "B": (1, 1, 0, 0),
    "b": (1, 1, 0, 0),
    "В": (0, 1, 1, 0),  # Cyrillic
    "B. странное": (0, 1, 1, 0),
    "странное": (0, 1, 1, 0),
    "A": (0, 0, 0, 0),
    "А": (0, 0, 1, 0),  # Cyrillic
    "РАССУЖДЕНИЕ: тень не там.\nОТВЕТ: B": (0, 1, 0, 0),
    "РАССУЖДЕНИЕ: тень не там.\nОТВЕТ: литера В": (0, 1, 1, 0),
    "В этом изображении всё в порядке, я думаю": (0, 0, 1, 1),
}
METRICS = ("exact_match", "exact_match_lenient", "format_error", "no_answer")


@pytest.mark.parametrize("response", RUCLEVR_SCORES)
def test_ruclevr_real_record(ruclevr_doc, response):
    scores = ruclevr_process_results(ruclevr_doc, [response])
    assert scores == dict(zip(METRICS, RUCLEVR_SCORES[response], strict=True))


@pytest.mark.parametrize("response", WEIRD_SCORES)
def test_weird_real_record(weird_doc, response):
    scores = weird_process_results(weird_doc, [response])
    assert scores == dict(zip(METRICS, WEIRD_SCORES[response], strict=True))


@pytest.mark.parametrize("response", [*RUCLEVR_SCORES, *WEIRD_SCORES])
def test_strict_is_never_above_lenient_and_the_shares_are_apart(ruclevr_doc, weird_doc, response):
    for scores in (
        ruclevr_process_results(ruclevr_doc, [response]),
        weird_process_results(weird_doc, [response]),
    ):
        assert scores["exact_match"] <= scores["exact_match_lenient"]
        assert scores["exact_match_lenient"] + scores["no_answer"] <= 1


@pytest.mark.parametrize(
    ("response", "strict", "lenient", "no_answer"),
    [
        ("кошка", 1, 1, 0),
        ("Кот.", 1, 1, 0),
        ("ОТВЕТ: кот", 0, 1, 0),
        ("собака", 0, 0, 0),
        ("ОТВЕТ:", 0, 0, 1),
    ],
)
def test_open_answers_have_no_format_error(response, strict, lenient, no_answer):
    doc = {"instruction": "{question}", "inputs": {"question": "?"}, "outputs": ["кот", "кошка"], "meta": {"id": 1}}
    scores = rucommonvqa_process_results(doc, [response])
    assert scores == {"exact_match": strict, "exact_match_lenient": lenient, "no_answer": no_answer}


def test_private_documents_are_not_scored_but_do_not_fail(weird_doc):
    weird_doc["outputs"] = ""
    assert weird_process_results(weird_doc, ["B"]) == {"format_error": 0.0, "no_answer": 0.0}


def test_lenient_clevr_numbers():
    target = target_for("clevr", {"question": "How many?", "answer": "2"})
    assert short_answer_scores("Two", target) == {
        "exact_match": 0.0,
        "exact_match_lenient": 1.0,
        "format_error": 1.0,
        "no_answer": 0.0,
    }
