"""From lmms-eval's messages to a prompt text and its media."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lmms_eval.protocol import ChatMessages

from lens_models.encoding import open_image, render_chat
from lens_models.video import open_video

__all__ = ["Conversation", "render"]


@dataclass(frozen=True)
class Conversation:
    """A prompt as the model reads it, with its media in order of appearance; `where` names its document."""

    prompt: str
    images: tuple[Any, ...] = ()
    videos: tuple[Any, ...] = ()
    audios: tuple[Any, ...] = ()
    where: str = ""

    def under(self, images: Sequence[Any] | None) -> Conversation:
        """The same prompt with other images, as many as it has; None leaves its own."""
        return self if images is None else replace(self, images=tuple(images))


def render(
    processor: Any, messages: Sequence[Mapping[str, Any]], *, where: str, max_frames: int, fps: float | None
) -> Conversation:
    """Apply the chat template of the checkpoint; videos become evenly spaced frames.

    Raises:
        InputError: an image or video that cannot be read (named by `where`), or a checkpoint without a chat template.
    """
    chat = ChatMessages(messages=list(messages))
    prompt = render_chat(processor, chat.to_hf_messages())
    images, videos, audios = chat.extract_media()
    opened = tuple(open_image(image, where=f"{where}, image {i}") for i, image in enumerate(images))
    frames = tuple(
        open_video(video, where=f"{where}, video {i}", max_frames=max_frames, fps=fps) for i, video in enumerate(videos)
    )
    return Conversation(prompt, opened, frames, tuple(audios), where)
