"""Check that no training picture is in a bundled benchmark: ``python -m training.disjoint --data DIR``."""

from __future__ import annotations

import argparse
import hashlib
from io import BytesIO
from pathlib import Path
from typing import Any

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
        for content in {_cell(row)["bytes"] for row in pq.read_table(path).to_pylist()}:
            found.add(digest(np.asarray(Image.open(BytesIO(content)).convert("RGB"))))
    return found


def shared(pictures: npt.NDArray[np.uint8], taken: set[str]) -> list[int]:
    """Numbers of the pictures [n, 64, 64, 3] whose digest is taken."""
    return [number for number, pixels in enumerate(pictures) if digest(pixels) in taken]


def main() -> None:
    """Command line; fails when a picture is shared."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder written by training.pictures")
    pictures = np.load(parser.parse_args().data / "images.npy", mmap_mode="r")
    taken = benchmark_digests()
    both = shared(pictures, taken)
    print(f"{len(pictures)} training pictures, {len(taken)} benchmark pictures, {len(both)} in both")
    if both:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
