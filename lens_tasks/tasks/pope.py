"""POPE and its relatives: is an object in the image, yes or no. The answer target, and prompt, image and scores.

Prompt and metrics are those of the stock `pope` task of lmms-eval. `pope_predicted_yes_ratio` is added because the
stock `pope_yes_ratio` counts the gold answers, not the model's; the lenient scores separate form from content.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image

from lens_tasks.answers import AnswerSpan, locate_answer
from lens_tasks.documents import first_scalar, label_of
from lens_tasks.gold import gold_texts_of
from lens_tasks.images import PLACEHOLDER, to_image
from lens_tasks.scoring import short_answer_scores
from lens_tasks.target_types import AnswerTarget, TargetError
from lens_tasks.tasks.coco import boxes_for
from lens_tasks.vocabulary import YES_NO

TASK_NAME = re.compile(r"(^|_)pope(_|$)", re.IGNORECASE)
COLUMNS = ("question",)
_OBJECT = re.compile(
    r"\b(?:is|are)\s+there\s+(?:an?\s+|any\s+|some\s+)?(.+?)\s+in\s+(?:the|this)\s+(?:image|picture|photo)",
    re.IGNORECASE,
)
POST_PROMPT = "\nAnswer the question using a single word or phrase."
"""The stock task's `post_prompt`; the YAML files for lmms-eval say it again, where users can change it."""

Entry = Mapping[str, Any]


def target(doc: Mapping[str, Any], gold: object = None) -> AnswerTarget:
    """Yes/no; clustered by image, because several questions share one; question type random, popular, adversarial.

    Raises:
        TargetError: the gold answer is neither yes nor no.
    """
    texts = gold_texts_of(gold) or gold_texts_of(doc.get("answer"))
    label = label_of(texts[0], YES_NO) if texts else None
    if texts and label is None:
        raise TargetError(f"a POPE answer is yes or no, found {texts[0]!r}")
    return AnswerTarget(
        candidates=YES_NO,
        gold=label,
        gold_texts=texts,
        cluster=first_scalar(doc, ("image_source", "image_id", "image_filename", "image")),
        question_type=first_scalar(doc, ("category", "question_type")),
        binary=("yes", "no"),
        source="pope",
    )


def asked_words(doc: Mapping[str, Any]) -> tuple[str, ...]:
    """The words of the object in "Is there a dining table in the image?"; none where the wording is another."""
    found = _OBJECT.search(str(doc.get("question") or ""))
    return tuple(found[1].split()) if found else ()


def boxes(doc: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """The objects in the document's image, from COCO's annotations where `mmlens prepare coco` was given them."""
    words = asked_words(doc)
    return boxes_for(doc.get("image_source"), " ".join(words)) if words else None


def doc_to_visual(doc: Mapping[str, Any]) -> list[Image.Image]:
    """The document's one image."""
    return [to_image(doc["image"])]


def doc_to_text(doc: Mapping[str, Any], specific: Mapping[str, str] | None = None) -> str:
    """The question between the harness's `pre_prompt` and `post_prompt`."""
    texts = specific or {}
    return f"{texts.get('pre_prompt', '')}{doc['question'].strip()}{texts.get('post_prompt', '')}"


def doc_to_prompt(doc: Mapping[str, Any]) -> str:
    """The same prompt for lm-eval, which wants the image's place in the text."""
    return PLACEHOLDER + doc_to_text(doc, {"post_prompt": POST_PROMPT})


def process_results(doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, Any]:
    """Stock entries for the five stock metrics, numbers for ours."""
    answer = target(doc)
    if answer.gold is None:
        raise ValueError(f"question {doc.get('question_id')!r} has no answer")
    prediction = results[0].lower().strip()
    entry = {
        "question_id": doc.get("question_id"),
        "score": 1.0 if prediction == answer.gold else 0.0,
        "prediction": prediction,
        "ground_truth": answer.gold,
    }
    scores = short_answer_scores(results[0], answer, doc["question"])
    located = locate_answer(results[0], answer.candidates, question=doc["question"])
    stock = ("pope_accuracy", "pope_precision", "pope_recall", "pope_f1_score", "pope_yes_ratio")
    return {
        **dict.fromkeys(stock, entry),
        "pope_predicted_yes_ratio": float(isinstance(located, AnswerSpan) and located.label == "yes"),
        "pope_accuracy_lenient": scores["exact_match_lenient"],
        "pope_format_error": float(prediction not in answer.labels),
    }


def aggregate_accuracy(entries: Sequence[Entry]) -> float:
    """Share of answers that are the gold word."""
    return _ratio(sum(entry["score"] for entry in entries), len(entries))


def aggregate_precision(entries: Sequence[Entry]) -> float:
    """Share of right ones among the answers that say yes."""
    return _ratio(_count(entries, "yes", "yes"), _count(entries, "yes", "yes") + _count(entries, "no", "yes"))


def aggregate_recall(entries: Sequence[Entry]) -> float:
    """Share of the yes questions answered yes, among those answered yes or no."""
    return _ratio(_count(entries, "yes", "yes"), _count(entries, "yes", "yes") + _count(entries, "yes", "no"))


def aggregate_f1_score(entries: Sequence[Entry]) -> float:
    """Harmonic mean of precision and recall."""
    precision, recall = aggregate_precision(entries), aggregate_recall(entries)
    return _ratio(2 * precision * recall, precision + recall)


def aggregate_yes_ratio(entries: Sequence[Entry]) -> float:
    """Share of questions whose *gold* answer is yes, as the stock task counts it."""
    return _ratio(sum(entry["ground_truth"] == "yes" for entry in entries), len(entries))


def _count(entries: Sequence[Entry], gold: str, prediction: str) -> int:
    return sum(entry["ground_truth"] == gold and entry["prediction"] == prediction for entry in entries)


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
