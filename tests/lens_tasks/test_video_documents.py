"""Documents of video benchmarks in the form in which lmms-eval's stock tasks have them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from lens_tasks.targets import target_for

LETTERS = "\nA. the cup\nB. the ball\nC. nothing"
MOVED = f"What moved?{LETTERS}\nAnswer with the option's letter."
PERCEPTION = {
    "video_name": "video_1", "question": "What moved?", "question_id": 7, "area": "Physics", "tag": ["motion"],
    "options": ["the cup", "the ball", "nothing"], "answer_id": 2,
}  # fmt: skip
TEMPO = {"video_id": "8", "question": "How does it move?" + LETTERS, "answer": "B. the ball", "dim": "speed"}
PLAN = {"sample_id": 3, "task_goal": "make tea", "golden_choice_idx": "B", "answer": "the ball"}
PLAN |= {"choice_a": "the cup", "choice_b": "the ball", "choice_c": "nothing"}


@pytest.mark.parametrize(
    ("task", "document", "prompt", "gold", "label", "cluster", "kind"),
    [
        ("perceptiontest_val_mc", PERCEPTION, MOVED, 2, "C", "video_1", "What moved?"),
        ("perceptiontest_val_mc", PERCEPTION, MOVED, 0, "A", "video_1", "What moved?"),
        (
            "tempcompass_multi_choice",
            TEMPO,
            TEMPO["question"] + "\nPlease directly give the best option:",
            "B. the ball",
            "B",
            "8",
            "speed",
        ),
        (
            "egoplan",
            PLAN,
            f"What is my next action?{LETTERS}\nAnswer with the option's letter",
            "the ball",
            "B",
            None,
            None,
        ),
    ],
)
def test_the_options_and_the_right_one(
    task: str, document: Mapping[str, Any], prompt: str, gold: object, label: str, cluster: str | None, kind: str | None
) -> None:
    target = target_for(task, document, prompt=prompt, gold=gold)
    assert (target.labels, target.gold) == (("A", "B", "C"), label)
    assert (target.cluster, target.question_type) == (cluster, kind)
    assert not target.from_gold


OPTIONS = ["A. 3", "B. two things", "C. three", "D. four", "E. five"]


@pytest.mark.parametrize(("answer", "label"), [("3", "D"), (0, "A"), ("", None), (None, None), ("-1", None)])
def test_an_answer_of_egoschema_is_a_place(answer: object, label: str | None) -> None:
    document = {"video_idx": "x", "question": "Why?", "option": OPTIONS, "answer": answer}
    target = target_for("egoschema_subset", document, prompt="Why?\n" + "\n".join(OPTIONS), gold=answer)
    assert (target.labels, target.gold, target.cluster) == (tuple("ABCDE"), label, "x")


@pytest.mark.parametrize("change", [{"answer": "9"}, {"option": ["B. x", "A. y"]}])
def test_a_strange_document_of_egoschema_says_what_is_strange(change: Mapping[str, Any]) -> None:
    document = {"video_idx": "x", "question": "Why?", "option": OPTIONS, "answer": "3", **change}
    target = target_for("egoschema", document, prompt="Why?")
    assert target.gold is None
    assert target.note is not None and target.note.startswith("TargetError")
