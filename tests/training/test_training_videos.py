"""Targets and batches of the stages on videos, and what the blind views leave of a video."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from tolerances import bounds, sums_of

from lens_tasks.scenes.clips.clip import FRAMES, MIDDLE
from lens_tasks.scenes.clips.questions import QUESTIONS
from lens_tasks.scenes.render import render
from lens_tasks.scenes.sample import sample_scene
from lens_tasks.scenes.world import COLOURS
from training import video_stage
from training.blind import no_video, one_frame, shuffled
from training.forward import answer_logits, outputs_of, patches, see, trunk_outputs, video_patches
from training.model import Shape
from training.packing import Packer
from training.pairs import NAMES, pair_targets
from training.progress import CLASSES, NOT_YET, progress
from training.stage import Stage
from training.tokenizer import train_tokenizer
from training.video_stage import VideoStream
from training.video_train import VideoTrainer
from training.videos import ANSWERS, clip_for, draw, video_turns

FAMILIES = range(6)


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(4096)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder of training data: twelve videos, all but two of them trained on, and ten pictures."""
    folder = tmp_path_factory.mktemp("data")
    drawn = [draw(number) for number in range(12)]
    np.save(folder / "videos.npy", np.stack([frames for _, frames in drawn]))
    (folder / "clips.pkl").write_bytes(pickle.dumps([clip for clip, _ in drawn]))
    scenes = [sample_scene(seed) for seed in range(10)]
    np.save(folder / "images.npy", np.stack([render(scene) for scene in scenes]))
    (folder / "scenes.pkl").write_bytes(pickle.dumps(scenes))
    return folder


@pytest.mark.parametrize("number", FAMILIES)
def test_the_last_answer_so_far_is_the_answer(number):
    clip = clip_for(number)
    found = progress(clip)
    asked = {each.question: each.answer for each in clip.asked}
    for column, (name, question) in enumerate(QUESTIONS.items()):
        if name not in asked:
            assert (found[:, column] == NOT_YET).all()
            continue
        last = found[-1, column]
        if name in ("shown", "spheres_shown"):
            assert str(last) == asked[name]
        else:
            assert (question.options or COLOURS)[last] == (asked[name] if question.options else asked[name].split()[0])
        known = found[:, column][found[:, column] != NOT_YET]
        assert known.min() >= 0 and known.max() < CLASSES[name]


def test_the_hidden_object_is_followed_step_by_step():
    """The first swap of the cups takes it from the left to the middle, the others do what their plan says."""
    clip = next(clip for clip in map(clip_for, range(0, 600, 6)) if _start_and_first(clip) == (0, 0))
    places = list(QUESTIONS).index("cups_end")
    known = [place for place in progress(clip)[:, places] if place != NOT_YET]
    steps = [place for number, place in enumerate(known) if number == 0 or place != known[number - 1]]
    assert steps[:2] == [0, 1]


def _start_and_first(clip):
    asked = {each.question: each.answer for each in clip.asked}
    options = {name: QUESTIONS[name].options for name in asked}
    return tuple(options[name].index(asked[name]) for name in ("cups_start", "cups_swapped_first"))


@pytest.mark.parametrize("number", FAMILIES)
def test_a_pair_changes_where_its_frames_differ(number):
    clip, frames = draw(number)
    changes = [place for place, name in enumerate(NAMES) if name[0] == "changes"]
    for pair in range(FRAMES // 2):
        differs = not np.array_equal(frames[2 * pair], frames[2 * pair + 1])
        assert pair_targets(clip, pair)[:, changes].any() == differs


@pytest.mark.parametrize("number", (0, 2))
def test_ends_of_questions_and_options_are_marked(tokenizer, number):
    """Cups have fixed options; where objects are named, their colours tell them apart."""
    turns = video_turns(np.random.default_rng(3), clip_for(number))
    row = Packer(tokenizer, 1024).row(turns, system=False)
    for branch, turn in enumerate(turns, start=1):
        question, *options = np.flatnonzero((row.branch == branch) & (row.names >= 0))
        assert list(row.options[options]) == [int(letter == turn.answer) for letter in "ABC"]
        assert row.names[question] == row.names[options["ABC".index(turn.answer)]]
        for place, line in zip([question, *options], turn.prompt.split("\n"), strict=False):
            own = (row.branch == 0) | (row.branch == branch)
            assert tokenizer.decode(row.ids[: place + 1][own[: place + 1]]).endswith(line.replace("<video>", "") + "\n")
        for place, line in zip(options, turn.prompt.split("\n")[1:], strict=False):
            name = ANSWERS[row.names[place]]
            assert (name if isinstance(name, str) else name[1]) in line


def test_videos_without_questions_pass_the_same_layers(tokenizer):
    """The outputs at a video's tokens are those that it has in a row with questions behind it."""
    stage = Stage(kind="videos", steps=1, batch=2, rate=0.001, warmup=1, decay=1, seed=1, videos=0.5)
    trainer = VideoTrainer(stage, Shape(layers=3, vision_layers=1), tokenizer)
    clip, frames = draw(1)
    packed = trainer.packer.batch([trainer.packer.row(video_turns(np.random.default_rng(0), clip), system=False)])
    with torch.no_grad():
        seen = see(trainer.model, video_patches(frames[None])).view(1, 128, -1)
        with outputs_of(trainer.model, (1,)) as found:
            answer_logits(trainer.model, seen, packed)
        alone = trunk_outputs(trainer.model, seen, trainer.trunk, 2)
    shown = trainer.trunk.ids == trainer.packer.video_id
    expected = found[1][packed.image_mask]
    limits = bounds(torch.float32, sums_of(trainer.model, 256), scale=float(expected.abs().max()))
    torch.testing.assert_close(alone[0, shown], expected, **limits)


def test_outputs_are_those_of_the_layers(tokenizer):
    stage = Stage(kind="videos", steps=1, batch=2, rate=0.001, warmup=1, decay=1, seed=1, videos=0.5)
    model = VideoTrainer(stage, Shape(layers=3, vision_layers=1), tokenizer).model.eval()
    ids = torch.tensor([[5, 6, 7, 8]])
    with torch.no_grad(), outputs_of(model, (0, 1)) as found:
        states = model(input_ids=ids, output_hidden_states=True).hidden_states
    assert torch.equal(found[0], states[1])
    assert torch.equal(found[1], states[2])
    kept = found[0]
    with torch.no_grad():
        model(input_ids=ids)
    assert found[0] is kept, "nothing is kept outside"


def test_both_kinds_of_stages_take_a_step(tokenizer, data, tmp_path, monkeypatch):
    monkeypatch.setattr(video_stage, "HELD_OUT", 2)
    shape = Shape(layers=8, vision_layers=1)
    first = Stage(kind="pairs", steps=2, batch=4, rate=0.001, warmup=1, decay=1, seed=1, videos=0.5)
    trainer = VideoTrainer(first, shape, tokenizer)
    trainer.save(tmp_path, 0)
    trainer.load_weights(tmp_path / "model")
    packer = Packer(tokenizer, 320)
    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    item = next(iter(VideoStream(first, data, packer, 0, (0, 1))))
    assert set(trainer.step(0, item)) >= {"cells", "drift", "recall"}
    moved = {name for name, value in trainer.model.state_dict().items() if not torch.equal(value, before[name])}
    assert moved and all(".visual." in name for name in moved)

    second = VideoTrainer(
        replace(first, kind="videos", frozen_vision=True, trunks=3, answer_weight=1.0), shape, tokenizer
    )
    stream = VideoStream(second.stage, data, packer, 0, (0, 1))
    stream.cache = tmp_path / "seen"
    second.write_cache(data, stream.cache, (0, 1))
    seen = np.load(stream.cache / "images.npy")
    expected = see(second.model, patches(np.load(data / "images.npy"))).detach().half().numpy()
    assert np.array_equal(seen, expected)
    assert np.load(stream.cache / "videos.npy").shape == (12, 128, shape.width)
    item = next(iter(stream))
    assert (item.asked, len(item.videos), len(item.pictures)) == (2, 5, 2)
    before = {name: value.clone() for name, value in second.model.state_dict().items()}
    assert set(second.step(0, item)) >= {"answers", "known", "options", "named"}
    moved = {name for name, value in second.model.state_dict().items() if not torch.equal(value, before[name])}
    assert moved and not any(".visual." in name for name in moved)


def test_blind_views_keep_what_they_say():
    frames = draw(2)[1]
    assert len(np.unique(one_frame(frames, 0), axis=0)) == 1
    assert np.array_equal(one_frame(frames, 0)[0], frames[MIDDLE])
    order = [frame.tobytes() for frame in shuffled(frames, 7)]
    assert order != [frame.tobytes() for frame in frames]
    assert sorted(order) == sorted(frame.tobytes() for frame in frames)
    assert len(np.unique(no_video(frames, 0))) == 1
