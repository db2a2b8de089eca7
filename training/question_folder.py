"""A folder of drawn pictures and questions about them, as `mmlens train-lens` and `train-selector` read it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from lens_tasks.scenes.render import render
from lens_tasks.scenes.world import Scene
from training.disjoint import benchmark_digests, digest

Lines = Iterable[Mapping[str, Any]]


def write_folder(out: Path, drawn: Iterable[tuple[Scene, Lines]]) -> None:
    """Write PNG files and ``questions.jsonl``; a picture that a bundled benchmark has is left out by its content.

    Args:
        out: the folder.
        drawn: each scene with the lines about it, without the picture's name; they are drawn when they are needed.
    """
    out.mkdir(parents=True, exist_ok=True)
    taken, lines, written, left_out = benchmark_digests(), [], 0, 0
    for number, (scene, about) in enumerate(drawn):
        pixels = render(scene)
        if digest(pixels) in taken:
            left_out += 1
            continue
        name = f"{number:05d}.png"
        Image.fromarray(pixels).save(out / name)
        written += 1
        lines += [json.dumps({"image": name, **line}, ensure_ascii=False) for line in about]
    (out / "questions.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{written} pictures, {len(lines)} questions in {out}; {left_out} are in a benchmark")
