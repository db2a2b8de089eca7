"""Draw pictures with questions of several steps and their boxes: ``python -m training.selector_pictures --out DIR``.

Writes PNG files and ``questions.jsonl``, for ``mmlens train-selector lens_tiny --data DIR``; with ``--steps`` the steps
of their programs too, for ``--at steps``, which the question then asks for. Questions are those that ``reasoning_mini``
is made of; seeds lie above those of all training pictures, and a picture that a bundled benchmark has is left out by
its content.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from lens_tasks.scenes.boxes import boxes_cell, referents
from lens_tasks.scenes.instructions import DIRECT, REASONING
from lens_tasks.scenes.programs import compile_question, objects_of
from lens_tasks.scenes.sample import sample_scene
from lens_tasks.scenes.steps import steps_cell
from lens_tasks.scenes.world import Scene
from training.question_folder import write_folder
from training.reasoning import WORDING, drawn

SEED = 60_000_000_000


def questions(rng: np.random.Generator, scene: Scene, count: int, *, steps: bool = False) -> Iterator[dict[str, Any]]:
    """Up to ``count`` lines about one picture, without its name; with ``steps`` those of the programs too."""
    for language in ("en", "ru") * (count // 2):
        found = drawn(rng, scene)
        if found is None:
            continue
        question, answer = found
        boxes = json.loads(boxes_cell(scene, *referents(question, scene)))
        if any(each["role"] == "asked" for each in boxes):
            text = f"{WORDING[language](question)}\n{(REASONING if steps else DIRECT)[language]}"
            program = json.loads(steps_cell(compile_question(question), objects_of(scene)))
            about = {"boxes": boxes, "steps": program} if steps else {"boxes": boxes}
            yield {"question": text, **about, "answer": answer, "language": language}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--pictures", type=int, default=1500)
    parser.add_argument("--questions", type=int, default=4, help="about each picture, at most; an even number")
    parser.add_argument("--steps", action="store_true", help="ask for steps, and write those of the programs")
    args = parser.parse_args()
    numbers = range(SEED, SEED + args.pictures)
    scenes = ((sample_scene(seed), np.random.default_rng(seed)) for seed in numbers)
    write_folder(args.out, ((scene, questions(rng, scene, args.questions, steps=args.steps)) for scene, rng in scenes))


if __name__ == "__main__":
    main()
