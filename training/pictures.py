"""Draw the training pictures once: ``python -m training.pictures --out DIR``.

Writes ``images.npy`` (uint8 [n, 64, 64, 3]) and ``scenes.pkl`` (list of ``Scene``). The seeds lie far above
those of the bundled benchmarks; ``training.disjoint`` checks the pictures by content as well.
"""

from __future__ import annotations

import argparse
import pickle
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from lens_tasks.scenes.render import Pixels, render
from lens_tasks.scenes.sample import sample_pair, sample_scene
from lens_tasks.scenes.world import Scene

PAIR_SEED = 10_000_000
SINGLE_SEED = 20_000_000_000


def draw(job: tuple[str, int]) -> list[tuple[Scene, Pixels]]:
    """One normal picture, or a normal one and its strange counterpart."""
    kind, seed = job
    scenes = sample_pair(seed) if kind == "pair" else (sample_scene(seed),)
    return [(scene, render(scene)) for scene in scenes]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--pairs", type=int, default=10_000)
    parser.add_argument("--singles", type=int, default=12_000)
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    pairs = [("pair", PAIR_SEED + i) for i in range(args.pairs)]
    singles = [("single", SINGLE_SEED + i) for i in range(args.singles)]
    scenes: list[Scene] = []
    pictures: list[Pixels] = []
    with get_context("spawn").Pool(args.workers) as pool:
        for group in pool.imap(draw, pairs + singles, chunksize=50):
            for scene, pixels in group:
                scenes.append(scene)
                pictures.append(pixels)
    np.save(args.out / "images.npy", np.stack(pictures))
    with (args.out / "scenes.pkl").open("wb") as file:
        pickle.dump(scenes, file)
    print(f"{len(scenes)} pictures in {args.out}")


if __name__ == "__main__":
    main()
