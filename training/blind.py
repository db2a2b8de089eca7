"""Videos that hold less than they show: ``python -m training.blind --keep frame --out DIR``.

Writes perception_mini's videos to a folder of prepared data, under the names that the task unpacks them to, so that a
run with ``MMLENS_DATA=DIR`` sees them in place of the benchmark's.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Final

import av
import numpy as np
import pyarrow.parquet as pq

from lens_tasks.folders import MINIS
from lens_tasks.scenes.clips.clip import FRAMES, MIDDLE
from lens_tasks.scenes.clips.encode import encode_mp4
from lens_tasks.scenes.render import Pixels
from lens_tasks.tasks.perception import unpacked_name

SEED: Final = 2306
GREY: Final = 128


def one_frame(frames: Pixels, number: int) -> Pixels:
    """The frame from the middle, as often as there are frames."""
    return np.repeat(frames[MIDDLE : MIDDLE + 1], FRAMES, axis=0)


def shuffled(frames: Pixels, number: int) -> Pixels:
    """All frames, in an order drawn for the video."""
    return frames[np.random.default_rng((SEED, number)).permutation(FRAMES)]


def no_video(frames: Pixels, number: int) -> Pixels:
    """Frames of one grey."""
    return np.full_like(frames, GREY)


KEEP: Final[dict[str, Callable[[Pixels, int], Pixels]]] = {
    "frame": one_frame,
    "set": shuffled,
    "nothing": no_video,
}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", choices=KEEP, required=True, help="the middle frame, all without order, or none")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    folder = args.out / "perception_mini"
    folder.mkdir(parents=True, exist_ok=True)
    table = pq.read_table(MINIS / "perception_mini_videos.parquet").to_pylist()
    for number, row in enumerate(table):
        with av.open(BytesIO(row["video"])) as container:
            frames = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
        shown = encode_mp4(KEEP[args.keep](frames, number))
        (folder / unpacked_name(row["video_name"], row["video"])).write_bytes(shown)
    print(f"{len(table)} videos in {folder}")


if __name__ == "__main__":
    main()
