"""The media of lm-eval's requests, and how they come into a prompt and to the model's processor."""

from __future__ import annotations

import base64
import copy
import functools
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

from PIL import Image

from lens_engine import Media, Sample
from lens_engine.media_kinds import kind_of
from lens_engine.model_arguments import ModelArguments
from lens_models import InputError
from lens_models.audio import audio_arguments, is_sound, open_sound
from lens_models.encoding import UNREADABLE, render_chat
from lens_models.video import VideoSampling, open_video, video_arguments

__all__ = [
    "GivenMedia",
    "InPlace",
    "OtherMedia",
    "given_media",
    "may_be_picture",
    "opened_picture",
    "processing",
    "request_of",
    "rewritten",
    "take_video_arguments",
]

_PLACEHOLDERS = {"video": "<video>", "audio": "<audio>"}
_IMAGE = "<image>"
_IN_WORDS = {"video": "videos", "audio": "sounds"}
_VIDEO_ARGUMENTS = ("max_num_frames", "max_frames", "fps", "nframes")
_AS_IMAGES = "replace_videos_with_images_amount"
# lm-eval's own class for Qwen2-Audio writes a sound so, and hands on an answer with the stop sequence that ended it
_STOCK_SOUND = {"qwen2_audio": "<|audio_bos|><|AUDIO|><|audio_eos|>"}


class InPlace(dict[str, list[Any]]):
    """The media of a request whose prompt has what stands for each in its place already: a rendered chat history."""


@dataclass(frozen=True)
class GivenMedia:
    """What a request has beside its text, each kind in order; sounds that a task gives as images are sounds.

    Attributes:
        images, videos, sounds: as the task gives them.
        in_place: the prompt has what stands for each in its place already.
    """

    images: tuple[Any, ...]
    videos: tuple[Any, ...]
    sounds: tuple[Any, ...]
    in_place: bool = False

    @property
    def any(self) -> bool:
        """Whether there is anything beside the text."""
        return bool(self.images or self.videos or self.sounds)

    @property
    def other_than_images(self) -> bool:
        """Whether there are videos or sounds."""
        return bool(self.videos or self.sounds)

    @property
    def as_stock(self) -> bool:
        """Whether `hf-multimodal` takes it: pictures alone, as objects."""
        return not self.other_than_images and all(isinstance(image, Image.Image) for image in self.images)


def given_media(instance: Any) -> GivenMedia:
    """The media of a request: `visual`, `video` and `audio` of its third argument."""
    found = instance.args[2] if len(instance.args) > 2 and isinstance(instance.args[2], Mapping) else {}
    visuals = [(each, is_sound(each) or kind_of(each) == "audio") for each in _listed(found.get("visual"))]
    sounds = [each for each, heard in visuals if heard]
    images = tuple(each for each, heard in visuals if not heard)
    videos, in_place = tuple(_listed(found.get("video"))), isinstance(found, InPlace)
    return GivenMedia(images, videos, (*sounds, *_listed(found.get("audio"))), in_place)


def _listed(media: Any) -> list[Any]:
    if media is None:
        return []
    return list(media) if isinstance(media, list | tuple) else [media]


def take_video_arguments(arguments: dict[str, Any]) -> tuple[VideoSampling, int | None]:
    """Take out of the model arguments which frames of a video are shown, and as how many images, None as a video.

    Raises:
        LensArgumentError: a wrong value.
    """
    own = {name: arguments.pop(name) for name in _VIDEO_ARGUMENTS if name in arguments}
    as_images = arguments.pop(_AS_IMAGES, None)
    if as_images is not None:
        own = {**own, "max_num_frames": as_images}
    sampling = ModelArguments.parse(own)[0].video_sampling
    return sampling, None if as_images is None else sampling.max_frames


@dataclass(frozen=True)
class OtherMedia:
    """How videos and sounds come into prompts of one model.

    Attributes:
        processor: the model's own.
        model_type: of its configuration.
        sampling: which frames of a video are shown.
        as_images: videos are shown as so many images in place of a video; None: as videos.
        in_chat: whether the prompt was made by a chat template.
        image_token: what stands for an image where it was not.
    """

    processor: Any = field(repr=False)
    model_type: str
    sampling: VideoSampling
    as_images: int | None
    in_chat: Callable[[], bool] = field(repr=False)
    image_token: Callable[[], str] = field(repr=False)

    @property
    def keeps_stop_sequences(self) -> bool:
        """Whether lm-eval's own class for the model leaves the stop sequence at the end of an answer."""
        return self.model_type in _STOCK_SOUND

    def opened(self, given: GivenMedia, where: str) -> tuple[list[Image.Image], Media]:
        """Images that videos are shown as, and videos and sounds.

        Raises:
            InputError: one cannot be read, or the model takes none.
        """
        videos = tuple(
            open_video(video, where=f"{where}, video {i}", sampling=self.sampling)
            for i, video in enumerate(given.videos)
        )
        sounds = tuple(open_sound(sound, where=f"{where}, sound {i}") for i, sound in enumerate(given.sounds))
        if self.as_images is None:
            return [], Media((), videos, sounds)
        return [Image.fromarray(frame) for video in videos for frame in video.frames], Media((), (), sounds)

    def as_read(self, prompt: str, given: GivenMedia, media: Media, where: str) -> str:
        """The prompt with what stands for each video and sound in the place of its placeholder.

        Further placeholders stay as text, as lm-eval leaves those of images.

        Raises:
            InputError: there are fewer placeholders than media, or the processor names nothing that stands for one.
        """
        if _PLACEHOLDERS["video"] in prompt and not media.videos and media.images:
            prompt = self._with_frames(prompt, len(media.images), max(1, len(given.videos)))
        for kind, n in (("video", len(media.videos)), ("audio", len(media.audios))):
            placeholder = _PLACEHOLDERS[kind]
            if prompt.count(placeholder) < n:
                raise InputError(
                    f"{where}: the request has {n} {_IN_WORDS[kind]}, and its prompt {prompt.count(placeholder)} "
                    f"{placeholder}; put one {placeholder} into the prompt (doc_to_text) where each belongs"
                )
            if n:
                prompt = _replaced(prompt, placeholder, self._mark(kind), n)
        return prompt

    def _with_frames(self, prompt: str, n_images: int, n_videos: int) -> str:
        """Images in the places of the videos whose frames they are, as many in each."""
        mark = self._mark("image") if self.in_chat() else self.image_token()
        token = getattr(self.processor, "image_token", None) or mark
        without_place = n_images - prompt.count(token)
        if without_place <= 0:  # the prompt only names a video
            return prompt
        return _replaced(prompt, _PLACEHOLDERS["video"], mark * (without_place // n_videos), n_videos)

    def _mark(self, kind: str) -> str:
        if kind == "audio" and self.model_type in _STOCK_SOUND:
            return _STOCK_SOUND[self.model_type]
        token = getattr(self.processor, f"{kind}_token", None)
        written = self._written(kind) if self.in_chat() else None
        mark = written if written and (not token or token in written) else token
        if not mark:
            raise InputError(
                f"{type(self.processor).__name__} names nothing that stands for a medium of the kind {kind} in a "
                "prompt; choose a checkpoint that takes it, or leave this task out"
            )
        return str(mark)

    def _written(self, kind: str) -> str | None:
        """What the chat template writes for one medium: what it adds in front of a text."""
        return _written(self.processor, kind)


def _replaced(prompt: str, placeholder: str, mark: str, n: int) -> str:
    """The first n placeholders replaced; others stay, except where the mark holds that word, which the model counts."""
    parts, other = prompt.split(placeholder), "" if placeholder in mark else placeholder
    joints = [mark if place < n else other for place in range(len(parts) - 1)]
    return "".join(itertools.chain.from_iterable(zip(parts, [*joints, ""], strict=True)))


@functools.lru_cache(maxsize=64)
def _written(processor: Any, kind: str) -> str | None:
    text = {"type": "text", "text": "X"}
    try:
        plain, shown = (
            render_chat(processor, [{"role": "user", "content": content}])
            for content in ([text], [{"type": kind, kind: "medium"}, text])
        )
    except Exception:  # what a template says to a medium that it does not know
        return None
    start = _shared(plain, shown)
    end = _shared(plain[start:][::-1], shown[start:][::-1])
    return shown[start : len(shown) - end] or None


def _shared(one: str, other: str) -> int:
    """How many characters two texts have in common from the beginning on."""
    same = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))
    return sum(1 for _ in same)


def processing(processor: Any, media: Sequence[Media]) -> Callable[..., Any]:
    """Stands for a processor in lm-eval's code, which knows of images alone: videos and sounds of the rows are added.

    Of prompts without images some processors take no images at all, and stop over the empty lists of lm-eval.
    """
    told = video_arguments(processor, [video for each in media for video in each.videos])
    told |= audio_arguments(processor, [sound for each in media for sound in each.audios])

    def process(images: Any, **given: Any) -> Any:
        if "audio" in told:  # sounds are padded as the family's processor does by itself
            alone = {name: given.pop(name) for name in ("padding", "truncation") if name in given}
            given["text_kwargs"] = alone
        shown = [each for each in images if not isinstance(each, list) or each]
        return processor(**given, **told, **({"images": images} if shown else {}))

    return process


def may_be_picture(image: object) -> bool:
    """Whether this has the form of a picture: MERA's loaders give one as an object, its content, an address or a file.

    Those are the values of `LOAD_OBJECT`, `LOAD_BYTES`, `LOAD_BASE64` and `LOAD_FILES`.
    """
    return isinstance(_content(image), Image.Image | bytes | str)


def opened_picture(image: object, where: str) -> Image.Image:
    """A picture in any of these forms, as `LOAD_OBJECT` gives it: in RGB, and not turned by its EXIF entry.

    Raises:
        InputError: it cannot be read.
    """
    content = _content(image)
    if isinstance(content, Image.Image):
        return content
    try:
        if isinstance(content, str) and content.startswith("data:"):
            content = base64.b64decode(content.partition(",")[2])
        with Image.open(BytesIO(content) if isinstance(content, bytes) else str(content)) as opened:
            return opened.convert("RGB")
    except UNREADABLE as error:
        raise InputError(f"{where}: the image cannot be read ({error}); check or remove this sample") from error


def _content(image: object) -> object:
    if not isinstance(image, Mapping):
        return image
    found = next((image[name] for name in ("bytes", "url", "image", "path") if image.get(name) is not None), None)
    return found.removeprefix("file://") if isinstance(found, str) else found


def rewritten(sample: Sample) -> bool:
    """Whether lm-eval's own code cannot take a sample's request as it is: it has more than pictures as objects."""
    return not given_media(sample.source).as_stock or _PLACEHOLDERS["video"] in sample.source.args[0]


def request_of(sample: Sample) -> Any:
    """The request of a sample as lm-eval's own code takes it: where it must, with pictures alone, as objects."""
    if not rewritten(sample):
        return sample.source
    found = copy.copy(sample.source)
    found.arguments = (*sample.source.args[:2], {"visual": list(sample.media.images)})
    return found
