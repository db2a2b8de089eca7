"""reasoning_mini: balance, wordings, every step recomputed from the scenes, and what does not tell the answers."""

from __future__ import annotations

import json
from collections import Counter, defaultdict

import pyarrow.parquet as pq
import pytest
from clevr_questions import PROGRAMS
from reasoning_baselines import from_words, rows, scenes, without_anchors
from reference import chosen, reference_answer
from russian_reading import read

from lens_tasks.folders import MINIS
from lens_tasks.scenes.english import question_text
from lens_tasks.scenes.execution import DegenerateQuestion, Objects, execute
from lens_tasks.scenes.questions import Noun, Phrase, Question
from lens_tasks.scenes.reasoning import COUNTS, PLAN, STEPS, reasoning_rows
from lens_tasks.scenes.russian import ANSWERS
from lens_tasks.scenes.steps import reasoning_steps, step_count
from lens_tasks.scenes.tables import to_table


@pytest.fixture(scope="module")
def drawn():
    return scenes()


@pytest.fixture(scope="module")
def pairs():
    """(English row, Russian row) of each question."""
    return list(zip(rows("en"), rows("ru"), strict=True))


def label(solid):
    return f"{solid.size} {solid.color} {solid.material} {solid.shape}"


def expected_steps(question, scene):
    """(objects, result) of each step, from the phrases and the independent reading of them."""

    def numbers(solids):
        return sorted(scene.solids.index(solid) for solid in solids)

    anchors = []
    for phrase in question.phrases:
        chain = []
        while phrase.anchor is not None:
            phrase = phrase.anchor
            chain.append(chosen(phrase, scene))
        anchors += [(numbers(each), label(each[0])) for each in reversed(chain)]
    groups = [chosen(phrase, scene) for phrase in question.phrases]
    answer = reference_answer(question, scene)
    if question.family in ("exist", "count", "query_attribute"):
        return [*anchors, (numbers(groups[0]), answer)]
    if question.family == "compare_integer":
        last = [(numbers(group), str(len(group))) for group in groups]
    else:
        last = [(numbers(group), vars(group[0])[question.detail]) for group in groups]
    return [*anchors, *last, ([], answer)]


def test_the_shipped_file_is_regenerated():
    shipped = pq.read_table(MINIS / "reasoning_mini.parquet").to_pylist()
    assert to_table("reasoning_mini", reasoning_rows()).to_pylist() == shipped


def test_the_plan_is_kept(pairs):
    wanted = {
        (steps, family): sum(
            {"exist": count, "count": count, "query_attribute": 8 + 3 * count}.get(family, 0)
            + {"compare_integer": 6 * count, "compare_attribute": 8 * count}.get(family, 0)
            for count in [count]
        )
        for steps, families in PLAN.items()
        for family, count in families.items()
    }
    assert Counter((row["steps"], row["question_family"]) for row, _ in pairs) == wanted
    assert {row["steps"] for row, _ in pairs} == set(STEPS)


def test_answers_are_balanced_within_number_of_steps_and_function(pairs):
    cells = defaultdict(Counter)
    for row, _ in pairs:
        cells[row["steps"], json.loads(row["program"])[-1]["function"]][row["answer"]] += 1
    assert len(cells) == 39
    for (_, function), given in cells.items():
        assert max(given.values()) == min(given.values()) or (
            function.startswith("query_") and max(given.values()) - min(given.values()) <= 1
        )
        if function == "count":
            assert set(given) == set(COUNTS)


def test_each_question_is_asked_in_both_languages(pairs, drawn):
    for english, russian in pairs:
        question = read(russian["question"])
        assert question_text(question) == english["question"]
        assert reference_answer(question, drawn[english["image_index"]]) == english["answer"]
        assert ANSWERS[english["answer"]] == russian["answer"]
        same = {"image_index", "program", "lens_steps", "lens_boxes", "steps", "question_family"}
        assert all(english[name] == russian[name] for name in same)


def test_every_step_from_ground_truth(pairs, drawn):
    for row, russian in pairs:
        steps = json.loads(row["lens_steps"])
        expected = expected_steps(read(russian["question"]), drawn[row["image_index"]])
        assert [(step["objects"], step["result"]) for step in steps] == expected
        assert len(steps) == row["steps"] and steps[-1]["result"] == row["answer"]
        assert sorted(node for step in steps for node in step["nodes"]) == list(range(len(json.loads(row["program"]))))
        assert all(set(step["inputs"]) <= set(range(number)) for number, step in enumerate(steps))
        used = {number for step in steps for number in step["inputs"]}
        assert used == set(range(len(steps) - 1))  # no step is idle
        labels = [each["label"] for each in json.loads(row["lens_boxes"])]
        assert all(labels[step["objects"][0]] == step["result"] for step in steps if step["function"] == "unique")


def test_no_question_twice_on_one_picture(pairs):
    assert len({(row["image_index"], row["question"]) for row, _ in pairs}) == len(pairs)


@pytest.mark.parametrize("language", ["en", "ru"])
def test_words_alone_do_not_tell_the_answer(language):
    """A forest on the words is no better than always saying yes where that can be said, and chance elsewhere."""
    asked = rows(language)
    hits = from_words(asked)
    chance = {"count": 0.2, "query_attribute": 0.35}
    expected = sum(chance.get(row["question_family"], 0.5) for row in asked) / len(asked)
    assert hits.mean() <= expected + 3 * (expected * (1 - expected) / len(asked)) ** 0.5


def test_counts_and_existence_need_the_relation(drawn):
    asked = [row for row in rows("ru") if row["question_family"] in ("count", "exist")]
    hits = without_anchors(asked, drawn)
    assert not hits[[row["question_family"] == "count" for row in asked]].any()
    assert hits.mean() < 0.25


def test_steps_of_official_programs():
    """Set operations and a type in place of a function, which no question of ours has."""
    objects = Objects(
        [{"size": size, "color": color, "material": "metal", "shape": "cube"} for size, color in (
            ("large", "red"), ("small", "red"), ("small", "blue"))],
        lambda number, relation: frozenset(range(number)) if relation == "left" else frozenset(range(number + 1, 3)),
    )  # fmt: skip
    both = [
        {"type": "scene", "inputs": []},
        {"type": "filter_color", "inputs": [0], "value_inputs": ["red"]},
        {"type": "scene", "inputs": []},
        {"type": "filter_size", "inputs": [2], "value_inputs": ["small"]},
        {"type": "union", "inputs": [1, 3]},
        {"type": "count", "inputs": [4]},
    ]
    (step,) = reasoning_steps(both, objects)
    assert (step.function, step.nodes, step.inputs, step.objects, step.result) == (
        "count", (0, 1, 2, 3, 4, 5), (), (0, 1, 2), "3"
    )  # fmt: skip
    both[4]["type"] = "intersect"
    assert reasoning_steps(both, objects)[0].objects == (1,)
    assert [step_count(PROGRAMS[family]) for family in PROGRAMS] == [1, 2, 3, 2, 2]


def test_a_program_that_does_not_run_says_where():
    objects = Objects([{"size": "large"}, {"size": "large"}], lambda number, relation: frozenset())
    scene = {"function": "scene", "inputs": [], "value_inputs": []}
    with pytest.raises(DegenerateQuestion, match="unique needs exactly one object, found 2"):
        reasoning_steps([scene, {"function": "unique", "inputs": [0], "value_inputs": []}], objects)
    count = {"function": "count", "inputs": [0], "value_inputs": []}
    with pytest.raises(ValueError, match="'exist' of a program works on a set of objects; it is given 2"):
        execute([scene, count, {"function": "exist", "inputs": [1], "value_inputs": []}], objects)


def test_a_phrase_of_two_anchors_is_read_in_order():
    question = read("Сколько кубов находится слева от сферы, которая находится позади красного предмета?")
    behind = Phrase(Noun(shape="sphere"), "behind", Phrase(Noun(color="red")))
    assert question == Question("count", (Phrase(Noun(shape="cube"), "left", behind),))
