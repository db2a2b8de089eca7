"""Why a model type that takes sounds is refused or cannot be built here, where the error alone would not say it."""

from __future__ import annotations

__all__ = ["AUDIO_REASONS", "NOTES"]

AUDIO_REASONS: dict[str, str] = {
    "voxtral_realtime": (
        "it answers while it listens: each step takes the next piece of the sound and gives one token, so there is no "
        "prompt with a sound that an answer follows; no tiny one was made here"
    ),
}

NOTES: dict[str, str] = {
    "inkling_mm_model": (
        "the model divides the normed state by a number, the lens the logits; both round, so bits may differ"
    ),
    "vibevoice_asr": (
        "examined without the noise that its acoustic tokenizer draws anew in every pass over a sound (vae_std); with "
        "it two passes of the model itself differ, and so do given tokens scored in a pass of their own"
    ),
}
"""What has to be known of a model type that is exact."""
