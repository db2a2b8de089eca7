"""From a generated text to a record, with a stub model in place of a network."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lens_engine.candidates import resolve_candidates
from lens_engine.failures import NoReadout
from lens_engine.media import Media, image_digest
from lens_engine.position import AnswerPosition, find_position, n_generated
from lens_engine.recorder import LensRecorder
from lens_engine.sample import Reference, Sample
from lens_engine.table import METRIC_NAMES, harness_metrics, higher_is_better, numeric_scores
from lens_models import LENS_TINY
from lens_models.loading import resolve_pretrained
from lens_models.video import Video
from lens_results import LensInfo, ModelInfo, RunInfo, SampleRecord, load, load_thumbnails, new_run_id
from lens_tasks import AnswerSpan, AnswerTarget, target_for


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(resolve_pretrained(LENS_TINY))


def request(target: AnswerTarget, until: tuple[str, ...] = ()) -> Sample:
    known = Reference(target)
    return Sample(("t", 0, 0, 0), "prompt", question="Is there a cat?", until=until, make_reference=lambda: known)


YES_NO = target_for("pope", {"question": "Is there a cat?", "answer": "yes", "image_source": "i", "category": "random"})


@pytest.mark.parametrize(
    ("response", "word", "label"),
    [
        ("yes", "yes", "yes"),
        ("\nNo.", "No", "no"),
        ("The answer is yes.", " yes", "yes"),
        ("<think>no</think>Yes", "Yes", "yes"),
    ],
)
def test_the_step_is_the_token_that_began_the_answer(tokenizer: Any, response: str, word: str, label: str) -> None:
    tokens = tokenizer.encode(response, add_special_tokens=False)
    found = find_position(tokenizer, request(YES_NO), response, tokens)
    assert isinstance(found, AnswerPosition)
    assert found.span.label == label
    assert word.strip().startswith(tokenizer.decode([found.token_id]).strip())
    assert tokenizer.decode(tokens[: found.step]).strip() == response[: found.span.start].strip()


@pytest.mark.parametrize(
    ("response", "reason"), [("", "the model generated no text"), ("  \n", "the model generated no text")]
)
def test_a_missing_answer_has_a_status_and_a_reason(tokenizer: Any, response: str, reason: str) -> None:
    assert find_position(tokenizer, request(YES_NO), response, []) == NoReadout("no_answer", reason)


def test_text_after_a_stop_string_is_no_answer(tokenizer: Any) -> None:
    response = "\n\nyes"
    tokens = tokenizer.encode(response, add_special_tokens=False)
    found = find_position(tokenizer, request(YES_NO, until=("\n\n",)), response, tokens)
    assert isinstance(found, NoReadout)


def test_tokens_are_counted_up_to_the_end_of_sequence() -> None:
    assert n_generated((5, 6, 2, 0, 0), frozenset({2})) == 3
    assert n_generated((5, 6), frozenset({2})) == 2


def position(text: str, label: str | None, token: int) -> AnswerPosition:
    return AnswerPosition(AnswerSpan(0, len(text), text, "first_content", True, label), 0, token)


def test_closed_tasks_pool_the_forms_of_each_candidate(tokenizer: Any) -> None:
    found = resolve_candidates(tokenizer, YES_NO, position("Yes", "yes", tokenizer.encode("Yes")[0]))
    assert found.labels == ("yes", "no")
    assert (found.pred, found.gold, found.correct, found.binary) == (0, 0, True, (0, 1))
    assert {tokenizer.encode(form)[0] for form in ("yes", " yes", "Yes", " Yes")} <= set(found.ids[0])
    assert not set(found.ids[0]) & set(found.ids[1])


def test_an_answer_outside_the_set_is_neither_right_nor_wrong(tokenizer: Any) -> None:
    found = resolve_candidates(tokenizer, YES_NO, position("maybe", None, 7))
    assert found.pred is None
    assert found.correct is None


def test_open_tasks_compare_the_answer_given_with_the_gold_text(tokenizer: Any) -> None:
    target = AnswerTarget((), None, gold_texts=("red",))
    blue = tokenizer.encode("blue")[0]
    wrong = resolve_candidates(tokenizer, target, position("blue", None, blue))
    assert (wrong.labels, wrong.pred, wrong.gold, wrong.fixed, wrong.correct) == (("blue", "red"), 0, 1, False, None)
    right = resolve_candidates(tokenizer, target, position("Red", None, tokenizer.encode("Red")[0]))
    assert (right.labels, right.pred, right.gold, right.correct) == (("Red",), 0, 0, True)
    unknown = resolve_candidates(tokenizer, AnswerTarget((), None), position("blue", None, blue))
    assert (unknown.labels, unknown.gold, unknown.correct) == (("blue",), None, None)


def record(doc_id: int = 0, **changes: Any) -> SampleRecord:
    fields: dict[str, Any] = {
        "task": "t", "doc_id": doc_id, "kind": "generate", "response": "yes", "candidates": ("yes", "no"),
        "binary": (0, 1), "pred_candidate": 0, "gold_candidate": 0, "correct": True,
        "entropy": np.ones(3), "label_free": {"commit_depth": 0.5, "flips": None},
        "gold_based": {"emerged": 1.0, "first_correct_layer": 2.0},
    }  # fmt: skip
    return SampleRecord(**(fields | changes))


def test_a_missing_value_is_left_out_of_the_table_and_never_zero() -> None:
    values = harness_metrics(record())
    assert values == {
        "lens_coverage": 1.0,
        "lens_emerged": 1.0,
        "lens_first_correct_layer": 2.0,
        "lens_commit_depth": 0.5,
        "lens_yes_ratio": 1.0,
    }
    assert harness_metrics(None) == {"lens_coverage": 0.0}
    margin = {"final_margin": 0.1}
    assert harness_metrics(record(label_free=margin))["lens_named"] == 1.0
    assert harness_metrics(record(pred_candidate=None, label_free={}))["lens_named"] == 0.0
    assert "lens_named" not in harness_metrics(
        record(candidates=(), gold_candidate=None, pred_candidate=None, binary=None)
    )
    failed = record(status="capture_failed", status_reason="why", entropy=None, label_free={}, gold_based={})
    assert harness_metrics(failed)["lens_coverage"] == 0.0


def test_every_table_metric_has_a_direction() -> None:
    assert set(higher_is_better()) == set(METRIC_NAMES)


def test_scores_are_the_numbers_among_a_harness_metrics() -> None:
    metrics = {"acc": 1, "pope": {"score": 0.5, "prediction": "yes"}, "text": "x", "pair": [2.0], "many": [1, 2]}
    assert numeric_scores(metrics) == {"acc": 1.0, "pope": 0.5, "pair": 2.0}


def run_info(**lens: Any) -> RunInfo:
    return RunInfo(run_id=new_run_id(), model=ModelInfo("m", 3), lens=LensInfo((1, 2, 3), **lens))


def test_records_are_merged_with_the_scores_of_all_processes(tmp_path: Path) -> None:
    info = run_info()
    first, second = (LensRecorder(info, tmp_path, rank=rank) for rank in (0, 1))
    first.add([record(0), record(2)])
    second.add([record(1)])
    second.add_scores("t", 1, {"acc": 0.0})
    scores = {key: values for each in (first, second) for key, values in each.close().items()}
    assert set(first.finish(scores)) == {"t"}
    frame = load(tmp_path).samples
    assert frame["doc_id"].tolist() == [0, 1, 2]
    assert frame["score.acc"].dropna().tolist() == [0.0]


def test_an_answer_that_the_tasks_metric_took_otherwise_is_not_read(tmp_path: Path) -> None:
    info = replace(run_info(), metrics={"t": {"acc": True, "other": None}})
    told: list[str] = []
    recorder = LensRecorder(info, tmp_path, warn=told.append)
    wrong = {"pred_candidate": 1, "correct": False, "question": "Is it?"}
    recorder.add([record(0, **wrong), record(1, **wrong), record(2), record(3, **wrong)])
    for doc_id, score in ((0, 1.0), (1, 0.0), (2, 1.0)):
        recorder.add_scores("t", doc_id, {"acc,first": score, "other": 1.0})
    assert [recorder.metrics("t", doc_id)["lens_coverage"] for doc_id in range(4)] == [0.0, 1.0, 1.0, 1.0]
    recorder.finish(recorder.close())
    frame = load(tmp_path).samples
    assert frame["status"].tolist() == ["no_answer", "ok", "ok", "ok"]
    assert "took another answer" in frame["status_reason"][0]
    assert (frame["question"][0], frame["response"][0], frame["score.acc,first"][0]) == ("Is it?", "yes", 1.0)
    assert told == [
        "1 answers count as right by their task and were read as another candidate; their readouts are dropped "
        "(status no_answer)"
    ]


def test_a_recorder_without_a_folder_serves_the_table_alone(tmp_path: Path) -> None:
    recorder = LensRecorder(run_info(), None)
    recorder.add([record(4)])
    assert recorder.metrics("t", 4)["lens_emerged"] == 1.0
    assert recorder.metrics("t", 5) == {"lens_coverage": 0.0}
    assert recorder.finish(recorder.close()) == {}
    assert not list(tmp_path.iterdir())


def test_images_and_videos_have_small_pictures_under_their_digests(tmp_path: Path) -> None:
    from PIL import Image

    media = Media((Image.new("RGB", (20, 20)),), (Video(np.zeros((3, 16, 16, 3), dtype=np.uint8)),))
    recorder = LensRecorder(run_info(), tmp_path)
    recorder.add([record(0)])
    recorder.add_pictures(media)
    recorder.finish(recorder.close())
    pictures = load_thumbnails(load(tmp_path))
    sizes = {digest: Image.open(io.BytesIO(data)).size for digest, data in pictures.items()}
    assert sizes == {media.image_sha256[0]: (20, 20), media.videos[0].sha256: (48, 16)}


def test_image_digests_tell_pixels_modes_and_sizes_apart() -> None:
    from PIL import Image

    black, white = Image.new("RGB", (2, 3)), Image.new("RGB", (2, 3), "white")
    digests = image_digest([black, white, Image.new("RGB", (3, 2)), Image.new("L", (2, 3)), "video.mp4"])
    assert len(set(digests)) == 4
    assert image_digest([black]) == image_digest([black.copy()])
