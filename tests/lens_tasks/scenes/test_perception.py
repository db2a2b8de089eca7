"""perception_mini: format, balance, answers read back from what is seen, and what less than a video gives away."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import av
import numpy as np
import pyarrow.parquet as pq
import pytest
from blind_baselines import accuracy, family_of, fresh_clips, majority
from video_reading import answer

import lens_tasks
from lens_tasks.scenes.clips.clip import CLEARLY_SEEN, FRAMES, MIDDLE, STEP, render_clip, unclear
from lens_tasks.scenes.clips.perception import FAMILIES, benchmark_clips, perception_rows
from lens_tasks.scenes.clips.questions import AREAS, NEEDS, QUESTIONS
from lens_tasks.scenes.tables import to_table

FOLDER = Path(lens_tasks.__path__[0]) / "minis"
NAMES = {question.id: name for name, question in QUESTIONS.items()}


@pytest.fixture(scope="module")
def rows():
    return pq.read_table(FOLDER / "perception_mini.parquet").to_pylist()


@pytest.fixture(scope="module")
def videos():
    table = pq.read_table(FOLDER / "perception_mini_videos.parquet")
    return dict(zip(table["video_name"].to_pylist(), table["video"].to_pylist(), strict=True))


@pytest.fixture(scope="module")
def clips():
    return benchmark_clips()


def decoded(content):
    with av.open(BytesIO(content)) as container:
        stream = container.streams.video[0]
        frames = list(container.decode(stream))
        times = [frame.pts * stream.time_base for frame in frames]
        return np.stack([frame.to_ndarray(format="rgb24") for frame in frames]), times, float(stream.average_rate)


def test_fields_are_those_of_perception_test(rows):
    fields = ["video_name", "question", "question_id", "options", "answer_id", "area", "reasoning", "tag"]
    tracks = ["id", "label", "is_occluder", "bounding_boxes", "frame_ids", "timestamps", "is_masked"]
    assert list(rows[0]) == [*fields, "tracks"]
    for row in rows:
        question = QUESTIONS[NAMES[row["question_id"]]]
        assert (row["question"], row["area"], tuple(row["tag"])) == (question.text, question.area, question.tag)
        assert row["area"] in AREAS
        assert row["reasoning"] in {"Descriptive", "Explanatory", "Predictive", "Counterfactual"}
        assert len(set(row["options"])) == 3
        assert list(row["tracks"][0]) == [*tracks, "visible", "role"]


def test_few_questions_are_asked_of_many_videos(rows, videos):
    asked = defaultdict(set)
    for row in rows:
        asked[row["question_id"]].add(row["video_name"])
    assert set(asked) == set(NAMES) and len(NAMES) == 19
    assert min(map(len, asked.values())) >= 24
    assert sum(map(len, asked.values())) == len(rows) == 572
    assert set().union(*asked.values()) == set(videos) and len(videos) == 204
    assert {question.need for question in QUESTIONS.values()} == set(NEEDS)


def test_answers_and_places_are_balanced(rows):
    for name, question in QUESTIONS.items():
        mine = [row for row in rows if row["question_id"] == question.id]
        places = Counter(row["answer_id"] for row in mine)
        assert max(places.values()) - min(places.values()) <= 1, name
        if question.options:
            given = Counter((row["options"][int(row["answer_id"])], row["answer_id"]) for row in mine)
            texts = Counter(text for text, _ in given.elements())
            assert set(texts) == set(question.options) and len(set(texts.values())) == 1, name
            assert max(given.values()) - min(given.values()) <= 1, name


def test_every_answer_is_read_back_from_what_is_seen(rows):
    for row in rows:
        assert answer(NAMES[row["question_id"]], row["tracks"]) == row["options"][int(row["answer_id"])], row


def test_shipped_questions_are_regenerated(rows, clips):
    assert to_table("perception_mini", perception_rows(clips)).to_pylist() == rows


def test_videos_decode_to_the_rendered_frames(videos, clips):
    """Twelve of them, two of each family; lossless, with the right times."""
    for number in range(0, len(clips), 17):
        frames, times, rate = decoded(videos[f"video_{number:04d}"])
        assert np.array_equal(frames, render_clip(clips[number]))
        assert [int(time * 1_000_000) for time in times] == [frame * STEP for frame in range(FRAMES)]
        assert rate == 2.0


def test_everything_in_a_video_can_be_seen(clips):
    assert [unclear(clip) for clip in clips] == [None] * len(clips)


def test_a_video_in_which_something_cannot_be_seen_is_refused(clips):
    clip = next(clip for clip in clips if clip.family == "moving")
    first = clip.actors[0]

    def with_state(frame, **changes):
        states = list(first.states)
        states[frame] = replace(states[frame], **changes)
        return replace(clip, actors=(replace(first, states=tuple(states)), *clip.actors[1:]))

    still = next(frame for frame in (7, 8) if first.states[frame] == first.states[frame + 1])
    assert "cut off by the edge" in unclear(with_state(still, x=-1.0))
    assert "moves by less than 4.0 pixels" in unclear(with_state(still, x=first.states[still].x + 0.1))
    hidden = replace(clip, actors=(replace(first, states=(None,) * 15 + first.states[15:]), *clip.actors[1:]))
    assert "not clearly seen in two frames" in unclear(hidden)


def test_a_frame_in_which_an_object_is_hidden_is_the_frame_without_it(clips):
    for clip in (next(clip for clip in clips if clip.family == family) for family in ("cups", "hiding", "passing")):
        shares, frames = clip.seen()[0], render_clip(clip)
        without = render_clip(replace(clip, actors=clip.actors[1:], asked=()))
        for frame in range(FRAMES):
            assert np.array_equal(frames[frame], without[frame]) == (shares[frame] == 0.0)
        assert min(shares) == 0.0 and max(shares) >= CLEARLY_SEEN


def test_the_plans_of_a_family_come_equally_often():
    for module, count in FAMILIES.values():
        assert count % len(module.PLANS) == 0


def test_without_the_video_no_question_is_answered_above_chance(rows):
    assert max(majority(rows).values()) <= 0.35


@pytest.fixture(scope="module")
def fresh():
    """Family to videos to learn from and others to test on, drawn when first asked for."""
    drawn = {}

    def of(family):
        if family not in drawn:
            (drawn[family],) = fresh_clips(240, (family,)).values()
        return drawn[family][:120], drawn[family][120:]

    return of


def slack(test, question):
    """Four standard errors of guesses among three: one of 60 comparisons exceeds it once in 250 draws of the videos."""
    asked = sum(each.question == question for video in test for each in video.clip.asked)
    return 4 * (1 / 3 * 2 / 3 / asked) ** 0.5


@pytest.mark.parametrize("question", [name for name, each in QUESTIONS.items() if each.need == "order"])
def test_frames_without_their_order_say_nothing(question, fresh):
    learn, test = fresh(family_of(question))
    assert accuracy(learn, test, question, "set", trees=30) == pytest.approx(1 / 3, abs=slack(test, question))
    assert accuracy(learn, test, question, "ordered", trees=30) > 1 / 3 + slack(test, question)


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_middle_and_the_last_frame_say_nothing_but_what_any_frame_shows(question, fresh):
    learn, test = fresh(family_of(question))
    for view in ("middle", "last"):
        found = accuracy(learn, test, question, view, trees=30)
        if QUESTIONS[question].need == "any":
            assert found > 0.9
        else:
            assert found == pytest.approx(1 / 3, abs=slack(test, question)), view


def test_nothing_moves_into_the_middle_frame_or_the_last(clips):
    """Objects may have left the picture just before; their places are those of the frame before, or nowhere."""
    for clip in clips:
        for frame in (MIDDLE, FRAMES - 1):
            assert all(actor.states[frame] in (actor.states[frame - 1], None) for actor in clip.actors)


def test_the_page_has_the_questions(rows):
    page = (Path(__file__).parents[3] / "docs" / "perception-mini.md").read_text(encoding="utf-8")
    counts = Counter(row["question_id"] for row in rows)
    for name, question in QUESTIONS.items():
        assert f"| {question.id} | {question.text} | {question.area} | {counts[question.id]} |" in page
        assert f"| {question.id} | `{name}` | {question.need} |" in page
