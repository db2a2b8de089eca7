"""Maps against tracks in a report, on runs whose figures are planted: what is claimed, by question type too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint
from synthetic import QUICK

from lens_models.image_tokens import ImageTokens
from lens_models.image_tokens.boxes import in_boxes, null_tracks
from lens_report import build_report
from lens_report.measures import Picture, analyse_task_run
from lens_report.measures.curves import ALL
from lens_report.measures.picture import picture
from lens_report.measures.picture.contrasts import (
    CORRELATION,
    DROP,
    HIDDEN_LIFT,
    LIFT,
    NULL_TRACKS,
    OTHER_OBJECTS,
    RANDOM,
)
from lens_report.measures.task_run import TaskRun, task_runs
from lens_report.presentation.findings.by_question import is_pattern
from lens_report.presentation.findings.picture import picture_blocks
from lens_report.stats import Clusters, holm, paired
from lens_results import LensInfo, ModelInfo, RecordWriter, RunInfo, SampleRecord, load, merge

LAYERS, VIDEOS = 4, 24
QUESTIONS = {"0": 1.0, "1": 0.0, "2": 3.0}
"""Question -> by how much the lift lies above its null: in all videos, in none, in a quarter of them (by 12)."""


def record(number: int, video: int, question: str, rng: np.random.Generator, **changes: Any) -> SampleRecord:
    """Lift 2 and more; what is hidden has its null's lift; the mass goes with what is seen."""
    null = 2 + 0.1 * float(rng.normal())
    above = QUESTIONS[question] if question != "2" else 12.0 * (video % 4 == 0) - 0.5
    gold = {
        "box_lift": null + above + 0.1 * float(rng.normal()), "null_box_lift": null, "other_box_lift": 1.0 + null,
        "pointing": 1.0, "null_pointing": 0.5, "hidden_box_lift": 1.5, "null_hidden_box_lift": 1.5 + 0.1 * rng.normal(),
        "visibility_correlation": 0.5 + 0.1 * rng.normal(), "null_visibility_correlation": 0.1 * rng.normal(),
        "causal_drop": 2.0 + 0.1 * rng.normal(), "causal_drop_random": 0.5, "causal_drop_null": 1.0,
        "causal_drop_other": 0.75,
    }  # fmt: skip
    track = {
        "box": np.tile([0, 0, 0.5, 0.5], (2, 1)),
        "frame": [0, 1],
        "track": [3, 3],
        "asked": [1, 1],
        "seen": [1, 1],
    }
    lifts = {
        "attention layers": [1, 2],
        "attention lift": [1.0, 3.0],
        "attention null lift": [1.0, 1 + 0.1 * rng.normal()],
    }
    fields = {
        "task": "perception", "doc_id": number, "kind": "generate", "question": f"Question {question}", "response": "A",
        "gold": ("A",), "cluster": f"video_{video}", "question_type": question, "candidates": ("A", "B"),
        "candidate_method": "first_token", "candidate_score": "logit", "gold_candidate": 0, "pred_candidate": 0,
        "correct": True, "entropy": np.ones(LAYERS), "cand_scores": np.zeros((LAYERS, 2)), "gold_based": gold,
        "label_free": {"svar": 1.0, "final_margin": 1.0}, "probe_status": {"attention": "ok", "boxes": "ok"},
        "probes": {"tracks": {name: np.asarray(values, np.float32) for name, values in track.items()},
                   "boxes": {name: np.asarray(values, np.float32) for name, values in lifts.items()}},
    }  # fmt: skip
    return SampleRecord(**(fields | changes))


def written(folder: Path, videos: int = VIDEOS, questions: Any = QUESTIONS, changes: Any = None) -> Path:
    rng = np.random.default_rng(0)
    info = RunInfo("r", ModelInfo("m", LAYERS), LensInfo(tuple(range(1, LAYERS + 1))))
    with RecordWriter(folder, info) as writer:
        for number, (video, question) in enumerate((v, q) for v in range(videos) for q in questions):
            if question != "1" or video < 8 or videos != VIDEOS:
                writer.append(record(number, video, question, rng, **(changes or {})))
    merge(folder, "r")
    return folder


def run_of(folder: Path, **changes: Any) -> TaskRun:
    (found,) = task_runs(load(written(folder, **changes)))
    return found


def found_in(task_run: TaskRun) -> Picture:
    found = picture(task_run)
    assert found is not None
    return found


def said(task_run: TaskRun) -> str:
    blocks = picture_blocks(analyse_task_run(task_run, QUICK))
    return " ".join(sentence.text for block in blocks for sentence in getattr(block, "sentences", ()))


def test_a_track_is_held_against_null_tracks_and_other_objects(tmp_path: Path) -> None:
    task_run = run_of(tmp_path)
    found = {(one.of, one.measure, one.against): one for one in found_in(task_run).contrasts if one.group == ALL}
    frame = task_run.frame
    for measure, against, own, other in (
        (LIFT, NULL_TRACKS, "box_lift", "null_box_lift"),
        (LIFT, OTHER_OBJECTS, "box_lift", "other_box_lift"),
        (HIDDEN_LIFT, NULL_TRACKS, "hidden_box_lift", "null_hidden_box_lift"),
        (CORRELATION, NULL_TRACKS, "visibility_correlation", "null_visibility_correlation"),
    ):
        expected = paired(frame[f"gold_based.{other}"], frame[f"gold_based.{own}"], frame["cluster"])
        one = found["attention", measure, against]
        assert (one.difference, one.p) == (expected.difference, expected.p_value)
        assert one.p_holm is not None and one.p is not None and one.p_holm >= one.p
    drops = {against: found["track", DROP, against].other.value for against in (NULL_TRACKS, RANDOM, OTHER_OBJECTS)}
    assert drops == {NULL_TRACKS: 1.0, RANDOM: 0.5, OTHER_OBJECTS: 0.75}
    assert found_in(task_run).by_layer[0].against == NULL_TRACKS


def test_what_is_said_of_videos_names_tracks(tmp_path: Path) -> None:
    text = said(run_of(tmp_path))
    assert "in the track of what is asked about" in text and "the same path at another time" in text
    assert "in the tracks of other objects of the video" in text
    assert "In the frames in which what is asked about is hidden" in text and "no difference could be shown" in text
    assert "what is seen of the object correlate by 0.4" in text and "they go together more than there" in text
    assert "null boxes" not in text and "distance from the centre" not in text


def test_the_table_by_question(tmp_path: Path) -> None:
    task_run = run_of(tmp_path)
    found = found_in(task_run).by_question
    rows = {(one.question, one.contrast.against): one for one in found.rows}
    assert list(rows) == [(question, against) for question in "02" for against in (NULL_TRACKS, OTHER_OBJECTS)]
    assert found.left_out == ("1",), "one question is of eight videos"
    frame = task_run.frame
    raw = {}
    for (name, against), one in rows.items():
        own = frame[frame["question_type"] == name]
        other = own[f"gold_based.{'null' if against == NULL_TRACKS else 'other'}_box_lift"]
        expected = paired(other, own["gold_based.box_lift"], own["cluster"])
        assert (one.contrast.difference, one.contrast.p) == (expected.difference, expected.p_value)
        raw[f"{name} {against}"] = one.contrast.p
        assert one.above.value == pytest.approx((own["gold_based.box_lift"] > other).mean())
    assert {f"{name} {against}": one.contrast.p_holm for (name, against), one in rows.items()} == holm(raw)
    low, high = proportion_confint(6, 24, method="wilson")
    share = rows["2", NULL_TRACKS].above
    assert share.value == 0.25 and (share.low, share.high) == (
        pytest.approx(low, abs=0.02),
        pytest.approx(high, abs=0.02),
    )


def test_a_pattern_is_stated_only_where_it_holds_in_most_videos(tmp_path: Path) -> None:
    task_run = run_of(tmp_path)
    rows = {one.question: one for one in found_in(task_run).by_question.rows if one.contrast.against == NULL_TRACKS}
    assert is_pattern(rows["0"])
    assert rows["2"].contrast.difference.value == pytest.approx(2.5, abs=0.1), "larger, by a quarter of the videos"
    assert not is_pattern(rows["2"])
    text = said(task_run)
    assert (
        "For 1 of 2 question types, the attention map is denser in the track of what is asked about than in null "
        "tracks in most videos: 0." in text
    )
    assert (
        "For none of 2 question types could be shown that the attention map is denser in the track of what is asked "
        "about than in the tracks of other objects in most videos." in text
    )
    assert "Question types of fewer than 10 videos are not in the table: 1." in text


def test_without_a_pattern_none_is_stated(tmp_path: Path) -> None:
    text = said(run_of(tmp_path, questions={"1": 0.0, "2": 3.0}, videos=20))
    assert "For none of 2 question types could be shown that the attention map is denser in the track" in text


def test_a_task_of_one_question_has_no_table(tmp_path: Path) -> None:
    assert found_in(run_of(tmp_path, questions={"0": 1.0})).by_question.rows == ()


def test_an_object_that_rests_is_held_against_other_objects_alone(tmp_path: Path) -> None:
    resting = {"gold_based": {"box_lift": 2.0, "other_box_lift": 1.0}}
    rows = found_in(run_of(tmp_path, changes=resting)).by_question.rows
    assert [one.contrast.against for one in rows] == [OTHER_OBJECTS] * 2


@pytest.mark.end_to_end
def test_the_report_has_the_table(tmp_path: Path) -> None:
    report = build_report(written(tmp_path / "run"), tmp_path / "report", draws=QUICK)
    text = (tmp_path / "report" / "report.md").read_text(encoding="utf-8")
    assert not report.problems
    assert (
        "| question type | map | samples | videos | lift | held against |" in text
        and "| not shown |" in text
        and "null boxes" not in text
    )


def test_maps_that_know_nothing_of_the_track_beat_null_tracks_as_often_as_chance() -> None:
    """Maps that fall off from the centre and from frame to frame, are alike within a video, and know no object.

    Each run draws 60 videos with two tracks each; where objects are depends on the time in no way that videos share.
    The test of the report rejects in 5 % of runs, give or take what 600 runs and 600 videos leave open.
    """
    frames, side, drawn, runs = 8, 4, 60, 600
    edges = np.linspace(0, 1, side + 1)
    cells = [(edges[c], edges[r], edges[c + 1], edges[r + 1]) for r in range(side) for c in range(side)]
    spans = np.repeat([(at, at) for at in range(frames)], side * side, axis=0)
    numbers = np.arange(len(spans))
    tokens = ImageTokens(numbers, np.zeros_like(numbers), np.asarray(cells * frames, np.float32), frames=spans)
    centre = np.exp(-3 * ((np.asarray(cells)[:, :2] + 1 / (2 * side) - 0.5) ** 2).sum(axis=1))
    prior = np.outer(np.exp(-np.arange(frames) / 3), centre).ravel()
    rng = np.random.default_rng(0)
    inside = []
    for _ in range(1200):
        left, top = 0.35 + 0.35 * np.cos(2 * np.pi * (np.arange(frames) / frames + rng.random((2, 1))))
        path = {frame: [(x, y, x + 0.3, y + 0.3)] for frame, (x, y) in enumerate(zip(left, top, strict=True))}
        later = [in_boxes(tokens, moved) for _, moved in null_tracks(path, path, frames, rng)]
        own = in_boxes(tokens, path)
        inside.append((own / own.mean(), np.mean(later, axis=0) / own.mean()))
    places = np.asarray(inside).reshape(600, 2, 2, len(spans))
    clusters = Clusters.of(np.repeat(np.arange(drawn), 2))
    rejected = 0
    for _ in range(runs):
        own, null = np.moveaxis(places[rng.permutation(600)[:drawn]].reshape(2 * drawn, 2, -1), 1, 0)
        shared = np.repeat(rng.exponential(size=(drawn, len(prior))), 2, axis=0)
        maps = prior * (shared + rng.exponential(size=shared.shape))
        maps /= maps.sum(axis=1, keepdims=True)
        p = paired((maps * null).sum(axis=1), (maps * own).sum(axis=1), clusters).p_value
        rejected += p is not None and p < 0.05
    assert 0.025 <= rejected / runs <= 0.08
