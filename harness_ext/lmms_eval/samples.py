"""From lmms-eval's requests, of chat tasks and of the older layout (`--force_simple`), to samples."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from lmms_eval.api.model import lmms
from lmms_eval.api.task import ConfigurableMessagesTask
from lmms_eval.protocol import ChatMessages

from harness_ext.samples import HarnessRequest, SampleMaker, appearances
from harness_ext.tasks import Tasks
from lens_engine import Media
from lens_engine.media_kinds import message_parts
from lens_engine.model_arguments import ModelArguments
from lens_engine.sample import Documents, ShownDocument
from lens_models import InputError
from lens_models.audio import open_sound
from lens_models.encoding import UNREADABLE, open_image, render_chat, tokenizer_of
from lens_models.shadowing import shadowed
from lens_models.video import open_video

__all__ = ["LmmsEvalSamples", "normalise"]


@dataclass(frozen=True)
class LmmsEvalSamples(SampleMaker):
    """Makes samples of lmms-eval's requests.

    Attributes:
        processor: applies the chat template.
        arguments: system prompt and frames of a video.
        data: task -> split -> documents, as the harness lays them out.
        tasks: of the evaluation that is under way.
    """

    processor: Any = field(repr=False)
    arguments: ModelArguments
    data: Mapping[str, Any] = field(repr=False)
    tasks: Tasks
    per_token: ClassVar[bool] = True

    def document(self, asked: HarnessRequest) -> Any:
        """See `SampleMaker`."""
        try:
            return self.data[asked.task][asked.split][asked.doc_id]
        except UNREADABLE as error:  # the data set decodes a document's images here
            raise InputError(f"{asked.where}: the document cannot be read ({error}); check or remove it") from error

    def shown(self, asked: HarnessRequest, document: Any) -> tuple[str, Media]:
        """Prompt by the checkpoint's chat template, and media; videos become evenly spaced frames."""
        assert asked.messages is not None
        # a task may take fields out of what it is given, and the same document is asked for its target later
        messages = asked.messages(copy.copy(document))
        chat = ChatMessages(messages=list(self._with_system(messages)))
        prompt = render_chat(self.processor, chat.to_hf_messages())
        images, _, audios = chat.extract_media()
        opened = (open_image(image, where=f"{asked.where}, image {i}") for i, image in enumerate(images))
        frames = (
            open_video(video, where=f"{asked.where}, video {i}", sampling=self.arguments.video_sampling)
            for i, video in enumerate(_videos(chat))
        )
        sounds = (open_sound(sound, where=f"{asked.where}, sound {i}") for i, sound in enumerate(audios))
        return prompt, Media(tuple(opened), tuple(frames), tuple(sounds))

    def continuation_tokens(self, asked: HarnessRequest, text: str) -> Sequence[int]:
        """See `SampleMaker`."""
        tokens: Sequence[int] = tokenizer_of(self.processor).encode(text, add_special_tokens=False)
        return tokens

    def documents(self, asked: HarnessRequest) -> Documents:
        """See `SampleMaker`."""
        return Documents(len(self.data[asked.task][asked.split]), functools.partial(self._other, asked))

    def _other(self, asked: HarnessRequest, doc_id: int) -> ShownDocument:
        """Another document of the request's split, as the model would be shown it."""
        other = self.sample(replace(asked, key=(asked.task, doc_id, *asked.key[2:])))
        return ShownDocument(other.media.images, other.target.cluster)

    def _with_system(self, messages: Any) -> Any:
        raw = self.arguments.reasoning_prompt or self.arguments.system_prompt
        if not raw:
            return messages
        prompt = lmms._resolve_system_prompt(raw.replace("\\n", "\n"))
        return lmms._apply_system_prompt(None, list(messages), prompt)


def _videos(chat: ChatMessages) -> Iterator[object]:
    """The videos of a conversation, each with the clip that its message names."""
    for content in (each for message in chat.messages for each in message.content if each.type == "video"):
        clip = {"video_start": content.start_time, "video_end": content.end_time}
        given = {name: second for name, second in clip.items() if second is not None}
        url = content.url
        yield url if not given else {**(url if isinstance(url, Mapping) else {"video": url}), **given}


def normalise(instances: Sequence[Any]) -> list[HarnessRequest]:
    """The requests of `Instance` objects, in order; the n-th appearance of one gets repeat number n - 1."""
    paddings = [bool((instance.metadata or {}).get("__padding_only__")) for instance in instances]
    identities = [(str(each.args[-2]), int(each.args[-3]), int(each.idx)) for each in instances]
    repeats = appearances(zip(identities, paddings, strict=True))
    return [
        _request(instance, (*identity, 0 if padding else repeat), padding)
        for instance, identity, padding, repeat in zip(instances, identities, paddings, repeats, strict=True)
    ]


def _request(instance: Any, key: tuple[str, int, int, int], padding: bool) -> HarnessRequest:
    context, second, third, *_, split = instance.args
    request = HarnessRequest(key, context, split, padding=padding)
    if instance.request_type == "loglikelihood":
        return replace(request, continuation=second, messages=_of_visuals(context, third))
    if callable(second):  # chat layout: context, doc_to_messages, generation arguments
        return replace(request, messages=_of_task(second), generation=third or {})
    return replace(request, messages=_of_visuals(context, third), generation=second or {})


def _of_task(doc_to_messages: Callable[..., Any]) -> Callable[..., Any]:
    """A task's conversation; where lmms-eval makes it of the task's visuals, they get the kinds that they have.

    lmms-eval takes samples with their rate for a video, and ends the run at an `AudioDecoder` or the content of a file.
    """
    task = getattr(doc_to_messages, "__self__", None)
    if not isinstance(task, ConfigurableMessagesTask):
        return doc_to_messages

    def messages(*args: Any, **kwargs: Any) -> Any:
        with shadowed(task, _build_user_turn=_user_turn):
            return doc_to_messages(*args, **kwargs)

    return messages


def _user_turn(visuals: Any, text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [*message_parts(visuals), {"type": "text", "text": text}]}]


def _of_visuals(context: str, doc_to_visual: Callable[[Any], Sequence[Any] | None] | None) -> Callable[..., Any]:
    """A conversation of one user turn: the visuals, then the text."""

    def messages(doc: Any) -> list[dict[str, Any]]:
        visuals = doc_to_visual(doc) if doc_to_visual is not None else None
        text = context.replace("<image>", "").strip() if message_parts(visuals) else context
        return _user_turn(visuals, text)

    return messages
