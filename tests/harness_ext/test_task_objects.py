from __future__ import annotations

from types import SimpleNamespace

import pytest

from harness_ext.tasks import answer_target
from lens_tasks import target_for


def task(doc_to_target, doc_to_choice=None, **more):
    """A task that resolves its entries as both harnesses do: a column's name, else the text itself."""

    def resolved(value):
        return lambda doc: doc.get(value, value) if isinstance(value, str) else value

    config = SimpleNamespace(doc_to_target=doc_to_target, doc_to_choice=doc_to_choice)
    return SimpleNamespace(
        config=config, doc_to_target=resolved(doc_to_target), doc_to_choice=resolved(doc_to_choice), **more
    )


@pytest.mark.parametrize("default", ["answer", "utils.emma_doc_to_target", 0, 1, ["a", "b"], ""])
def test_a_default_of_the_tasks_file_is_no_gold_answer(default):
    target = answer_target(task(default), "x", {"question": "What is it?"}, "What is it?")
    assert (target.gold, target.gold_texts, target.labels) == (None, (), ())
    assert default == "" or "is the same for all of them" in (target.note or "")


def test_a_column_is_gold_whatever_it_holds():
    target = answer_target(task("answer"), "x", {"answer": "answer"}, "Which word is shown?")
    assert (target.gold_texts, target.note) == (("answer",), None)


def test_the_question_is_not_its_own_answer():
    target = answer_target(task("question"), "x", {"question": "Draw a cat."}, "Draw a cat.")
    assert (target.gold_texts, target.note) == ((), "doc_to_target is the question")


def test_a_default_place_among_choices_is_gold():
    target = answer_target(task(0, ["good", "bad"]), "blimp", {}, "")
    assert (target.choices, target.gold) == (("good", "bad"), "good")


def test_choices_in_the_prompt_have_their_place_in_doc_to_text():
    both = ["The cup", "The box"]
    target = answer_target(task("is big.", both, doc_to_text=lambda _: 1, multiple_input=2), "x", {}, "")
    assert (target.choices, target.gold) == (("The cup", "The box"), "The box")


@pytest.mark.parametrize("as_text", [False, True])
@pytest.mark.parametrize(("task_name", "doc"), [("pope_choices", {"question": "Is it red?"}), ("other", {})])
@pytest.mark.parametrize("order", [["no", "yes"], ["yes", "no"]])
@pytest.mark.parametrize("right", [0, 1])
def test_choices_keep_the_harness_order(task_name, doc, order, right, as_text):
    target = target_for(task_name, doc, prompt="Is it red?", gold=order[right] if as_text else right, choices=order)
    assert target.labels == target.choice_labels(2) == tuple(order)
    assert target.gold == order[right]


def test_choices_that_are_not_the_candidates_have_numbers():
    target = target_for("pope", {"question": "Is it red?", "answer": "no"})
    assert target.choice_labels(2) == ("choice 0", "choice 1")
