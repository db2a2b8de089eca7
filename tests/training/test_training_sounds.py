"""Training on sounds: packed rows are single turns, and what is read beside the answers stands where it should."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pytest
import torch
from tolerances import bounds, sums_of

from lens_tasks.scenes.sounds.questions import LETTERS, QUESTIONS
from lens_tasks.scenes.sounds.scripts import ORDERS, SCRIPTS, order
from training.sound_card import other_sounds, shown
from training.sound_disjoint import benchmark_digests, digest
from training.sound_packing import SPANS, TURN
from training.sound_train import SoundTrainer
from training.sounds import EVENTS, FIRST_SEED, RATE, draw_question, frame_labels, samples


@pytest.fixture(scope="module")
def trainer() -> SoundTrainer:
    return SoundTrainer(argparse.Namespace(seed=1, rate=1e-3, out=Path(), steps=1, decay=1, questions=3, letters=0.5))


@pytest.fixture(scope="module")
def drawn():
    """Clips with three questions each."""
    rng = np.random.default_rng((FIRST_SEED, 5))
    clips = [SCRIPTS["pitch"](rng, "lower"), order(rng, ORDERS[4]), SCRIPTS["count"](rng, "3")]
    return clips, [[draw_question(rng, clip, 0.5) for _ in range(3)] for clip in clips]


def test_packed_rows_are_single_turns(trainer, drawn):
    clips, asked = drawn
    model, processor = trainer.model.eval(), trainer.processor
    with torch.no_grad():
        audio, lengths = trainer.listen(clips)
        packed = trainer.packer.pack(lengths, asked)
        ours = model.lm_head(trainer.states(audio, lengths, packed)[-1][packed.picked])
        theirs, targets = [], []
        for clip, row in zip(clips, asked, strict=True):
            for each in row:
                conversation = [{"role": "user", "content": [{"type": "audio"}, {"type": "text", "text": each.text}]}]
                text = processor.apply_chat_template(conversation, add_generation_prompt=True, tokenize=False)
                inputs = processor(
                    text=text + each.answer, audio=[samples(clip)], sampling_rate=RATE, return_tensors="pt"
                )
                answer = processor.tokenizer(each.answer)["input_ids"]
                theirs.append(model(**inputs).logits[0, -len(answer) - 1 :])
                targets += [*answer, processor.tokenizer.eos_token_id]
    assert packed.targets.tolist() == targets
    expected = torch.cat(theirs)
    tolerance = bounds("float32", sums_of(model, 100), scale=float(expected.abs().max()))
    torch.testing.assert_close(ours, expected, **tolerance)


def test_names_and_right_options_stand_at_the_ends_of_lines(trainer, drawn):
    clips, asked = drawn
    packed = trainer.packer.pack([20, 20, 20], asked)
    line = trainer.packer.line
    assert (packed.ids.reshape(-1)[packed.named] == line).all()
    flat = [each for row in asked for each in row]
    names, right = [], []
    for each in flat:
        first = SPANS[each.question].start
        names += [first + each.key, *(first + option for option in each.options)]
        right += [float(letter == each.answer) for letter in LETTERS[: len(each.options)]]
    assert packed.names.tolist() == names
    assert packed.right.tolist() == right
    letters = [trainer.packer.tokens(letter)[0] for each in flat for letter in LETTERS[: len(each.options)]]
    assert packed.letters.tolist() == letters
    assert sum(right) == sum(bool(each.options) for each in flat)
    ends = packed.ids.reshape(-1)[packed.trunk_ends]
    assert (ends == line).all() and len(ends) == len(clips)


def test_every_answer_is_one_token(trainer):
    for question in QUESTIONS.values():
        for words in question.answers.values():
            assert all(len(trainer.packer.tokens(word)) == 1 for word in (*words.values(), *LETTERS))
    assert trainer.packer.tokens(TURN)[-1] == trainer.packer.line


def test_labels_of_a_clip_say_what_sounds_when(drawn):
    (_, clip, beeps), _ = drawn
    labels = frame_labels(beeps, 25, 0.08)
    assert labels[:, EVENTS.index("tone")].sum() >= 3 and labels[:, len(EVENTS)].sum() == 3
    assert not labels[:, [EVENTS.index("noise"), EVENTS.index("speech")]].any()
    labels = frame_labels(clip, 25, 0.08)
    for event in clip.events:
        frame = int((event.start + event.duration / 2) / 0.08)
        assert labels[frame, EVENTS.index(event.kind)] == 1


def test_no_training_clip_is_in_the_benchmark(drawn):
    clips, _ = drawn
    taken = benchmark_digests()
    assert len(taken) == 140
    assert not {digest((samples(clip) * 32768).astype(np.int16)) for clip in clips} & taken


def test_views_leave_what_they_should():
    documents = [
        {"question_type": "pitch", "sound_name": name, "form": "word"} for name in ("sound_0000", "sound_0001")
    ]
    assert other_sounds(documents) == {("pitch", "sound_0000"): "sound_0001", ("pitch", "sound_0001"): "sound_0000"}
    whole, other, silence = (shown(documents, view) for view in ("sound", "other", "silence"))
    assert np.array_equal(whole[0], other[1]) and np.array_equal(whole[1], other[0])
    assert not silence[0].any() and len(silence[0]) == len(whole[0])
    assert shown(documents, "nothing") == [None, None]
