from __future__ import annotations

import itertools

import pytest
from lmms_eval.tasks.pope import utils as stock
from PIL import Image

from lens_tasks.tasks import pope

ANSWERS = ["yes", "No", " YES ", "Yes.", "no, there is none", "maybe", ""]
DOCS = [
    {
        "question_id": str(index),
        "question": " Is there a dog in the image? ",
        "answer": gold,
        "image": Image.new("L", (4, 4)),
    }
    for index, gold in enumerate(["yes", "no"] * len(ANSWERS))
]
CASES = list(zip(DOCS, itertools.chain.from_iterable((answer, answer) for answer in ANSWERS), strict=True))
STOCK_METRICS = ["accuracy", "precision", "recall", "f1_score", "yes_ratio"]


@pytest.mark.parametrize(("doc", "answer"), CASES)
def test_entries_are_the_stock_tasks(doc, answer):
    ours = pope.process_results(doc, [answer])
    theirs = stock.pope_process_results(doc, [answer])
    assert {metric: ours[metric] for metric in theirs} == theirs


@pytest.mark.parametrize("metric", STOCK_METRICS)
@pytest.mark.parametrize("cases", [CASES, CASES[:2], CASES[1:2], CASES[-2:]])
def test_aggregation_is_the_stock_tasks(metric, cases):
    entries = [pope.process_results(doc, [answer])[f"pope_{metric}"] for doc, answer in cases]
    ours, theirs = getattr(pope, f"aggregate_{metric}"), getattr(stock, f"pope_aggregate_{metric}")
    assert ours(entries) == pytest.approx(theirs(entries))


@pytest.mark.parametrize(
    ("answer", "yes", "lenient", "format_error"),
    [
        ("yes", 1, 1, 0),
        ("Yes.", 1, 1, 1),
        ("The answer is yes", 1, 1, 1),
        ("no", 0, 0, 0),
        ("No, it is not.", 0, 0, 1),
        ("maybe", 0, 0, 1),
    ],
)
def test_predicted_yes_and_lenient_score(answer, yes, lenient, format_error):
    scores = pope.process_results(DOCS[0], [answer])
    ours = ("pope_predicted_yes_ratio", "pope_accuracy_lenient", "pope_format_error")
    assert [scores[metric] for metric in ours] == [yes, lenient, format_error]


def test_prompt_is_the_stock_tasks():
    specific = {"pre_prompt": "<", "post_prompt": pope.POST_PROMPT}
    assert pope.doc_to_text(DOCS[0], specific) == stock.pope_doc_to_text(DOCS[0], specific)
    assert pope.doc_to_visual(DOCS[0])[0].mode == "RGB"


def test_prompt_for_lm_eval_holds_the_image():
    specific = {"post_prompt": pope.POST_PROMPT}
    assert pope.doc_to_prompt(DOCS[0]) == "<image>" + stock.pope_doc_to_text(DOCS[0], specific)


def test_a_question_without_answer_cannot_be_scored():
    with pytest.raises(ValueError, match="question '0' has no answer"):
        pope.process_results({**DOCS[0], "answer": ""}, ["yes"])
