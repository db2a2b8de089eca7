"""From lm-eval's requests to samples: key, prompt, images, and what the answer is compared with."""

from __future__ import annotations

import functools
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from PIL import Image

from harness_ext.tasks import Tasks, answer_target, ask, config_value
from lens_engine import Media, Request, Sample
from lens_engine.sample import Choices, Documents, ShownDocument, where_of
from lens_models import InputError
from lens_results.record import Key

__all__ = ["SampleMaker", "keyed", "require_readable", "visuals"]

_LOAD_VARIABLES = ("LOAD_BASE64", "LOAD_BYTES", "LOAD_FILES")


def keyed(instances: Iterable[Any]) -> list[tuple[Key, bool]]:
    """(key, padding) of each request; the n-th appearance of one object is its repeat n - 1, padding beyond them."""
    seen: Counter[tuple[str, int, int]] = Counter()
    keys = []
    for instance in instances:
        identity = (str(instance.task_name), int(instance.doc_id), int(instance.idx))
        repeat = seen[identity]
        seen[identity] += 1
        keys.append(((*identity, repeat), repeat >= (instance.repeats or 1)))
    return keys


@dataclass(frozen=True)
class SampleMaker:
    """Makes samples.

    Attributes:
        fitted: a document's images as lm-eval shows them to the model: resized, converted, no more than it takes.
        as_read: the prompt with the model's own image token.
        tokenizer: of the model.
        tasks: of the evaluation that is under way.
        chosen: task -> numbers of the documents that were chosen with `--samples`.
        documents: task -> its documents, as long as the evaluation lasts.
    """

    fitted: Callable[[Iterable[Any]], list[Any]] = field(repr=False)
    as_read: Callable[[str], str] = field(repr=False)
    tokenizer: Any = field(repr=False)
    tasks: Tasks = field(default_factory=Tasks)
    chosen: Mapping[str, Sequence[int]] = field(default_factory=dict)
    documents: dict[str, Documents] = field(default_factory=dict, repr=False)

    def doc_id(self, task: str, position: int) -> int:
        """Number of a document in its split; lm-eval counts the chosen ones."""
        chosen = self.chosen.get(task)
        return chosen[position] if chosen else position

    def _record_key(self, key: Key) -> Key:
        task, position, index, repeat = key
        return task, self.doc_id(task, position), index, repeat

    def request(self, instance: Any, key: Key, padding: bool) -> Request:
        """A request whose sample is made when its turn comes."""
        key = self._record_key(key)
        sample = functools.partial(self.sample, instance, key, padding)
        return Request(key, instance.args[1], sample, padding, instance.args[0])

    def sample(self, instance: Any, key: Key, padding: bool = False, kind: str = "generate") -> Sample:
        """The sample of a request."""
        name, document = key[0], instance.doc
        task = self.tasks.objects.get(name)
        prompt = self.as_read(instance.args[0])
        question = ask(task, "doc_to_text", document)
        question = question if isinstance(question, str) else prompt
        generation = instance.args[1] if isinstance(instance.args[1], Mapping) else {}
        until = generation.get("until")
        shown = visuals(instance)
        images = tuple(self.fitted(shown))
        return Sample(
            key=key,
            prompt=prompt,
            media=Media(images),
            question=question,
            split=config_value(task, "test_split") or config_value(task, "validation_split"),
            kind=kind,
            generation=generation,
            until=(until,) if isinstance(until, str) else tuple(str(stop) for stop in until or ()),
            padding=padding,
            documents=None if task is None else functools.partial(self._documents_of, name, task),
            known=functools.partial(self.tasks.reference, name, document, question),
            sizes=tuple(image.size for image in shown[: len(images)]),
            source=instance,
        )

    def choices(self, instances: Sequence[Any], key: Key, padding: bool) -> Choices:
        """The choices of one document, one request each; they are about the same images."""
        key = self._record_key(key)
        first = self.sample(instances[0], key, padding, "loglikelihood")
        prompts = [self.as_read(instance.args[0]) for instance in instances]
        samples = [replace(first, prompt=prompt, source=each) for prompt, each in zip(prompts, instances, strict=True)]
        sequences = [self._continuation(instance, first.where) for instance in instances]
        lengths = [len(sequence) for sequence in sequences]
        # the harness is handed sums of log-probabilities
        rule = functools.partial(self.tasks.choice_rule, key[0], instances[0].doc, lengths, per_token=False)
        return Choices(samples, sequences, rule, response=instances[0].args[1].strip())

    def _continuation(self, instance: Any, where: str) -> tuple[int, ...]:
        """The tokens that a continuation adds to its context; on its own where the two share no beginning."""
        context, continuation = instance.args[:2]
        if not context:
            raise InputError(
                f"{where}: a request with images and an empty prompt cannot be scored; metrics that need one "
                "(acc_mutual_info) are not available for tasks with images"
            )
        encode = functools.partial(self.tokenizer.encode, add_special_tokens=False)
        before, whole = encode(context), encode(context + continuation)
        tokens = whole[len(before) :] if whole[: len(before)] == before else encode(continuation)
        if not tokens:
            raise InputError(f"{where}: the continuation {continuation!r} has no tokens")
        return tuple(int(token) for token in tokens)

    def _documents_of(self, name: str, task: Any) -> Documents:
        """The documents of a task; asked for once, because lm-eval processes them again on every request."""
        if name not in self.documents:
            documents = task.eval_docs
            show = functools.partial(self._shown, task, name, documents)
            self.documents[name] = Documents(len(documents), show)
        return self.documents[name]

    def _shown(self, task: Any, name: str, documents: Any, number: int) -> ShownDocument:
        document = documents[number]
        images = self.fitted(task.doc_to_image(document) or ())
        return ShownDocument(tuple(images), answer_target(task, name, document, "").cluster)


def visuals(instance: Any) -> list[Any]:
    """The images of a request."""
    return _media(instance, "visual")


def _media(instance: Any, kind: str) -> list[Any]:
    auxiliary = instance.args[2] if len(instance.args) > 2 else None
    return list((auxiliary.get(kind) if isinstance(auxiliary, Mapping) else None) or [])


def require_readable(instances: Iterable[Any]) -> None:
    """Refuse requests whose prompt is no text or whose media are no images.

    Raises:
        InputError: names the task, the document, what was found and what to use.
    """
    for instance in instances:
        _require_readable(instance, where_of((instance.task_name, instance.doc_id, 0, 0)))


def _require_readable(instance: Any, where: str) -> None:
    if not isinstance(instance.args[0], str):
        raise InputError(
            f"{where}: the request is a chat history ({type(instance.args[0]).__name__}), which the lens does not "
            "read. Run without --pass_multimodal_args_to_chat_history; --apply_chat_template puts the same images "
            "into the prompt. lens=False leaves such requests to the harness."
        )
    for medium in ("audio", "video"):
        if _media(instance, medium):
            raise InputError(
                f"{where}: the request has {medium}; hf-multimodal-lens takes images in lm-eval. Convert videos to "
                "frames, or use lmms-eval for them."
            )
    for number, image in enumerate(visuals(instance)):
        if not isinstance(image, Image.Image):
            switched = [f"{name}={os.environ[name]}" for name in _LOAD_VARIABLES if os.environ.get(name)]
            because = f" ({' '.join(switched)} is set)" if switched else ""
            raise InputError(
                f"{where}, image {number}: expected a PIL image, found {type(image).__name__}{because}. Load media as "
                f"objects: unset {', '.join(_LOAD_VARIABLES)}, or set LOAD_OBJECT=1."
            )
