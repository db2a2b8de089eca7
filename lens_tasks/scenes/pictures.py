"""The bundled benchmarks' pictures: which seeds they come from, and how a picture stands in a table row."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from lens_tasks.scenes.render import encode_png, render
from lens_tasks.scenes.sample import sample_scene
from lens_tasks.scenes.world import Scene

SEEDS: Final = {
    "pope_mini": range(100_000, 101_000),
    "clevr_mini": range(200_000, 201_000),
    "ruclevr_mini": range(300_000, 301_000),
    "weird_mini": range(400_000, 401_000),
    "perception_mini": range(500_000, 501_000),
    "sound_mini": range(600_000, 601_000),
    "reasoning_mini": range(700_000, 701_000),
}
"""Seeds of each benchmark: of scenes; of weird_mini of pairs, of perception_mini of videos, of sound_mini of sounds.
Training uses seeds from ten million up."""


Row = dict[str, Any]
"""A row of a benchmark, in the columns of its schema in `tables.SCHEMAS`."""


def image_cell(scene: Scene, name: str) -> dict[str, Any]:
    """The PNG of a scene under a file name, as `datasets` stores it."""
    return {"bytes": encode_png(render(scene)), "path": name}


def scenes_of(benchmark: str, count: int, wanted: Callable[[Scene], bool]) -> Iterator[tuple[int, Scene]]:
    """The first ``count`` scenes of a benchmark's seeds that are ``wanted``, numbered from 0.

    Raises RuntimeError when the seeds run out first.
    """
    found = 0
    for seed in SEEDS[benchmark]:
        scene = sample_scene(seed)
        if found < count and wanted(scene):
            yield found, scene
            found += 1
        if found == count:
            return
    raise RuntimeError(f"{benchmark}: {found} of {count} scenes found in {len(SEEDS[benchmark])} seeds")
