"""Check that no sound of training is in sound_mini: ``python -m training.sound_disjoint --data DIR --run DIR ...``.

The clips of a run are drawn again from its seeds, and compared by content; so are the recordings of digits.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from lens_tasks.folders import MINIS
from lens_tasks.scenes.sounds.encode import decode_flac
from lens_tasks.scenes.sounds.sound import benchmark_clips
from lens_tasks.scenes.sounds.waves import waveform
from training.sounds import Spoken, clips


def digest(samples: npt.NDArray[Any]) -> str:
    """SHA-256 of the samples."""
    return hashlib.sha256(np.ascontiguousarray(samples).tobytes()).hexdigest()


def benchmark_digests() -> set[str]:
    """Digests of the clips of sound_mini."""
    table = pq.read_table(MINIS / "sound_mini_sounds.parquet")
    return {digest(decode_flac(content)) for content in table["sound"].to_pylist()}


def shared_clips(folder: Path, spoken: Spoken, taken: set[str]) -> tuple[int, int]:
    """How many clips a run drew, and how many of them are taken."""
    run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    steps = json.loads((folder / "log.jsonl").read_text(encoding="utf-8").splitlines()[-1])["step"]
    drawn = found = 0
    for rank in range(run["processes"]):
        stream = clips(run["seed"], 0, run["batch"] // run["processes"], spoken, rank)
        for _, (_, batch) in zip(range(steps), stream, strict=False):
            drawn += len(batch)
            found += sum(digest(waveform(clip.events, clip.duration)) in taken for clip in batch)
    return drawn, found


def shared_recordings(spoken: Spoken) -> int:
    """How many recordings of training are, at the same loudness, one of the benchmark's."""
    whole = [clip.events[0].recording for clip, _ in benchmark_clips() if clip.family == "digit"]
    taken = {digest(_level(sound)) for sound in whole if sound is not None}
    return sum(digest(_level(sound)) in taken for sound in spoken.sounds)


def _level(sound: npt.NDArray[np.float32]) -> npt.NDArray[np.int16]:
    """The recording at 8 bits and full scale, so that its rounding does not tell two copies apart."""
    return np.rint(sound / np.abs(sound).max() * 127).astype(np.int16)


def main() -> None:
    """Command line; fails when a sound is shared."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder written by training.spoken")
    parser.add_argument("--run", type=Path, required=True, nargs="+", help="folders written by training.sound_train")
    args = parser.parse_args()
    spoken, taken = Spoken(args.data), benchmark_digests()
    shared = shared_recordings(spoken)
    print(f"{len(spoken.sounds)} recordings, {shared} of them in the benchmark")
    for folder in args.run:
        drawn, found = shared_clips(folder, spoken, taken)
        shared += found
        print(f"{folder.name}: {drawn} clips, {found} of them in the benchmark")
    if shared:
        raise SystemExit("sounds are shared")


if __name__ == "__main__":
    main()
