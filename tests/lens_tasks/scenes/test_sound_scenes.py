"""sound_mini: format, balance, answers read back from the samples, and what does not tell them."""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn.ensemble import RandomForestClassifier
from sound_reading import answer, pieces

from lens_tasks import target_for
from lens_tasks.folders import MINIS, MissingDataError
from lens_tasks.scenes.sounds.encode import decode_flac, encode_flac
from lens_tasks.scenes.sounds.questions import LETTERS, QUESTIONS, prompt
from lens_tasks.scenes.sounds.scripts import LONGEST, ORDERS, SCRIPTS, SHORTEST, order
from lens_tasks.scenes.sounds.sound import benchmark_clips, clip_rows, sound_rows
from lens_tasks.scenes.sounds.waves import RATE, STEP, waveform
from lens_tasks.scenes.tables import to_table
from lens_tasks.tasks.sound import doc_to_audio, doc_to_prompt, doc_to_text, process_results


@pytest.fixture(scope="module")
def rows():
    return pq.read_table(MINIS / "sound_mini.parquet").to_pylist()


@pytest.fixture(scope="module")
def sounds():
    table = pq.read_table(MINIS / "sound_mini_sounds.parquet")
    return {row["sound_name"]: decode_flac(row["sound"]) for row in table.to_pylist()}


def key_of(row):
    """What is true of the clip, whatever the language and the form of the answer."""
    words = QUESTIONS[row["question_type"]].answers[row["language"]]
    said = row["options"][LETTERS.index(row["answer"])] if row["options"] else row["answer"]
    return next(key for key, word in words.items() if word == said)


def test_the_shipped_files_are_regenerated(rows, sounds):
    clips = benchmark_clips()
    assert to_table("sound_mini", sound_rows(clips)).to_pylist() == rows
    for made in clip_rows(clips)[::10]:
        assert np.array_equal(decode_flac(made["sound"]), sounds[made["sound_name"]])


def test_clips_are_short_and_whole(sounds):
    assert len(sounds) == 140
    for samples in sounds.values():
        assert SHORTEST - 0.001 <= len(samples) / RATE <= LONGEST + 0.001
        assert samples.dtype == np.int16 and not (samples % STEP).any()
        assert 0.05 < np.abs(samples / 32768).max() < 0.99
    files = [MINIS / "sound_mini.parquet", MINIS / "sound_mini_sounds.parquet"]
    assert sum(file.stat().st_size for file in files) < 3_000_000


def test_every_answer_is_read_back_from_the_samples(rows, sounds):
    read = [row for row in rows if row["question_type"] != "digit"]
    assert len(read) == 288
    wrong = [row["id"] for row in read if answer(row["question_type"], sounds[row["sound_name"]]) != key_of(row)]
    assert wrong == []


def test_the_reading_can_fail(sounds):
    clip = sounds["sound_0000"]
    assert answer("pitch", clip) != answer("pitch", clip[::-1])


def test_answers_and_places_are_balanced(rows):
    cells = defaultdict(Counter)
    for row in rows:
        cells[row["question_type"], row["language"], row["form"]][row["answer"]] += 1
    assert len(cells) == 28
    for cell, answers in cells.items():
        assert max(answers.values()) - min(answers.values()) <= 1, cell
        n = sum(answers.values())
        assert n == (10 if cell[0] == "digit" else 12)
    keys = defaultdict(Counter)
    for row in rows:
        keys[row["question_type"]][key_of(row)] += 1
    assert all(
        len(set(counts.values())) == 1 and len(counts) == len(QUESTIONS[name].keys) for name, counts in keys.items()
    )


def test_each_clip_is_asked_in_both_languages_once_by_letter(rows):
    asked = defaultdict(list)
    for row in rows:
        asked[row["sound_name"], row["question_type"]].append((row["language"], row["form"]))
    for pair in asked.values():
        assert {language for language, _ in pair} == {"en", "ru"} and {form for _, form in pair} == {"letter", "word"}


def test_prompts_and_targets(rows):
    for row in rows:
        text = doc_to_text(row)
        assert text == prompt(row["question_type"], row["language"], row["options"])
        assert doc_to_prompt(row) == f"<audio>\n{text}"
        target = target_for("sound_mini", row, prompt=text)
        assert target.source == "sound" and target.note is None
        assert (target.gold, target.cluster, target.question_type) == (
            row["answer"], row["sound_name"], row["question_type"]
        )  # fmt: skip
        assert target.labels == (tuple(LETTERS[: len(row["options"])]) if row["options"] else tuple(row["words"]))
        assert process_results(row, [row["answer"]])["exact_match"] == 1.0
    assert process_results(rows[0], ["Z"])["exact_match"] == 0.0


def test_an_answer_that_is_no_candidate_is_named(rows):
    target = target_for("sound_mini", {**rows[0], "answer": "Q"}, prompt="")
    assert target.gold is None and "found 'Q'" in (target.note or "")


def test_a_document_gives_its_sound(rows, sounds):
    (audio,) = doc_to_audio(rows[5])
    assert audio["sampling_rate"] == RATE and audio["array"].dtype == np.float32
    assert np.array_equal(audio["array"] * 32768, sounds[rows[5]["sound_name"]])
    with pytest.raises(MissingDataError, match="no sound 'sound_9999'"):
        doc_to_audio({"sound_name": "sound_9999"})


def test_flac_keeps_every_sample():
    samples = np.random.default_rng(3).integers(-32768, 32768, 20_000).astype(np.int16)
    assert np.array_equal(decode_flac(encode_flac(samples)), samples)


def fresh(family, count, seed):
    rng = np.random.default_rng((seed, 71))
    keys = QUESTIONS[family].keys if family != "order" else None
    for number in range(count):
        yield order(rng, ORDERS[number % 12]) if keys is None else SCRIPTS[family](rng, keys[number % len(keys)])


@pytest.mark.parametrize("family", [*SCRIPTS, "order"])
def test_length_and_loudness_do_not_tell_the_answer(family):
    """A forest on the clip's length and loudest sample: within four standard errors of chance (240 test clips)."""
    clips = list(fresh(family, 480, 1))
    seen = [[clip.duration, max(event.gain for event in clip.events)] for clip in clips]
    told = [next(iter(clip.answers.values())) for clip in clips]
    forest = RandomForestClassifier(50, random_state=0).fit(seen[:240], told[:240])
    chance = 1 / len(set(told))
    assert forest.score(seen[240:], told[240:]) <= chance + 4 * (chance * (1 - chance) / 240) ** 0.5


@pytest.mark.parametrize("family", [*SCRIPTS, "order"])
def test_sounds_do_not_touch(family):
    for clip in fresh(family, 60, 2):
        assert len(pieces(waveform(clip.events, clip.duration))) == len(clip.events)
