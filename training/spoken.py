"""Spoken digits by espeak-ng: ``python -m training.spoken --out DIR [--benchmark]``.

Needs the program `espeak-ng`. The recordings of the benchmark are by voices, pitches and speeds of their own.
"""

from __future__ import annotations

import argparse
import subprocess
from itertools import product
from pathlib import Path

import numpy as np
from scipy.signal import resample_poly

from lens_tasks.scenes.sounds.encode import encode_flac
from lens_tasks.scenes.sounds.waves import RATE, STEP, Samples

WORDS = {
    "en": ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    "ru": ("ноль", "один", "два", "три", "четыре", "пять", "шесть", "семь", "восемь", "девять"),
}
ACCENTS = {"en": ("en-us", "en-gb"), "ru": ("ru",)}
TRAINING = {"variants": ("m1", "m2", "m3", "m4", "m6", "f1", "f2", "f3"), "pitches": (30, 50, 70), "speeds": (140, 185)}
BENCHMARK = {"variants": ("m7", "f4"), "pitches": (40, 60), "speeds": (160,)}
_QUIET = 0.02
_HEADER = 44
"""Bytes before the samples of a WAV file."""


def speak(word: str, voice: str, pitch: int, speed: int) -> Samples:
    """A word as float32 [n] at `RATE`, without the silence around it; peak 1."""
    command = ["espeak-ng", "-v", voice, "-p", str(pitch), "-s", str(speed), "--stdout", word]
    made = subprocess.run(command, capture_output=True, check=True).stdout
    rate = int.from_bytes(made[24:28], "little")  # the header's lengths are those of an endless file
    raw = np.frombuffer(made, "<i2", offset=_HEADER)
    sound = resample_poly(raw.astype(np.float64), RATE, rate)
    sound /= np.abs(sound).max()
    loud = np.flatnonzero(np.abs(sound) > _QUIET)
    return sound[loud[0] : loud[-1] + 1].astype(np.float32)


def training_recordings() -> tuple[list[Samples], list[str], list[str]]:
    """All digits by all voices of training: recordings, digits, languages."""
    sounds, digits, languages = [], [], []
    for language, words in WORDS.items():
        for accent, variant, pitch, speed in product(ACCENTS[language], *TRAINING.values()):
            for digit, word in enumerate(words):
                sounds.append(speak(word, f"{accent}+{variant}", pitch, speed))
                digits.append(str(digit))
                languages.append(language)
    return sounds, digits, languages


def benchmark_recordings() -> dict[str, Samples]:
    """Name of a file -> recording: each digit once in each language, by a voice of the benchmark."""
    found = {}
    for language, words in WORDS.items():
        voices = list(product(ACCENTS[language], *BENCHMARK.values()))
        for digit, word in enumerate(words):
            accent, variant, pitch, speed = voices[digit % len(voices)]
            found[f"{language}_{digit}_{variant}_{pitch}_{speed}.flac"] = speak(
                word, f"{accent}+{variant}", pitch, speed
            )
    return found


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--benchmark", action="store_true", help="the recordings of sound_mini, as FLAC files")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    if args.benchmark:
        for name, sound in benchmark_recordings().items():
            whole = (np.rint(sound * 0.9 * 32768 / STEP) * STEP).astype(np.int16)
            (args.out / name).write_bytes(encode_flac(whole))
        return
    sounds, digits, languages = training_recordings()
    ends = np.cumsum([len(sound) for sound in sounds])
    np.savez(args.out / "spoken.npz", sound=np.concatenate(sounds), ends=ends, digits=digits, languages=languages)


if __name__ == "__main__":
    main()
