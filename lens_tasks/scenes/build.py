"""Write the bundled benchmarks: ``python -m lens_tasks.scenes.build --out DIR``.

The same command gives the same files, bit for bit, with the same versions of pyarrow, Pillow and PyAV; with other
versions the values are still the same, which ``hashes.json`` records beside the files' own hashes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import PIL
import pyarrow as pa

from lens_tasks.scenes.clevr import clevr_rows
from lens_tasks.scenes.clips.perception import benchmark_clips, perception_rows, video_rows
from lens_tasks.scenes.pope import pope_rows
from lens_tasks.scenes.reasoning import reasoning_rows
from lens_tasks.scenes.ruclevr import ruclevr_rows
from lens_tasks.scenes.sounds.sound import benchmark_clips as benchmark_sounds
from lens_tasks.scenes.sounds.sound import clip_rows, sound_rows
from lens_tasks.scenes.tables import content_hash, to_table, write
from lens_tasks.scenes.weird import weird_rows


def all_rows() -> dict[tuple[str, str], Sequence[Mapping[str, Any]]]:
    """Rows of every benchmark by (name, split)."""
    rows: dict[tuple[str, str], Sequence[Mapping[str, Any]]] = {
        ("pope_mini", "test"): pope_rows(),
        ("clevr_mini", "test"): clevr_rows(),
    }
    rows |= {("ruclevr_mini", split): part for split, part in ruclevr_rows().items()}
    rows |= {("weird_mini", split): part for split, part in weird_rows().items()}
    clips = benchmark_clips()
    rows["perception_mini", "test"] = perception_rows(clips)
    rows["perception_mini_videos", "test"] = video_rows(clips)
    sounds = benchmark_sounds()
    rows["sound_mini", "test"] = sound_rows(sounds)
    rows["sound_mini_sounds", "test"] = clip_rows(sounds)
    rows["reasoning_mini", "test"] = reasoning_rows()
    return rows


def build(out: Path) -> dict[str, Any]:
    """Write ``NAME.parquet`` (test) and ``NAME_shots.parquet`` to ``out``; returns what hashes.json holds."""
    out.mkdir(parents=True, exist_ok=True)
    files: dict[str, dict[str, Any]] = {}
    for (name, split), rows in all_rows().items():
        path = out / (f"{name}.parquet" if split == "test" else f"{name}_{split}.parquet")
        table = to_table(name, rows)
        write(table, path)
        files[path.name] = {
            "rows": len(table),
            "content": content_hash(table),
            "file": hashlib.sha256(path.read_bytes()).hexdigest(),
        }
    versions = {"pyarrow": pa.__version__, "pillow": PIL.__version__, "av": version("av")}
    manifest = {"versions": versions, "files": files}
    (out / "hashes.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    return manifest


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    build(parser.parse_args().out)


if __name__ == "__main__":
    main()
