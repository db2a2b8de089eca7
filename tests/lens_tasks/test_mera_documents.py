"""Documents of the form of each data set of MERA's multimodal benchmark: candidates, gold answer, cluster, kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from mera_documents import CYRILLIC, LATIN, document

from lens_tasks.documents import Turn, turn_of
from lens_tasks.targets import AnswerTarget, target_for


def target_of(task: str, doc: Mapping[str, Any], gold: object = None) -> AnswerTarget:
    prompt = doc["instruction"].format(**doc["inputs"])
    return target_for(task, doc, prompt=prompt, gold=doc["outputs"] if gold is None else gold)


FOUR = ("кот", "пёс", "лев", "рысь")
ONE_LINE = {"between": " ", "tail": " Ответ:"}
WRITTEN_BREAKS = {"between": "\\n", "tail": "\\nДайте одну букву."}
CATEGORIES = {"categories": {"category": "counting"}}


@pytest.mark.parametrize(
    ("task", "doc", "labels", "gold", "cluster", "kind"),
    [
        (
            "aquaria",
            document("B", options=FOUR, mark=") ", meta={"categories": {"task_type": "comparison"}}),
            "ABCD",
            "B",
            None,
            "comparison",
        ),
        (
            "commonvideoqa",
            document("A", options=("Два.", "Три.", "Пять.", "Шесть."), meta=CATEGORIES),
            "ABCD",
            "A",
            None,
            "counting",
        ),
        ("realvideoqa", document("D", options=FOUR, meta=CATEGORIES, tail=""), "ABCD", "D", None, "counting"),
        (
            "labtabvqa",
            document("G", options="2614350", **WRITTEN_BREAKS, meta={"categories": {"question_type": "Формат"}}),
            "ABCDEFG",
            "G",
            None,
            "Формат",
        ),
        (
            "schoolsciencevqa_biology",
            document("C", options=FOUR, meta={"categories": {"domain": "biology"}}),
            "ABCD",
            "C",
            None,
            "biology",
        ),
        (
            "runaturalsciencevqa_biology",
            document("C", options=("4:0", "0:4", "2:2", "3:1"), **ONE_LINE),
            "ABCD",
            "C",
            None,
            None,
        ),
        (
            "ruenvaqa",
            document("A", options=FOUR, meta={"categories": {"task_type": "scene"}}),
            "ABCD",
            "A",
            None,
            "scene",
        ),
        (
            "ruhhh_image",
            document("B", options=("Да. A. Нет", "B. Может быть, а C. нет"), meta={"categories": {"category": "open"}}),
            "AB",
            "B",
            None,
            "open",
        ),
        (
            "ruhhh_video",
            document("A", options=("Нет.", "Да."), meta={"group_id": 316, "categories": {"category": "helpful"}}),
            "AB",
            "A",
            "316",
            "helpful",
        ),
        ("rutie_vision_default", document("Б", options=FOUR, meta={"type": "Вводная"}), "ABCD", "B", None, "Вводная"),
        ("rutie_audio_default", document("D", options=FOUR, meta={"type": "Вводная"}), "ABCD", "D", None, "Вводная"),
        ("own_cyrillic", document("В", options=FOUR, keys=CYRILLIC, mark=") "), "АБВГ", "В", None, None),
        ("own_numbers", document("3", options=FOUR, keys="1234", mark=") "), "1234", "3", None, None),
    ],
)
def test_options_are_those_of_the_document(
    task: str, doc: Mapping[str, Any], labels: str, gold: str, cluster: str | None, kind: str | None
) -> None:
    target = target_of(task, doc)
    assert (target.labels, target.gold) == (tuple(labels), gold)
    assert (target.cluster, target.question_type) == (cluster, kind)
    assert not target.from_gold, "the document says what the options are, not the gold answer"
    texts = [str(text).strip() for name, text in doc["inputs"].items() if name.startswith("option_")]
    assert [candidate.text for candidate in target.candidates] == texts


@pytest.mark.parametrize("gold", ["RUTIE_TARGET_0", ["RUTIE_TARGET_17"], "", None, "None"])
def test_a_private_document_has_candidates_and_no_gold(gold: object) -> None:
    doc = document("", options=FOUR, meta={"question_id": 3, "dialog_id": 1})
    target = target_of("rutie_vision_gen", doc, gold)
    assert (target.labels, target.gold, target.gold_texts) == (tuple("ABCD"), None, ())
    assert target.cluster == "1"


@pytest.mark.parametrize(
    ("gold", "right"),
    [("RUTIE_TARGET_3", "B"), (" RUTIE_TARGET_3 ", "B"), ("C", "C"), ("RUTIE", None), ("", None)],
)
def test_the_answer_of_a_placeholder_is_that_of_the_document(gold: str, right: str | None) -> None:
    doc = document("B", options=FOUR, meta={"question_id": 3, "dialog_id": 1})
    assert target_of("rutie_vision_gen", doc, gold).gold == right


@pytest.mark.parametrize(
    ("doc", "turn"),
    [
        ({"meta": {"question_id": 3, "dialog_id": 1}}, Turn("1", 3)),
        ({"meta": {"question_id": 0, "dialog_id": 0}}, Turn("0", 0)),
        ({"dialogue_id": "a", "turn": "12"}, Turn("a", 12)),
        ({"meta": {"question_id": 3}, "dialog_id": 1}, None),
        ({"question_id": 3}, None), ({"meta": {"dialog_id": 1}}, None), ({"dialog_id": 1, "turn_id": "1b"}, None),
        ({"dialog_id": 1, "turn_id": -1}, None), ({"dialog_id": 1, "turn": True}, None), ({"meta": None}, None),
    ],
)  # fmt: skip
def test_a_turn_is_taken_only_where_dialogue_and_number_are_named(doc: dict[str, Any], turn: Turn | None) -> None:
    assert turn_of(doc) == turn


@pytest.mark.parametrize(
    ("written", "keys", "options", "place"),
    [
        ("Б", LATIN, 4, 1), ("Г", LATIN, 4, 3), ("А", LATIN, 4, 0), ("С", LATIN, 4, 2), ("д", LATIN, 5, 4),
        ("В", LATIN, 2, 1),  # there is no third option, so that it can only be drawn for a B
        ("В", LATIN, 4, None),  # the third letter, or drawn for a B
        ("Е", LATIN, 5, 4), ("Е", LATIN, 6, None),
        ("A", CYRILLIC, 4, 0), ("D", CYRILLIC, 4, 3), ("B", CYRILLIC, 4, None), ("C", CYRILLIC, 4, 2),
    ],
)  # fmt: skip
def test_a_letter_of_the_other_script(written: str, keys: str, options: int, place: int | None) -> None:
    texts = ("кот", "пёс", "лев", "рысь", "волк", "лиса")[:options]
    keys = {LATIN: "ABCDEF", CYRILLIC: "АБВГДЕ"}[keys]
    target = target_of("own", document(written, options=texts, keys=keys))
    assert target.gold == (None if place is None else keys[place])
    assert (target.note is None) == (place is not None)


@pytest.mark.parametrize("task", ["unisciencevqa_business", "rumathvqa", "realvqa", "rucommonvqa", "ruslun"])
def test_questions_without_options_are_open(task: str) -> None:
    doc = document("в пятницу", meta={"categories": {"question_topic": ["text"]}, "image": {"source": ["photo"]}})
    target = target_of(task, doc)
    assert (target.candidates, target.gold_texts, target.question_type) == ((), ("в пятницу",), "text")


def test_options_end_where_the_document_has_no_more() -> None:
    doc = document("B", options=FOUR)
    doc["inputs"]["option_d"] = None
    assert target_of("own", doc).labels == ("A", "B", "C")


def test_line_breaks_written_as_two_characters() -> None:
    prompt = "Посмотри на таблицу.\\nЧто тут?\\nA. кот\\nB. пёс\\nC. лев\\nОтветь одной буквой варианта."
    target = target_for("own", {}, prompt=prompt, gold="C")
    assert (target.labels, target.gold) == (("A", "B", "C"), "C")
    assert [candidate.text for candidate in target.candidates] == ["кот", "пёс", "лев"]
