from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

import lens_tasks
from lens_tasks import target_for
from lens_tasks.kinds import kind_of_question
from lens_tasks.targets import AnswerTarget

POPE = {
    "question": "Is there a dog?",
    "answer": "no",
    "image_source": "COCO_1",
    "category": "popular",
    "question_id": "7",
}


@pytest.mark.parametrize(
    "task", ["pope", "pope_adv", "pope_pop", "pope_random", "pope_mini", "pope_repope", "POPE", "my_pope"]
)
def test_pope_family(task):
    target = target_for(task, POPE, gold="no")
    assert target.labels == ("yes", "no")
    assert target.candidates[0].variants == ("yes", " yes", "Yes", " Yes", "YES", " YES")
    assert (target.gold, target.gold_texts) == ("no", ("no",))
    assert (target.cluster, target.question_type, target.binary) == ("COCO_1", "popular", ("yes", "no"))
    assert (target.source, target.note) == ("pope", None)


def test_gold_comes_from_the_document_where_the_harness_gives_none():
    assert target_for("pope", POPE).gold == "no"
    assert target_for("pope", {**POPE, "answer": "Yes."}).gold == "yes"


def test_clevr():
    doc = {
        "question": "What color?",
        "answer": "Cyan",
        "image_filename": "CLEVR_val_000001.png",
        "question_family": "query_attribute",
    }
    target = target_for("clevr_mini", doc, gold="cyan")
    assert len(target.candidates) == 28
    assert (target.gold, target.cluster) == ("cyan", "CLEVR_val_000001.png")
    assert (target.question_type, target.binary, target.pivot) == ("query_attribute", None, ())
    assert (target.kind, target.kind_from) == ("colour", "question")
    exist = {**doc, "question": "Is there a cube?", "question_family": "exist"}
    assert target_for("clevr", {**exist, "answer": "no"}).binary == ("yes", "no")
    assert target_for("clevr", {**doc, "answer": "10"}).gold == "10"


@pytest.mark.parametrize(
    ("doc", "kind", "known"),
    [
        ({"program": '[{"function": "scene"}, {"function": "query_shape"}]', "answer": "cube"}, "shape", "document"),
        ({"program": [{"type": "scene"}, {"type": "count"}], "answer": "3"}, "number", "document"),
        ({"question_family": "compare_integer"}, "yes_no", "document"),
        ({"question": "What is the tiny red thing made of?", "answer": "metal"}, "material", "question"),
        ({"question": "There is a cube of the same color as the ball; how big is it?"}, "size", "question"),
        ({"question": "Does the cube have the same size as the ball?"}, "yes_no", "question"),
        ({"question": "How many things are the same shape as the ball?"}, "number", "question"),
        ({"question": "What is the color of the thing that is made of rubber?"}, "colour", "question"),
        ({"question": "The other small shiny thing that is the same shape as it is what color?"}, "colour", "question"),
        ({"question": "There is a big ball; what number of tiny things are behind it?"}, "number", "question"),
        ({"question": "There is a cube; is it the same color as the ball?"}, "yes_no", "question"),
        ({"question": "How many things are made of the same material as the ball?"}, "number", "question"),
        ({"question": "What material is the thing that has the same size as the cube?"}, "material", "question"),
        ({"question": "The ball is made of what material?"}, "material", "question"),
        ({"question": "The large thing has what shape?"}, "shape", "question"),
        ({"question": "The red thing?", "answer": "cube"}, "shape", "gold"),
        ({"question": "The red thing?"}, None, None),
        ({"question": "What color and what shape is it?"}, None, None),
        ({"question": "What color is it?", "answer": "cube"}, None, None),  # one of the two is wrong
    ],
)
def test_clevr_says_which_kind_of_answer_is_asked_for(doc, kind, known):
    target = target_for("clevr", {"question": "?", **doc})
    assert (target.kind, target.kind_from) == (kind, known)
    kinds = {candidate.label: candidate.kind for candidate in target.candidates}
    assert [kinds[label] for label in ("no", "10", "gray", "cube", "small", "metal")] == [
        "yes_no", "number", "colour", "shape", "size", "material",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["clevr_mini", "ruclevr_mini"])
def test_wording_and_document_agree_on_the_kind_in_the_minis(name):
    table = pq.read_table(Path(lens_tasks.__file__).parent / "minis" / f"{name}.parquet")
    for doc in table.select([column for column in table.column_names if column != "image"]).to_pylist():
        target = target_for(name, doc)
        question = doc["question"] if "question" in doc else doc["inputs"]["question"]
        assert (target.kind, target.kind_from) == (kind_of_question(question), "document"), question


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("Какого цвета большой куб?", "colour"),
        ("Какова форма предмета того же цвета, что и шар?", "shape"),
        ("Из чего сделан шар?", "material"),
        ("Верно ли, что сфер столько же, сколько кубов?", "yes_no"),
        ("Из одного ли материала сделаны куб и сфера?", "yes_no"),
        ("Сколько предметов той же формы, что и куб?", "number"),
    ],
)
def test_the_wording_tells_the_kind_in_russian(ruclevr_doc, question, kind):
    ruclevr_doc.update(inputs={"question": question}, outputs="", meta={})
    target = target_for("ruclevr", ruclevr_doc)
    assert (target.kind, target.kind_from) == (kind, "question")


def test_ruclevr_real_record(ruclevr_doc):
    target = target_for("ruclevr", ruclevr_doc, gold="нет")
    assert len(target.candidates) == len(target.pivot) == 28
    assert (target.gold, target.question_type, target.binary) == ("нет", "binary", ("да", "нет"))
    assert (target.kind, target.kind_from) == ("yes_no", "document")
    assert target.cluster is not None
    assert target.cluster.endswith("ruclevr_0007.png")
    assert [candidate.label for candidate in target.pivot] == list(target.labels)
    assert " no" in target.pivot[1].variants
    assert target.source == "ruclevr"


@pytest.mark.parametrize(
    ("outputs", "gold"), [("зелёный", "зеленый"), ("Шар", "сфера"), ("3", "3"), ("металл", "металл")]
)
def test_ruclevr_vocabulary(ruclevr_doc, outputs, gold):
    ruclevr_doc.update(outputs=outputs, meta={"question_type": "colors"})
    target = target_for("ruclevr", ruclevr_doc)
    assert (target.gold, target.binary, target.note) == (gold, None, None)


def test_weird_real_record(weird_doc):
    target = target_for("weird", weird_doc, gold="B")
    assert target.labels == ("A", "B")
    assert {"B", " B", "В", " В", "странное", " Странное"} <= set(target.candidates[1].variants)
    assert {"A", "А", "нормальное"} <= set(target.candidates[0].variants)
    assert {" strange", "B"} <= set(target.pivot[1].variants)
    assert "normal" in target.pivot[0].variants
    assert (target.gold, target.cluster) == ("B", "v5_7")
    assert target.question_type == "Food and Nutrition Mismatches"


def test_weird_follows_the_documents_own_order(weird_doc):
    weird_doc["inputs"].update(option_a="странное", option_b="нормальное")
    target = target_for("weird_mini", weird_doc, gold="B")
    assert "странное" in target.candidates[0].variants
    assert "strange" in target.pivot[0].variants
    assert target.gold == "B"


@pytest.mark.parametrize("outputs", ["", None])
def test_private_documents_have_candidates_but_no_gold(weird_doc, outputs):
    weird_doc["outputs"] = outputs
    target = target_for("weird", weird_doc)
    assert (target.labels, target.gold, target.gold_texts, target.note) == (("A", "B"), None, (), None)


def test_rucommonvqa_is_open_or_yes_no():
    doc = {"instruction": "{question}", "inputs": {"question": "?"}, "outputs": ["кот", "кошка"], "meta": {"id": 1}}
    target = target_for("rucommonvqa", doc)
    assert (target.candidates, target.gold, target.gold_texts) == ((), None, ("кот", "кошка"))
    binary = target_for("rucommonvqa", {**doc, "outputs": ["да"]})
    assert (binary.gold, binary.binary, binary.labels) == ("да", ("да", "нет"), ("да", "нет"))


@pytest.mark.parametrize(
    ("task", "doc", "said"),
    [
        ("pope", {"question": "?", "answer": "maybe"}, "found 'maybe'"),
        ("clevr", {"question": "?", "answer": "orange"}, "'orange'"),
        ("ruclevr", {"instruction": "", "inputs": {}, "outputs": "оранжевый"}, "'оранжевый'"),
        ("weird", {"instruction": "", "inputs": {"option_a": "x"}, "outputs": "A"}, "option_b"),
        ("weird", {"text": "a"}, "'instruction'"),
        ("pope", {"question": "?", "answer": {"text": "perhaps"}}, "found 'perhaps'"),
    ],
)
def test_strange_documents_fall_back_with_a_note(task, doc, said):
    target = target_for(task, doc, gold=doc.get("answer") or doc.get("outputs"))
    assert isinstance(target, AnswerTarget)
    assert target.note is not None
    assert said in target.note


def test_the_fallback_of_a_strange_document_is_still_useful():
    target = target_for("clevr", {"question": "?", "answer": "orange"}, gold="orange")
    assert (target.source, target.candidates, target.gold_texts) == ("open", (), ("orange",))


@pytest.mark.parametrize(
    ("prompt", "gold", "labels", "expected"),
    [
        ("What is it?\nA. cat\nB. dog\nC. red bus", "B", ("A", "B", "C"), "B"),
        ("What is it?\nA. cat\nB. dog", "dog", ("A", "B"), "B"),
        ("What is it?\n(A) cat\n(B) dog", "(B)", ("A", "B"), "B"),
        ("What is it? (A) cat (B) dog", "A", ("A", "B"), "A"),
        ("What is it?\nOptions: A: cat, B: big dog, C: 3 cows\nPlease select.", "C", ("A", "B", "C"), "C"),
        ("What is it?\n1. cat\n2. dog", "2", ("1", "2"), "2"),
        ("What is it?\n0. cat\n1. dog", 1, ("0", "1"), "1"),
        ("What is it?\nA: cat\nB: dog", 0, ("A", "B"), "A"),
        ("Что это?\nА) кот\nВ) пёс", "B", None, None),  # А, В without Б is Latin order in Cyrillic letters: A, B
        ("A. x\nB. y\nAnswer: A\n\nWhat?\nA. cat\nB. dog\nC. cow", "C", ("A", "B", "C"), "C"),
    ],
)
def test_options_in_the_prompt(prompt, gold, labels, expected):
    target = target_for("mmbench_en_dev", {}, prompt=prompt, gold=gold)
    assert target.labels == (labels or ("A", "B"))
    assert target.gold == (expected or "B")
    assert target.source == "prompt_options"


def test_short_option_texts_are_forms_of_their_letter():
    target = target_for("mmbench", {}, prompt="Q?\nA. cat\nB. a very long story of a dog\nC. 7", gold="A")
    assert "Cat" in target.candidates[0].variants
    assert target.candidates[1].variants == ("B", " B")
    assert target.candidates[2].variants == ("C", " C")


def test_a_list_the_answer_is_not_chosen_from_is_no_choice():
    target = target_for("vqa", {}, prompt="Steps:\n1. look\n2. think\nHow many cows?", gold="seven")
    assert (target.candidates, target.source) == ((), "open")


@pytest.mark.parametrize(
    ("choices", "gold", "expected"),
    [(["left", "right"], 1, "right"), (["A", "B", "C"], "C", "C"), (["yes", "no"], 0, "yes"), (["1", "2"], 1, None)],
)
def test_choices_of_the_harness(choices, gold, expected):
    target = target_for("anything", {}, gold=gold, choices=choices)
    assert target.labels == tuple(choices)
    assert target.source == "choices"
    assert target.gold == (expected or "2")
    assert target.gold_texts == (choices[gold] if isinstance(gold, int) else gold,)


def test_choices_that_are_letters_take_their_texts_from_the_prompt():
    target = target_for("x", {}, prompt="Q?\nA. cat\nB. dog", gold=1, choices=["A", "B"])
    assert (target.source, target.gold) == ("prompt_options", "B")
    assert "dog" in target.candidates[1].variants


@pytest.mark.parametrize(
    ("gold", "labels", "binary"),
    [
        ("Yes", ("yes", "no"), ("yes", "no")),
        ("No.", ("yes", "no"), ("yes", "no")),
        (["да"], ("да", "нет"), ("да", "нет")),
    ],
)
def test_yes_no_gold(gold, labels, binary):
    target = target_for("hallusion", {"image_id": 5, "type": "vs"}, gold=gold)
    assert (target.labels, target.binary, target.source) == (labels, binary, "yes_no")
    assert (target.cluster, target.question_type) == ("5", "vs")


@pytest.mark.parametrize(
    ("prompt", "labels"),
    [
        ("Is it red? Answer yes or no.", ("yes", "no")),
        ("Is it red? (Yes/No)", ("yes", "no")),
        ("Он красный? Ответь да или нет.", ("да", "нет")),
        ("Is it red?", ()),
    ],
)
def test_yes_no_prompt_without_gold(prompt, labels):
    target = target_for("private", {}, prompt=prompt)
    assert (target.labels, target.gold) == (labels, None)
    assert target_for("open", {}, prompt=prompt, gold="crimson").candidates == ()


@pytest.mark.parametrize(
    ("gold", "texts"),
    [
        ("a cat", ("a cat",)),
        (["a", "b", "a"], ("a", "b")),
        ([{"answer": "x"}, {"answer": "y"}], ("x", "y")),
        (3.5, ("3.5",)),
        (None, ()),
        ("", ()),
    ],
)
def test_open_tasks_keep_the_gold_texts(gold, texts):
    target = target_for("vqav2", {}, gold=gold)
    assert (target.candidates, target.gold, target.gold_texts, target.source) == ((), None, texts, "open")


class Hostile(dict[str, object]):
    def get(self, *_):
        raise RuntimeError("no")


@pytest.mark.parametrize("doc", [{}, {"question": None}, {"inputs": 3, "instruction": 4}, Hostile(question="?")])
@pytest.mark.parametrize("task", ["pope", "clevr", "weird", "ruclevr", "rucommonvqa", "other"])
@pytest.mark.parametrize("gold", [None, object(), 10**9, [[]], {"answer": None}])
def test_it_never_raises(task, doc, gold):
    assert isinstance(target_for(task, doc, gold=gold, choices=["a", "a"], prompt="A. x\nB. x"), AnswerTarget)


@pytest.mark.parametrize("task", ["popemobile", "nuclevr2", "weirdness", "superclevr"])
def test_names_that_only_look_alike_are_not_matched(task):
    doc = {**POPE, "instruction": "", "inputs": {}}
    assert target_for(task, doc, gold="cat").source == "open"


@pytest.mark.parametrize(
    ("prompt", "gold", "choices", "looked"),
    [
        ("What?\nA. cat\nB. dog\nAnswer with the letter.", "B", None, False),
        ("What?\nOptions:\nA. cat\nB. dog", "B", None, False),
        ("What?\nA. cat\nB. dog", "B", None, True),
        ("Which?\nA. cat\nB. dog\nWhich?\nA. cow\nB. hen\nC. pig\nAnswer with the letter.", "C", None, True),
        ("Which of the following is it?\n1. cat\n2. dog", "2", None, True),
        ("Is it red? Answer yes or no.", "no", None, False),
        ("Is it red?", "no", None, False),
        ("Is it red or not?", "no", None, True),
        ("", "no", None, True),
        ("Q?", 1, ["no", "yes"], False),
    ],
)
def test_the_target_says_where_only_the_right_answer_gave_the_candidates(prompt, gold, choices, looked):
    target = target_for("x", {}, prompt=prompt, gold=gold, choices=choices)
    assert target.labels
    assert target.from_gold is looked
