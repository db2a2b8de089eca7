"""Draw pictures and questions to learn lenses of lens_tiny from: ``python -m training.lens_pictures --out DIR``.

Writes PNG files and ``questions.jsonl``, for ``mmlens train-lens lens_tiny --data DIR``. The scenes are of the kind
that lens_tiny was trained on, with the questions of its last stages; seeds lie above those of all training pictures,
and a picture that a bundled benchmark has is left out by its content.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from PIL import Image

from lens_tasks.scenes.render import render
from lens_tasks.scenes.sample import sample_pair, sample_scene
from training.disjoint import benchmark_digests, digest
from training.mixture import IMAGE, row_turns
from training.stage import Stage

SEED = 40_000_000_000
CONFIG = Path(__file__).parent / "configs" / "5_decay.yaml"


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--pictures", type=int, default=1000)
    parser.add_argument("--questions", type=int, default=4, help="about each picture")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    taken, mixture = benchmark_digests(), Stage.read(CONFIG).mixture
    lines, left_out = [], 0
    for number in range(args.pictures):
        seed = SEED + number
        scene = sample_pair(seed)[number // 3 % 2] if number % 3 == 0 else sample_scene(seed)
        pixels = render(scene)
        if digest(pixels) in taken:
            left_out += 1
            continue
        name = f"{number:05d}.png"
        Image.fromarray(pixels).save(args.out / name)
        for turn in row_turns(np.random.default_rng(seed), scene, mixture, args.questions)[: args.questions]:
            # the model's chat template puts the picture first
            lines.append(json.dumps({"image": name, "question": turn.prompt.replace(IMAGE, "")}, ensure_ascii=False))
    (args.out / "questions.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{args.pictures - left_out} pictures, {len(lines)} questions in {args.out}; {left_out} are in a benchmark")


if __name__ == "__main__":
    main()
