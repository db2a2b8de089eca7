"""Where the image tokens of a prompt lie: in the sequence, and in the picture."""

from .locate import ImageTokenLocator, locate_image_tokens
from .proof import GeometryReport, prove_geometry
from .proven import ProvenImageTokens
from .sound_tokens import SoundTokenLocator, prove_sound_tokens
from .tokens import Box, ImageTokens
from .video_layout import VideoShape
from .video_proof import prove_video_geometry
from .video_tokens import VideoTokenLocator, shape_of

__all__ = [
    "Box",
    "GeometryReport",
    "ImageTokenLocator",
    "ImageTokens",
    "ProvenImageTokens",
    "SoundTokenLocator",
    "VideoShape",
    "VideoTokenLocator",
    "locate_image_tokens",
    "prove_geometry",
    "prove_sound_tokens",
    "prove_video_geometry",
    "shape_of",
]
