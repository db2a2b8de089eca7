"""The media of a prompt, and digests that tell two of them apart."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from PIL import Image

from lens_models.audio import Sound
from lens_models.video import Video

__all__ = ["Images", "Media", "image_digest"]

Images = Sequence[Image.Image]


@dataclass(frozen=True)
class Media:
    """The images, videos and sounds of one prompt, as the model is shown them, each kind in order of appearance.

    Attributes:
        images: after everything that a harness does to them.
        videos: the frames that are shown, with what is known of their times.
        audios: sounds, at their own rate; the processor's is made when they are encoded.
    """

    images: tuple[Image.Image, ...] = field(default=(), repr=False)
    videos: tuple[Video, ...] = field(default=(), repr=False)
    audios: tuple[Sound, ...] = field(default=(), repr=False)

    @property
    def other_than_images(self) -> str | None:
        """What else there is beside images, in words, or None."""
        named = {"video": self.videos, "audio": self.audios}
        return " and ".join(name for name, found in named.items() if found) or None

    @property
    def pictures(self) -> tuple[Image.Image, ...]:
        """The images that are pictures of PIL, as each digest is of one; a harness may hand on what is none."""
        return tuple(image for image in self.images if isinstance(image, Image.Image))

    @cached_property
    def image_sha256(self) -> tuple[str, ...]:
        """Digest of each image."""
        return image_digest(self.images)

    @cached_property
    def other_sha256(self) -> tuple[str, ...]:
        """Digest of each video, then of each sound."""
        return (*(video.sha256 for video in self.videos), *(sound.sha256 for sound in self.audios))

    @property
    def video_records(self) -> tuple[dict[str, Any], ...]:
        """What a record keeps of each video, see docs/record-format.md."""
        return tuple(
            {
                "sha256": video.sha256,
                "source": video.source,
                "frames": len(video),
                "width": video.size[0],
                "height": video.size[1],
                "times": video.times,
                "fps": video.fps,
                "duration": video.duration,
                "start": video.clip and video.clip[0],
                "end": video.clip and video.clip[1],
            }
            for video in self.videos
        )

    @property
    def sound_records(self) -> tuple[dict[str, Any], ...]:
        """What a record keeps of each sound, see docs/record-format.md."""
        return tuple(
            {"sha256": sound.sha256, "source": sound.source, "rate": sound.rate, "duration": sound.duration}
            for sound in self.audios
        )

    def under(self, images: Images | None, videos: Sequence[Video] | None) -> Media:
        """The same with other images or videos, as many as there are; the own ones where there are none."""
        return replace(
            self,
            images=self.images if images is None else tuple(images),
            videos=self.videos if videos is None else tuple(videos),
        )


def image_digest(images: Sequence[object]) -> tuple[str, ...]:
    """SHA-256 of the pixels of each image (mode and size included); media that are no images are left out."""
    digests = []
    for image in images:
        if isinstance(image, Image.Image):
            head = f"{image.mode} {image.size[0]}x{image.size[1]} ".encode()
            digests.append(hashlib.sha256(head + image.tobytes()).hexdigest())
    return tuple(digests)
