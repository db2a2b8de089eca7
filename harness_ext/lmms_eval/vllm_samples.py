"""From lmms-eval's requests to samples that its stock vLLM wrapper has put into messages."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from lmms_eval.protocol import ChatMessages

from harness_ext.samples import HarnessRequest
from lens_engine import Media, Sample
from lens_models.audio import open_sound
from lens_models.encoding import open_image, render_chat

from .samples import LmmsEvalSamples

__all__ = ["Conversation", "VllmSamples"]


@dataclass(frozen=True)
class Conversation:
    """A request as the stock wrapper sends it.

    Attributes:
        messages: in the form of OpenAI's API, media in them.
        params: arguments of `vllm.SamplingParams`.
    """

    messages: list[dict[str, Any]] = field(repr=False)
    params: Mapping[str, Any]


@dataclass(frozen=True)
class VllmSamples(LmmsEvalSamples):
    """Makes samples of lmms-eval's requests; `Sample.source` is the conversation.

    Attributes:
        converse: a request and the task's messages -> the conversation, by the stock wrapper's code.
        render: a conversation -> what vLLM makes of it: `prompt`, and its pictures in `multi_modal_data`.
    """

    converse: Callable[[HarnessRequest, Any], Conversation] = field(kw_only=True, repr=False)
    render: Callable[[Conversation], Mapping[str, Any]] = field(kw_only=True, repr=False)

    def sample(self, asked: HarnessRequest, document: Any = None, *, kind: str = "generate") -> Sample:
        """See `SampleMaker`."""
        assert asked.messages is not None
        document = self.document(asked) if document is None else document
        # a task may take fields out of what it is given, and the same document is asked for its target later
        messages = asked.messages(copy.copy(document))
        known = replace(asked, messages=lambda document: messages, source=self.converse(asked, messages))
        return super().sample(known, document, kind=kind)

    def shown(self, asked: HarnessRequest, document: Any) -> tuple[str, Media]:
        """Prompt by the checkpoint's chat template, and media.

        The stock wrapper shows a video as its frames, one picture each: then the prompt and the pictures are those that
        vLLM makes of the conversation.
        """
        assert asked.messages is not None
        chat = ChatMessages(messages=asked.messages(document))
        images, videos, audios = chat.extract_media()
        sounds = tuple(open_sound(sound, where=f"{asked.where}, sound {i}") for i, sound in enumerate(audios))
        if videos:
            rendered = self.render(asked.source)
            return str(rendered["prompt"]), Media(_pictures(rendered), (), sounds)
        opened = (open_image(image, where=f"{asked.where}, image {i}") for i, image in enumerate(images))
        return render_chat(self.processor, chat.to_hf_messages()), Media(tuple(opened), (), sounds)


def _pictures(rendered: Mapping[str, Any]) -> tuple[Any, ...]:
    """The pictures of a prompt; vLLM may keep the bytes that each came from beside it."""
    found = (rendered.get("multi_modal_data") or {}).get("image") or ()
    return tuple(getattr(each, "media", each) for each in found)
