"""From lmms-eval's requests to samples: document, conversation, prompt, media, and what the answer is compared with."""

from __future__ import annotations

import copy
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from lmms_eval.api.model import lmms
from lmms_eval.protocol import ChatMessages

from harness_ext.tasks import Tasks
from lens_engine import Media, Request, Sample
from lens_engine.model_arguments import ModelArguments
from lens_engine.sample import Choices, Documents, ShownDocument
from lens_models import InputError
from lens_models.encoding import UNREADABLE, open_image, render_chat
from lens_models.video import open_video

from .requests import HarnessRequest

__all__ = ["SampleMaker"]


@dataclass(frozen=True)
class SampleMaker:
    """Makes samples.

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

    def request(self, asked: HarnessRequest) -> Request:
        """A request whose sample is made when its turn comes."""
        return Request(asked.key, asked.generation, functools.partial(self.sample, asked), asked.padding)

    def sample(
        self, asked: HarnessRequest, document: Any = None, messages: Any = None, *, kind: str = "generate"
    ) -> Sample:
        """The sample of a request.

        Args:
            asked: the request.
            document: its document, where it is decoded already.
            messages: stand in place of its own in later rounds of a conversation.
            kind: of the sample.

        Raises:
            InputError: the document, an image or a video cannot be read, or the checkpoint has no chat template.
        """
        document = self.document(asked) if document is None else document
        # a task may take fields out of what it is given, and the same document is asked for its target later
        messages = asked.messages(copy.copy(document)) if messages is None else messages
        prompt, media = self._rendered(asked.where, messages)
        return Sample(
            key=asked.key,
            prompt=prompt,
            media=media,
            question=asked.context,
            split=asked.split,
            kind=kind,
            generation=asked.generation,
            padding=asked.padding,
            documents=functools.partial(self._documents, asked),
            known=functools.partial(self.tasks.reference, asked.task, document, asked.context),
        )

    def choices(self, asked: Sequence[HarnessRequest], tokenizer: Any) -> Choices:
        """The choices of one document, one request each."""
        document = self.document(asked[0])
        sequences = []
        for request in asked:
            text = request.continuation(document) if callable(request.continuation) else request.continuation
            ids = tokenizer.encode(str(text), add_special_tokens=False)
            if not ids:
                raise InputError(f"{request.where}: the continuation {text!r} has no tokens")
            sequences.append(tuple(int(token) for token in ids))
        lengths = [len(sequence) for sequence in sequences]
        # the harness is handed mean losses
        rule = functools.partial(self.tasks.choice_rule, asked[0].task, document, lengths, per_token=True)
        return Choices([self.sample(each, document, kind="loglikelihood") for each in asked], sequences, rule)

    def document(self, asked: HarnessRequest) -> Any:
        """The document of a request. Raises `InputError` when the data set cannot decode it."""
        try:
            return self.data[asked.task][asked.split][asked.doc_id]
        except UNREADABLE as error:  # the data set decodes a document's images here
            raise InputError(f"{asked.where}: the document cannot be read ({error}); check or remove it") from error

    def _documents(self, asked: HarnessRequest) -> Documents:
        return Documents(len(self.data[asked.task][asked.split]), functools.partial(self._shown, asked))

    def _shown(self, asked: HarnessRequest, doc_id: int) -> ShownDocument:
        """Another document of the request's split, as the model would be shown it."""
        other = replace(asked, key=(asked.task, doc_id, *asked.key[2:]))
        sample = self.sample(other)
        return ShownDocument(sample.media.images, sample.target.cluster)

    def _rendered(self, where: str, messages: Any) -> tuple[str, Media]:
        """Prompt by the checkpoint's chat template, and media; videos become evenly spaced frames."""
        chat = ChatMessages(messages=list(self._with_system(messages)))
        prompt = render_chat(self.processor, chat.to_hf_messages())
        images, videos, audios = chat.extract_media()
        opened = (open_image(image, where=f"{where}, image {i}") for i, image in enumerate(images))
        limits: dict[str, Any] = {"max_frames": self.arguments.max_num_frames, "fps": self.arguments.fps}
        frames = (open_video(video, where=f"{where}, video {i}", **limits) for i, video in enumerate(videos))
        return prompt, Media(tuple(opened), tuple(frames), tuple(audios))

    def _with_system(self, messages: Any) -> Any:
        raw = self.arguments.reasoning_prompt or self.arguments.system_prompt
        if not raw:
            return messages
        prompt = lmms._resolve_system_prompt(raw.replace("\\n", "\n"))
        return lmms._apply_system_prompt(None, list(messages), prompt)
