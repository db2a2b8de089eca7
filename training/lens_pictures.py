"""Draw pictures and questions to learn lenses of lens_tiny from: ``python -m training.lens_pictures --out DIR``.

Writes PNG files and ``questions.jsonl``, for ``mmlens train-lens lens_tiny --data DIR``. The scenes are of the kind
that lens_tiny was trained on, with the questions of its last stages; seeds lie above those of all training pictures,
and a picture that a bundled benchmark has is left out by its content.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from lens_tasks.scenes.sample import sample_pair, sample_scene
from lens_tasks.scenes.world import Scene
from training.mixture import IMAGE, Mixture, row_turns
from training.question_folder import Lines, write_folder
from training.stage import Stage

SEED = 40_000_000_000
CONFIG = Path(__file__).parent / "configs" / "5_decay.yaml"


def drawn(pictures: int, count: int) -> Iterator[tuple[Scene, Lines]]:
    """Scenes, each with up to ``count`` lines about it."""
    mixture = Stage.read(CONFIG).mixture
    for number in range(pictures):
        seed = SEED + number
        scene = sample_pair(seed)[number // 3 % 2] if number % 3 == 0 else sample_scene(seed)
        yield scene, questions(np.random.default_rng(seed), scene, mixture, count)


def questions(rng: np.random.Generator, scene: Scene, mixture: Mixture, count: int) -> Lines:
    """Lines about one picture; the model's chat template puts the picture first."""
    for turn in row_turns(rng, scene, mixture, count)[:count]:
        yield {"question": turn.prompt.replace(IMAGE, "")}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--pictures", type=int, default=1000)
    parser.add_argument("--questions", type=int, default=4, help="about each picture")
    args = parser.parse_args()
    write_folder(args.out, drawn(args.pictures, args.questions))


if __name__ == "__main__":
    main()
