"""Draw question-answer pairs for one picture, as single-turn prompts with ``<image>`` where the picture goes."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from lens_tasks.scenes import english, russian
from lens_tasks.scenes.ask import draw_question
from lens_tasks.scenes.instructions import NORMAL, RUCLEVR, STRANGE, WEIRD, WEIRD_QUESTION, asks_for_reasoning
from lens_tasks.scenes.questions import Noun, Phrase, Question
from lens_tasks.scenes.ruclevr import wordable
from lens_tasks.scenes.world import COLOURS, SHAPES, Scene
from training.prompts import ENGLISH_TAILS, STRANGE_IN_A_WORD, reasoned

IMAGE = "<image>"
VIDEO = "<video>"


@dataclass(frozen=True)
class Turn:
    """A prompt (user's text with ``<image>`` or ``<video>``), the answer, and where the graded word starts in it.

    A question about a video has the numbers of what it ``names`` on the line of the question (the answer) and on those
    of the options, whose ends are marked in its row.
    """

    prompt: str
    answer: str
    graded_from: int = 0
    names: tuple[int, ...] = ()
    results: tuple[tuple[int, int], ...] = ()
    """Places in the answer, in characters, of what its steps found; where there are some, the rest weighs little."""


@dataclass(frozen=True)
class Mixture:
    """What is drawn how often. Rows are of one kind each; families are drawn within a row."""

    rows: dict[str, float] = field(default_factory=lambda: {"english": 1.0})
    families: dict[str, float] = field(default_factory=lambda: {"pope": 1.0})
    hops: tuple[float, ...] = (0.5, 0.28, 0.15, 0.07)
    tails: tuple[float, ...] = (0.5, 0.35, 0.15)
    variants: float = 0.03
    """Share of answers written with a capital letter, so that surface variants carry probability."""
    weird_beside: float = 0.0
    """Share of English rows that also ask whether the picture is strange."""
    image_first: float = 0.3
    """Share of Russian rows whose picture comes before the whole instruction."""


def pick(rng: np.random.Generator, weights: dict[str, float]) -> str:
    """A key, drawn with the given weights."""
    names = list(weights)
    shares = np.asarray([weights[name] for name in names])
    return names[int(rng.choice(len(names), p=shares / shares.sum()))]


def pope_question(rng: np.random.Generator, scene: Scene) -> tuple[Question, str]:
    """Is there a red cube: yes half of the time; half of the negatives mix the present colours and shapes."""
    present = {solid.kind for solid in scene.solids}
    kinds = sorted(present)
    if rng.random() < 0.5:
        color, shape = kinds[int(rng.integers(len(kinds)))]
        return Question("exist", (Phrase(Noun(color=color, shape=shape)),)), "yes"
    near = rng.random() < 0.6
    colors = sorted({c for c, _ in kinds}) if near else list(COLOURS)
    shapes = sorted({s for _, s in kinds}) if near else list(SHAPES)
    absent = [(c, s) for c in colors for s in shapes if (c, s) not in present]
    absent = absent or [(c, s) for c in COLOURS for s in SHAPES if (c, s) not in present]
    color, shape = absent[int(rng.integers(len(absent)))]
    return Question("exist", (Phrase(Noun(color=color, shape=shape)),)), "no"


def scene_question(rng: np.random.Generator, scene: Scene, mix: Mixture) -> tuple[Question, str] | None:
    """A question of a drawn family; yes/no families are balanced, counts lean towards the rarer answers."""
    family = pick(rng, mix.families)
    if family == "pope":
        return pope_question(rng, scene)
    hops = int(rng.choice(len(mix.hops), p=np.asarray(mix.hops) / sum(mix.hops)))
    wanted = {"yes"} if rng.random() < 0.5 else {"no"}
    if family == "count":
        wanted = {str(int(rng.integers(0, 6)))}
    drawn = None
    for _ in range(1 if family == "query_attribute" else 5):
        drawn = draw_question(rng, scene, family, hops) or drawn
        if drawn is not None and drawn[1] in wanted:
            break
    return drawn


def english_turn(rng: np.random.Generator, scene: Scene, mix: Mixture) -> Turn | None:
    """A POPE or CLEVR question with one of the English tails, picture first."""
    drawn = scene_question(rng, scene, mix)
    if drawn is None:
        return None
    tail = ENGLISH_TAILS[int(rng.choice(len(ENGLISH_TAILS), p=mix.tails))]
    answer = drawn[1].capitalize() if rng.random() < mix.variants else drawn[1]
    return Turn(IMAGE + english.question_text(drawn[0]) + tail, answer)


def _finish(instruction: str, answer: str, reason: str) -> tuple[str, int]:
    if not asks_for_reasoning(instruction):
        return answer, 0
    text = reasoned(reason, answer)
    return text, len(text) - len(answer)


def russian_turn(rng: np.random.Generator, scene: Scene, mix: Mixture, instruction: str) -> Turn | None:
    """A ruCLEVR question in a MERA-style instruction."""
    drawn = scene_question(rng, scene, mix)
    if drawn is None or not wordable(drawn[0]):
        return None
    answer = russian.ANSWERS[drawn[1]]
    answer = answer.capitalize() if rng.random() < mix.variants else answer
    text, graded = _finish(instruction, answer, russian.question_type(drawn[0]))
    return Turn(instruction.replace("{question}", russian.question_text(drawn[0])), text, graded)


def weird_turn(scene: Scene, instruction: str, strange_first: bool) -> Turn:
    """Is the picture strange or normal, as a choice between A and B."""
    options = (STRANGE, NORMAL) if strange_first else (NORMAL, STRANGE)
    letter = "A" if (scene.violation is not None) == strange_first else "B"
    prompt = instruction.replace("{question}", WEIRD_QUESTION)
    prompt = prompt.replace("{option_a}", options[0]).replace("{option_b}", options[1])
    if not asks_for_reasoning(instruction):
        return Turn(prompt, letter)
    verdict = NORMAL if scene.violation is None else STRANGE
    text = reasoned("weird", letter, verdict)
    return Turn(prompt, text, text.index(verdict) - 1)


def verdict_turn(rng: np.random.Generator, scene: Scene) -> Turn:
    """The same question answered with a word, in English or Russian."""
    if rng.random() < 0.5:
        return Turn(STRANGE_IN_A_WORD[0], "normal" if scene.violation is None else "strange")
    return Turn(STRANGE_IN_A_WORD[1], NORMAL if scene.violation is None else STRANGE)


def row_turns(rng: np.random.Generator, scene: Scene, mix: Mixture, count: int) -> list[Turn]:
    """Up to ``count`` turns about one picture that begin alike, so that they can share the picture."""
    kind = pick(rng, mix.rows)
    index = int(rng.integers(len(RUCLEVR)))
    plain = rng.random() < mix.image_first
    turns: list[Turn | None] = []
    if kind == "weird":
        order = rng.random() < 0.5
        turns = [weird_turn(scene, WEIRD[index], order), weird_turn(scene, WEIRD[index], not order)]
    if kind == "english" and rng.random() < mix.weird_beside:
        starts = [text for text in WEIRD if text.startswith(IMAGE)]
        turns = [verdict_turn(rng, scene)]
        if rng.random() < 0.5:
            turns.append(weird_turn(scene, starts[int(rng.integers(len(starts)))], rng.random() < 0.5))
    while len(turns) < count:
        if kind == "english":
            turns.append(english_turn(rng, scene, mix))
        elif kind == "russian" or (RUCLEVR[index].split(IMAGE)[0] == WEIRD[index].split(IMAGE)[0]):
            turns.append(russian_turn(rng, scene, mix, RUCLEVR[index]))
        else:
            break
    done = [turn for turn in turns if turn is not None]
    if kind != "english" and plain:
        done = [Turn(IMAGE + t.prompt.replace(IMAGE, ""), t.answer, t.graded_from) for t in done]
    return done
