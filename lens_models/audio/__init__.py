"""Sounds: from a file or samples to what a model's processor takes."""

from .opening import is_sound, open_sound
from .processing import audio_arguments, sampling_rate_of, seconds_heard
from .shown import Sound

__all__ = ["Sound", "audio_arguments", "is_sound", "open_sound", "sampling_rate_of", "seconds_heard"]
