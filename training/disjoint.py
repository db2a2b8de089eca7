"""Check that no training picture or video is in a bundled benchmark: ``python -m training.disjoint --data DIR``."""

from __future__ import annotations

import argparse
import hashlib
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
from PIL import Image

from lens_tasks.folders import MINIS


def digest(pixels: npt.NDArray[np.uint8]) -> str:
    """SHA-256 of the pixels."""
    return hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()


def _cell(row: dict[str, Any]) -> dict[str, Any]:
    return dict(row["image"] if "image" in row else row["inputs"]["image"])


def benchmark_digests(folder: Path = MINIS) -> set[str]:
    """Digests of all pictures in the Parquet files of a folder."""
    found = set()
    for path in sorted(folder.glob("*.parquet")):
        if path.stem.startswith(("perception", "sound")):
            continue
        for content in {_cell(row)["bytes"] for row in pq.read_table(path).to_pylist()}:
            found.add(digest(np.asarray(Image.open(BytesIO(content)).convert("RGB"))))
    return found


def benchmark_video_digests(folder: Path = MINIS) -> set[str]:
    """Digests of all videos in a folder's file of them, each of all its frames."""
    found = set()
    for content in pq.read_table(folder / "perception_mini_videos.parquet")["video"].to_pylist():
        with av.open(BytesIO(content)) as container:
            found.add(digest(np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])))
    return found


def shared(pictures: npt.NDArray[np.uint8], taken: set[str]) -> list[int]:
    """Numbers of the pictures [n, 64, 64, 3] or videos [n, 16, 64, 64, 3] whose digest is taken."""
    return [number for number, pixels in enumerate(pictures) if digest(pixels) in taken]


def main() -> None:
    """Command line; fails when a picture or a video is shared, or when the folder holds neither."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data", type=Path, required=True, help="folder written by training.pictures or training.videos"
    )
    data = parser.parse_args().data
    kinds = {"images.npy": ("pictures", benchmark_digests), "videos.npy": ("videos", benchmark_video_digests)}
    there = [name for name in kinds if (data / name).is_file()]
    if not there:
        raise SystemExit(f"{data} has neither {' nor '.join(kinds)}; run training.pictures or training.videos first")
    failed = False
    for name in there:
        kind, digests = kinds[name]
        drawn, taken = np.load(data / name, mmap_mode="r"), digests()
        both = shared(drawn, taken)
        print(f"{len(drawn)} training {kind}, {len(taken)} benchmark {kind}, {len(both)} in both")
        failed = failed or bool(both)
    if failed:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
