"""Videos: from a file to the frames that a model is shown, with their times."""

from .opening import open_video
from .processing import video_arguments
from .sampling import DEFAULT_FRAMES, VideoSampling
from .shown import Video

__all__ = ["DEFAULT_FRAMES", "Video", "VideoSampling", "open_video", "video_arguments"]
