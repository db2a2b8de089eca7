"""The lens stays exact on every model type of docs/coverage-audio*.json with the installed transformers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import transformers

from benchmarks.coverage import audio as examining
from benchmarks.coverage.audio import TWO_SOUNDS, audio_types, examine_audio
from benchmarks.coverage.audio_report import audio_file, write_audio
from benchmarks.coverage.examine import TOLERANCE, WrongReadoutError
from benchmarks.coverage.forced import A_BATCH, A_PROMPT, ForcedError
from benchmarks.coverage.hearing import hearing, tone
from lens_models import Forcing, LogitLens
from lens_models.forced_run import ForcedRun
from lens_models.generation import TracedGeneration
from lens_models.image_tokens import ImageTokens, SoundTokenLocator
from lens_models.image_tokens.sound_tokens import wrong_positions
from lens_models.unembed import Unembedding

# what tiny random models and configurations without a tokenizer are warned of
pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning:transformers"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

DOCS = Path(__file__).parent.parent.parent / "docs"
TABLES: dict[str, list[dict[str, Any]]] = {
    file.name: json.loads(file.read_text())
    for file in sorted([*DOCS.glob("coverage-audio.json"), *DOCS.glob("coverage-audio-transformers-*.json")])
}
RECORDED = {row["model_type"]: row for row in TABLES[audio_file(transformers.__version__)]}
EXACT = sorted(name for name, row in RECORDED.items() if row["result"] == "exact")
AT_LEAST = {"coverage-audio.json": 20, "coverage-audio-transformers-4.json": 3}
FAST = [
    name
    for name in ("qwen2_audio", "qwen2_5_omni_thinker", "phi4_multimodal", "gemma4", "glmasr", "granite_speech")
    if name in EXACT
]


def test_every_model_type_is_recorded() -> None:
    assert set(audio_types()) == set(RECORDED), "other model types; run python -m benchmarks.coverage --audio"


@pytest.mark.parametrize("file", TABLES)
def test_every_row_says_what_it_must_of_sounds(file: str) -> None:
    for row in TABLES[file]:
        if row["result"] != "exact":
            assert row["result"] in ("refused", "unbuildable")
            assert len(row["reason"].split()) > 10
            assert "Error:" not in row["reason"]
            continue
        assert max(row["deviation"], row["forced_layers"]) <= TOLERANCE < row["one_off"]
        assert row["forced_deviation"] < 1e-4
        assert row["forced_inputs"][:2] == [A_PROMPT, A_BATCH]
        assert row["sound_tokens"] > 1
        assert row["processor"] == "own" or len(row["processor"].split()) > 6
        assert row["bitwise"] or row["reason"]
    assert sum(row["result"] == "exact" for row in TABLES[file]) >= AT_LEAST[file]


@pytest.mark.parametrize("file", TABLES)
def test_the_page_of_sounds_says_the_same(file: str) -> None:
    page = (DOCS / "coverage-audio.md").read_text()
    for row in TABLES[file]:
        assert f"| {row['model_type']} | {row['model_class']} | {row['result']} |" in page
        assert not row["reason"] or f"- **{row['model_type']}** ({row['result']}): {row['reason']}\n" in page


def test_the_command_writes_that_page(tmp_path: Path) -> None:
    for name, rows in TABLES.items():
        (tmp_path / name).write_text(json.dumps(rows))
    write_audio([examining.AudioOutcome("own", "Own", "refused", reason="because")], tmp_path)
    page = (tmp_path / "coverage-audio.md").read_text()
    assert "Of 1: 0 exact, 1 refused, 0 unbuildable." in page
    assert "| own | Own | refused |" in page and "- **own** (refused): because" in page


@pytest.mark.parametrize("model_type", FAST)
def test_models_that_hear_stay_exact(model_type: str) -> None:
    outcome, recorded = examine_audio(model_type), RECORDED[model_type]
    assert (outcome.result, outcome.bitwise, outcome.reason) == ("exact", recorded["bitwise"], recorded["reason"])
    assert (outcome.forced, list(outcome.forced_inputs)) == (recorded["forced"], recorded["forced_inputs"])
    assert outcome.sound_tokens == recorded["sound_tokens"]


@pytest.mark.slow
@pytest.mark.parametrize("model_type", sorted(RECORDED))
def test_what_was_found_of_sounds_stays_so(model_type: str) -> None:
    outcome, recorded = examine_audio(model_type), RECORDED[model_type]
    assert (outcome.result, outcome.forced, outcome.bitwise) == tuple(
        recorded[name] for name in ("result", "forced", "bitwise")
    )


def test_a_wrong_middle_layer_of_a_model_that_hears_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    call, wrong = Unembedding.__call__, []
    monkeypatch.setattr(
        Unembedding, "__call__", lambda self, each: call(self, each).roll(1, -1) if wrong else call(self, each)
    )
    compare = examining.compare

    def with_fault(lens: LogitLens, inputs: Any) -> tuple[float, str]:
        wrong.append(True)  # the gate at load has passed
        return compare(lens, inputs)

    monkeypatch.setattr(examining, "compare", with_fault)
    with pytest.raises(WrongReadoutError, match="off by"):
        examine_audio("qwen2_audio")


def test_forced_scores_one_token_off_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Forcing.run

    def shifted(self: Forcing, *args: Any, **kwargs: Any) -> ForcedRun:
        found = run(self, *args, **kwargs)
        return replace(found, logits=found.logits.roll(1, dims=1))

    monkeypatch.setattr(Forcing, "run", shifted)
    with pytest.raises(ForcedError, match="forced log-probabilities are off"):
        examine_audio("qwen2_audio")


def test_a_layer_one_step_off_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    residual = TracedGeneration.residual
    forced_layers = examining._forced_layers

    def with_fault(lens: LogitLens, inputs: Any) -> float:
        monkeypatch.setattr(TracedGeneration, "residual", lambda self, row, step: residual(self, row, (step + 1) % 4))
        return forced_layers(lens, inputs)

    monkeypatch.setattr(examining, "_forced_layers", with_fault)
    with pytest.raises(WrongReadoutError, match="a layer of a forced run is off by"):
        examine_audio("qwen2_audio")


class Late(SoundTokenLocator):
    """Names the token after each."""

    def locate(self, ids: Any, n_sounds: int) -> ImageTokens:
        found = super().locate(ids, n_sounds)
        return ImageTokens(found.positions + 1, found.image, None, found.problem)


def test_sound_tokens_are_those_that_another_sound_changes() -> None:
    heard = hearing("qwen2_audio")
    inputs, other = (heard.encode([([tone(pitch)], "Is there")]) for pitch in (440, 660))
    assert wrong_positions(heard.model, SoundTokenLocator(heard.model, heard.processor), inputs, other) is None
    problem = wrong_positions(heard.model, Late(heard.model, heard.processor), inputs, other)
    assert problem is not None and "another sound changes 12 positions, and 12 hold" in problem
    longer = heard.encode([([tone(440, 1.0)], "Is there")])
    problem = wrong_positions(heard.model, SoundTokenLocator(heard.model, heard.processor), inputs, longer)
    assert problem == "the prompt depends on what a sound holds, not on its length alone"


def test_sounds_of_one_prompt_are_told_apart_where_that_is_certain() -> None:
    locator = SoundTokenLocator(hearing("qwen2_audio").model, None)
    (own,) = locator._ids
    two = locator.locate(np.array([0, 1, own, own, 5, own, 6]), 2)
    assert (two.positions.tolist(), two.image.tolist()) == ([2, 3, 5], [0, 0, 1])
    for ids, n, problem in (
        ([1, own, own, 5], 2, "1 runs of the token that stands for sounds, and 2 sounds"),
        ([1, own, 5, own], 1, "2 runs of the token that stands for sounds, and 1 sounds"),
        ([1, 5], 1, "no position of the prompt holds the token that stands for a part of a sound"),
    ):
        found = locator.locate(np.array(ids), n)
        assert (len(found), found.problem) == (0, problem)


def test_two_sounds_are_forced_where_the_processor_takes_them() -> None:
    assert TWO_SOUNDS in RECORDED["qwen2_audio"]["forced_inputs"]
