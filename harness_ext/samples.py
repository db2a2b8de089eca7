"""From the requests of either harness to samples; an adapter says how a document is shown to its model."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from harness_ext.tasks import Tasks
from lens_engine import Media, Request, Sample
from lens_engine.sample import Choices, Documents, where_of
from lens_models import InputError
from lens_results.record import Key

__all__ = ["HarnessRequest", "SampleMaker", "appearances"]


@dataclass(frozen=True)
class HarnessRequest:
    """One request of a harness.

    Attributes:
        key: (task, doc_id, idx, repeat).
        context: the prompt text that the harness built.
        split: split of the data set.
        generation: generation arguments of the task.
        until: strings at which the harness cuts the answer.
        continuation: text to score, or a function document -> text; None where an answer is generated.
        padding: the request only evens out the number of forward passes between processes.
        messages: document -> conversation in lmms-eval's message format; lm-eval has none.
        source: the request as lm-eval has it, for its own code.
        answers_shown: how many earlier answers its messages hold; None where it is no chat history.
    """

    key: Key
    context: str
    split: str | None = None
    generation: Mapping[str, Any] = field(default_factory=dict)
    until: tuple[str, ...] = ()
    continuation: Any = None
    padding: bool = False
    messages: Callable[..., Any] | None = field(default=None, repr=False)
    source: Any = field(default=None, repr=False)
    answers_shown: int | None = None

    @property
    def task(self) -> str:
        """Task name."""
        return self.key[0]

    @property
    def doc_id(self) -> int:
        """Number of the document in its split."""
        return self.key[1]

    @property
    def where(self) -> str:
        """Its document, for an error."""
        return where_of(self.key)

    @property
    def choice_set(self) -> Hashable:
        """What the continuations of one document share, of each repeat; padding is no part of them."""
        task, doc_id, _, repeat = self.key
        return task, doc_id, repeat, self.padding


def appearances(identities: Iterable[Hashable]) -> Iterator[int]:
    """How often each has come before: the repeat number of a request that stands several times in a list."""
    seen: Counter[Hashable] = Counter()
    for identity in identities:
        yield seen[identity]
        seen[identity] += 1


class SampleMaker(ABC):
    """Makes samples; the abstract methods are what differs between the harnesses.

    Attributes:
        tasks: of the evaluation that is under way.
        per_token: the harness is handed mean log-probabilities of choices, not their sums.
    """

    tasks: Tasks
    per_token: ClassVar[bool]

    @abstractmethod
    def document(self, asked: HarnessRequest) -> Any:
        """The document of a request. Raises `InputError` when the data set cannot decode it."""

    @abstractmethod
    def shown(self, asked: HarnessRequest, document: Any) -> tuple[str, Media]:
        """The prompt as the model reads it, and the media beside it. Raises `InputError` for what cannot be read."""

    @abstractmethod
    def continuation_tokens(self, asked: HarnessRequest, text: str) -> Sequence[int]:
        """Token ids of a continuation, as the harness would score it."""

    @abstractmethod
    def documents(self, asked: HarnessRequest) -> Documents:
        """All documents of the request's split."""

    def question(self, asked: HarnessRequest, document: Any) -> str:
        """The user's text."""
        return asked.context

    def sizes(self, asked: HarnessRequest, media: Media) -> tuple[tuple[int, int], ...] | None:
        """Width and height of the document's own pictures; None where they are those of `media`."""
        return None

    def request(self, asked: HarnessRequest) -> Request:
        """A request of the engine, whose sample is made when its turn comes."""
        sample = functools.partial(self.sample, asked)
        return Request(asked.key, asked.generation, sample, asked.padding, asked.context)

    def sample(self, asked: HarnessRequest, document: Any = None, *, kind: str = "generate") -> Sample:
        """The sample of a request.

        Args:
            asked: the request.
            document: its document, where it is decoded already.
            kind: generate, loglikelihood or multi_round.

        Raises:
            InputError: the document, an image or a video cannot be read, or the checkpoint has no chat template.
        """
        document = self.document(asked) if document is None else document
        prompt, media = self.shown(asked, document)
        question = self.question(asked, document)
        return Sample(
            key=asked.key,
            prompt=prompt,
            media=media,
            question=question,
            split=asked.split,
            kind=kind,
            generation=asked.generation,
            until=asked.until,
            padding=asked.padding,
            documents=functools.partial(self.documents, asked) if asked.task in self.tasks.objects else None,
            make_reference=functools.partial(self.tasks.reference, asked.task, document, question),
            sizes=self.sizes(asked, media),
            answers_shown=asked.answers_shown,
            source=asked.source,
        )

    def choices(self, asked: Sequence[HarnessRequest]) -> Choices:
        """The choices of one document, one request each; those after the same context share its decoded media.

        Raises:
            InputError: as `sample`, or a continuation has no tokens.
        """
        document = self.document(asked[0])
        first = self.sample(asked[0], document, kind="loglikelihood")
        samples = [
            replace(first, key=each.key, source=each.source)
            if each.context == asked[0].context
            else self.sample(each, document, kind="loglikelihood")
            for each in asked
        ]
        sequences = [self._sequence(each, document) for each in asked]
        lengths = [len(sequence) for sequence in sequences]
        rule = functools.partial(self.tasks.choice_rule, asked[0].task, document, lengths, per_token=self.per_token)
        return Choices(samples, sequences, rule)

    def _sequence(self, asked: HarnessRequest, document: Any) -> tuple[int, ...]:
        text = str(asked.continuation(document) if callable(asked.continuation) else asked.continuation)
        tokens = tuple(int(token) for token in self.continuation_tokens(asked, text))
        if not tokens:
            raise InputError(f"{asked.where}: the continuation {text!r} has no tokens")
        return tokens
