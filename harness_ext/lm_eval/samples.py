"""From lm-eval's requests to samples: key, prompt, images, and what the answer is compared with."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from harness_ext.samples import HarnessRequest, SampleMaker, appearances
from harness_ext.tasks import Tasks, answer_target, ask, config_value
from lens_engine import Media
from lens_engine.sample import Documents, ShownDocument, where_of
from lens_models import InputError

from .chat_history import answers_shown, as_prompt, is_history
from .media import GivenMedia, OtherMedia, given_media, may_be_picture, opened_picture

__all__ = ["LmEvalSamples", "require_readable"]


@dataclass(frozen=True)
class LmEvalSamples(SampleMaker):
    """Makes samples of lm-eval's requests.

    Attributes:
        fitted: a document's images as lm-eval shows them to the model: resized, converted, no more than it takes.
        as_read: the prompt with the model's own image token.
        tokenizer: of the model.
        other: how videos and sounds come to the model; None where it takes images alone.
        tasks: of the evaluation that is under way.
        chosen: task -> numbers of the documents that were chosen with `--samples`.
    """

    fitted: Callable[[Iterable[Any]], list[Any]] = field(repr=False)
    as_read: Callable[[str], str] = field(repr=False)
    tokenizer: Any = field(repr=False)
    other: OtherMedia | None = None
    tasks: Tasks = field(default_factory=Tasks)
    chosen: Mapping[str, Sequence[int]] = field(default_factory=dict)
    per_token: ClassVar[bool] = False

    def doc_id(self, task: str, position: int) -> int:
        """Number of a document in its split; lm-eval counts the chosen ones."""
        chosen = self.chosen.get(task)
        return chosen[position] if chosen else position

    def asked(self, instances: Sequence[Any]) -> list[HarnessRequest]:
        """The requests of `Instance` objects, in order; the n-th appearance of one gets repeat number n - 1.

        Raises:
            InputError: one of them cannot be read, see `require_readable`.
        """
        identities = [(str(each.task_name), int(each.doc_id), int(each.idx)) for each in instances]
        return [
            self._request(instance, (task, self.doc_id(task, position), index, repeat))
            for instance, (task, position, index), repeat in zip(
                instances, identities, appearances(identities), strict=True
            )
        ]

    def _request(self, instance: Any, key: tuple[str, int, int, int]) -> HarnessRequest:
        shown = answers_shown(instance) if is_history(instance) else None
        if is_history(instance) and self.other is not None:
            instance = as_prompt(instance, self.other.processor, where_of(key))
        require_readable(instance, where_of(key), other=self.other is not None)
        context, second, *_ = instance.args
        generation = second if isinstance(second, Mapping) else {}
        until = generation.get("until")
        task = self.tasks.objects.get(key[0])
        return HarnessRequest(
            key,
            context,
            split=config_value(task, "test_split") or config_value(task, "validation_split"),
            generation=generation,
            until=(until,) if isinstance(until, str) else tuple(str(stop) for stop in until or ()),
            continuation=second,
            padding=key[3] >= (instance.repeats or 1),
            source=instance,
            answers_shown=shown,
        )

    def document(self, asked: HarnessRequest) -> Any:
        """See `SampleMaker`; lm-eval has decoded it already."""
        return asked.source.doc

    def question(self, asked: HarnessRequest, document: Any) -> str:
        """The user's text, before few-shot examples and chat template are put around it."""
        question = ask(self.tasks.objects.get(asked.task), "doc_to_text", document)
        return question if isinstance(question, str) else self.as_read(asked.context)

    def shown(self, asked: HarnessRequest, document: Any) -> tuple[str, Media]:
        """See `SampleMaker`."""
        given = given_media(asked.source)
        images = self._pictures(given, asked.where)
        if given.in_place:
            return asked.context, self._whole(given, images, asked.where)
        prompt = self.as_read(asked.context)
        if self.other is None or not (given.other_than_images or "<video>" in prompt):
            return prompt, Media(tuple(self.fitted(images)))
        frames, media = self.other.opened(given, asked.where)
        media = replace(media, images=tuple(self.fitted([*images, *frames])))
        return self.other.as_read(prompt, given, media, asked.where), media

    def _whole(self, given: GivenMedia, images: Sequence[Any], where: str) -> Media:
        """All media of a chat history, whose prompt has a place for each."""
        assert self.other is not None
        frames, media = self.other.opened(given, where)
        fitted = tuple(self.fitted(images))
        if len(fitted) < len(images):
            raise InputError(
                f"{where}: the chat history has {len(images)} images, and max_images={len(fitted)} lets the model see "
                "fewer; raise max_images, or shorten the history (--num_fewshot)"
            )
        if frames:
            raise InputError(
                f"{where}: replace_videos_with_images_amount in --model_args cannot replace the videos of a chat "
                "history; use the flag of that name of MERA's lm-eval, which makes images of them"
            )
        return replace(media, images=fitted)

    def _pictures(self, given: GivenMedia, where: str) -> list[Any]:
        return [opened_picture(image, f"{where}, image {number}") for number, image in enumerate(given.images)]

    def sizes(self, asked: HarnessRequest, media: Media) -> tuple[tuple[int, int], ...] | None:
        """Those of the document's pictures, which lm-eval may have resized; of frames they are those that are shown."""
        images = self._pictures(given_media(asked.source), asked.where)
        return tuple(image.size for image in images[: len(media.images)]) if images or not media.images else None

    def continuation_tokens(self, asked: HarnessRequest, text: str) -> Sequence[int]:
        """The tokens that a continuation adds to its context; on its own where the two share no beginning."""
        if not asked.context:
            raise InputError(
                f"{asked.where}: a request with images and an empty prompt cannot be scored; metrics that need one "
                "(acc_mutual_info) are not available for tasks with images"
            )
        encode = functools.partial(self.tokenizer.encode, add_special_tokens=False)
        before, whole = encode(asked.context), encode(asked.context + text)
        tokens: Sequence[int] = whole[len(before) :] if whole[: len(before)] == before else encode(text)
        return tokens

    def documents(self, asked: HarnessRequest) -> Documents:
        """See `SampleMaker`."""
        task = self.tasks.objects[asked.task]
        documents = task.eval_docs

        def show(doc_id: int) -> ShownDocument:
            document = documents[doc_id]
            images = self.fitted(task.doc_to_image(document) or ())
            return ShownDocument(tuple(images), answer_target(task, asked.task, document, "").cluster)

        return Documents(len(documents), show)


def require_readable(instance: Any, where: str, *, other: bool = True) -> None:
    """Refuse a request whose prompt is no text or whose images are none; `where` names its document.

    Args:
        instance: the request.
        where: names its document.
        other: whether the model takes videos and sounds.

    Raises:
        InputError: names the document, what was found and what to use.
    """
    if not isinstance(instance.args[0], str):
        raise InputError(
            f"{where}: the request is a chat history ({type(instance.args[0]).__name__}), which the lens does not "
            "read under vLLM. Use hf-multimodal-lens, or run without --pass_multimodal_args_to_chat_history "
            "(--apply_chat_template puts the same images into the prompt); lens=False leaves it to the harness."
        )
    given = given_media(instance)
    if not other:
        _require_images_alone(given, where)
    for number, image in enumerate(given.images):
        if not may_be_picture(image):
            raise InputError(
                f"{where}, image {number}: expected an image (a PIL image, the content of a file, a path or an "
                f"address), found {type(image).__name__}"
            )


def _require_images_alone(given: GivenMedia, where: str) -> None:
    found = " and ".join(name for name, media in (("videos", given.videos), ("sounds", given.sounds)) if media)
    if found:
        raise InputError(
            f"{where}: the request has {found}; this model class takes images alone in lm-eval. Use "
            "hf-multimodal-lens, or lens=False, which leaves such requests to the harness."
        )
