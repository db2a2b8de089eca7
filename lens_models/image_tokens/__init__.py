"""Where the image tokens of a prompt lie: in the sequence, and in the picture."""

from .locate import ImageTokenLocator, locate_image_tokens
from .proof import GeometryReport, prove_geometry
from .proven import ProvenImageTokens
from .tokens import Box, ImageTokens

__all__ = [
    "Box",
    "GeometryReport",
    "ImageTokenLocator",
    "ImageTokens",
    "ProvenImageTokens",
    "locate_image_tokens",
    "prove_geometry",
]
