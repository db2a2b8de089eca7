"""Where the image tokens of a prompt lie: in the sequence, and in the picture."""

from .tokens import ImageTokens

__all__ = ["ImageTokens"]
