"""Training texts of several steps: right, in both languages, and divided by the probe as they were made."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from transformers import AutoTokenizer

from lens_models import LENS_TINY
from lens_models.loading import resolve_pretrained
from lens_tasks import locate_answer
from lens_tasks.answers import AnswerSpan, written_reasoning
from lens_tasks.scenes.programs import compile_question, objects_of
from lens_tasks.scenes.questions import Noun, Phrase, Question
from lens_tasks.scenes.sample import sample_scene
from lens_tasks.scenes.steps import step_count
from lens_tasks.scenes.world import Scene, Solid
from lens_tasks.vocabulary import CLEVR, RUCLEVR
from training.packing import Packer
from training.reasoning import reasoning_turns, steps_text
from training.stage import Stage

SEEDS = range(20_000_000, 20_000_020)
CONFIGS = Path(__file__).parents[2] / "training" / "configs"
SCENE = Scene(
    (
        Solid("large", "red", "metal", "cube", -0.5, 0.0),
        Solid("small", "blue", "rubber", "sphere", 0.0, 0.5),
        Solid("small", "red", "metal", "sphere", 0.5, 0.5),
    ),
    1.0,
)


def test_the_words_of_each_step() -> None:
    left = Phrase(Noun(), "left", Phrase(Noun(color="blue")))
    count = Question("count", (left,))
    assert steps_text(count, SCENE, "en") == "Step 1: small blue rubber sphere. Step 2: 1."
    assert steps_text(count, SCENE, "ru") == "Шаг 1: маленькая синяя резиновая сфера. Шаг 2: 1."
    same = Question("compare_attribute", (Phrase(Noun(shape="cube")), Phrase(Noun(color="blue"))), "material")
    assert steps_text(same, SCENE, "en") == "Step 1: metal. Step 2: rubber. Step 3: no."
    assert step_count(compile_question(same)) == 3 and objects_of(SCENE).labels[0] == "large red metal cube"


@pytest.mark.parametrize("language", ["en", "ru"])
def test_the_probe_divides_training_texts_as_they_were_made(language: str) -> None:
    rng = np.random.default_rng(3)
    vocabulary = CLEVR if language == "en" else RUCLEVR
    forms: Counter[str] = Counter()
    for seed in SEEDS:
        for turn in reasoning_turns(rng, sample_scene(seed), language, 6):
            word = "Step" if language == "en" else "Шаг"
            made = turn.answer.count(f"{word} ")
            span = locate_answer(turn.answer, vocabulary)
            assert isinstance(span, AnswerSpan) and turn.answer[span.start :] == span.text == span.label
            found = written_reasoning(turn.answer, span.decided_at)
            assert len(found.segments) == made
            assert all(turn.answer[start:].startswith(word) for start, _ in found.segments)
            last = turn.answer[slice(*found.segments[-1])] if made else f"{span.text}."
            assert last.endswith(f"{span.text}.")  # the last step's result is the answer
            forms["think" if "<think>" in turn.answer else "steps" if made else "direct"] += 1
            assert turn.prompt.startswith("<image>") and turn.graded_from == 0
    assert min(forms.values()) > 10 and len(forms) == 3


def test_what_the_steps_found_and_the_answer_are_trained_on_and_the_rest_is_not_much() -> None:
    packer = Packer(AutoTokenizer.from_pretrained(resolve_pretrained(LENS_TINY)), 448)
    turns = reasoning_turns(np.random.default_rng(4), sample_scene(SEEDS[0]), "en", 6)
    row = packer.row(turns, system=False)
    assert len(row.ids) <= 448 and row.branch.max() >= 4
    for number, turn in enumerate(turns[: row.branch.max()], start=1):
        here = (row.branch == number) & (row.targets != -100)
        ids, weights = row.targets[here][:-1], row.weights[here][:-1]
        said = "".join(packer.tokenizer.decode(ids[weights == 1]).split())
        found = [part.split(". ")[0] for part in turn.answer.replace("</think>", ". Answer: ").split(": ")[1:]]
        assert said == "".join("".join(found or [turn.answer]).split())
        assert set(weights[weights != 1]) <= {np.float32(0.05)}


def test_only_the_stage_of_steps_draws_them() -> None:
    stages = {path.stem: Stage.read(path) for path in CONFIGS.glob("*.yaml")}
    assert [name for name, stage in stages.items() if stage.reasoning] == ["12_steps", "13_results", "14_longer"]
