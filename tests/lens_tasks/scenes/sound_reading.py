"""Answers of sound_mini read back from samples, by means other than those that made them."""

from __future__ import annotations

import numpy as np

RATE = 16_000
_BLOCK = 80
"""Samples of a block whose loudness is measured: 5 ms."""
_APART = 0.03


def pieces(samples):
    """The stretches that are not silent, each an array of samples; silences shorter than 30 ms are within one."""
    blocks = samples[: len(samples) // _BLOCK * _BLOCK].reshape(-1, _BLOCK)
    loud = np.flatnonzero(np.abs(blocks).max(axis=1) > 0)
    breaks = np.flatnonzero(np.diff(loud) > _APART * RATE / _BLOCK)
    starts, ends = [loud[0], *loud[breaks + 1]], [*loud[breaks], loud[-1]]
    return [samples[start * _BLOCK : (end + 1) * _BLOCK] for start, end in zip(starts, ends, strict=True)]


def pitch(samples):
    """The strongest frequency in Hz."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), 2**16))
    return float(np.argmax(spectrum) * RATE / 2**16)


def rise(samples):
    """Octaves from the first to the last third of a piece."""
    third = len(samples) // 3
    return np.log2(pitch(samples[-third:]) / pitch(samples[:third]))


def kind(samples):
    """tone, noise, click or sweep, from length, flatness of the spectrum, and change of pitch."""
    if len(samples) < 0.05 * RATE:
        return "click"
    power = np.abs(np.fft.rfft(samples)) ** 2 + 1e-12
    if np.exp(np.mean(np.log(power))) / power.mean() > 0.1:
        return "noise"
    return "sweep" if abs(rise(samples)) > 0.2 else "tone"


def _compared(ratio, words, slack):
    return words[2] if abs(np.log2(ratio)) < slack else words[0] if ratio > 1 else words[1]


def answer(question, samples):
    """The key of the answer to a question; digits are not read."""
    found = pieces(samples.astype(np.float64))
    if question == "count":
        return str(len(found))
    if question in ("first", "last"):
        return kind(found[0 if question == "first" else -1])
    if question == "sweep":
        change = rise(found[0])
        return "stays" if abs(change) < 0.1 else "rises" if change > 0 else "falls"
    first, second = found
    if question == "pitch":
        return _compared(pitch(second) / pitch(first), ("higher", "lower", "equal"), 0.1)
    return _compared(len(second) / len(first), ("longer", "shorter", "equal"), 0.3)
