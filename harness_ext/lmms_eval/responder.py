"""Answer requests with the model, and let the lens read along."""

from __future__ import annotations

import copy
import functools
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from loguru import logger

from harness_ext.batch_limit import BatchLimit
from harness_ext.encoding_guard import ContextWatch, encode_or_name
from harness_ext.recording import BatchReader, Documents, LensRecorder, SampleRequest, ShownDocument
from harness_ext.recording.choices import score_choices, scored_beside
from harness_ext.recording.forced import Tokens
from harness_ext.recording.request import Images
from harness_ext.recording.tracing import generate_traced
from lens_models import CaptureError, InputError, LogitLens, TracedGeneration
from lens_models.continuations import ScoredContinuation, score_continuations
from lens_models.encoding import UNREADABLE, encodable_together, encode_texts
from lens_models.generation import generated_columns
from lens_results import SampleRecord

from .conversation import Conversation, render
from .generation import generate_arguments
from .requests import HarnessRequest
from .run import LensRun

if TYPE_CHECKING:
    from .model import HFMultimodalLens

__all__ = ["Answer", "Responder"]


@dataclass(frozen=True)
class Answer:
    """A generated text, the prompt it answers and how many tokens it took."""

    text: str
    prompt: str
    n_tokens: int


class Responder:
    """Encodes, generates, decodes; with a lens also reads and records.

    `run` is the harness run that is under way, or None when the model is called outside of `evaluate`; then answers
    are given and nothing is recorded.
    """

    def __init__(self, owner: HFMultimodalLens) -> None:
        self._owner = owner
        self._reader = (
            None if owner.lens is None else BatchReader(owner.lens, owner.tokenizer, owner.options.thresholds)
        )
        self._seconds = 0.0
        self._limit = BatchLimit(logger.warning)
        self._context = ContextWatch(owner.config, logger.warning)
        self.run: LensRun | None = None

    @property
    def recorder(self) -> LensRecorder | None:
        """Where records go, while a run is under way."""
        return None if self.run is None else self.run.recorder

    @property
    def _lens(self) -> LogitLens | None:
        """The lens, while a run is under way."""
        return None if self.run is None else self._owner.lens

    def answer(self, batch: Sequence[HarnessRequest]) -> list[Answer]:
        """Answer requests that share their generation arguments; in smaller batches where these do not fit."""
        return self._limit.answer(batch, self._answer_together, _where)

    def _answer_together(self, batch: Sequence[HarnessRequest]) -> list[Answer]:
        documents = [self._document(request) for request in batch]
        conversations = [
            self._conversation(request, self._messages(request, document))
            for request, document in zip(batch, documents, strict=True)
        ]
        return self._respond(batch, documents, conversations)

    def converse(self, request: HarnessRequest) -> list[Answer]:
        """Answer one request round by round; each round is recorded under its own request number."""
        document = self._document(request)
        answers: list[Answer] = []
        previous: Any = None
        messages = request.messages(copy.copy(document))
        while True:
            conversation = self._conversation(request, self._with_system(messages))
            numbered = _numbered(request, len(answers))
            respond = functools.partial(self._respond, [numbered], [document], [conversation], kind="multi_round")
            answers += self._limit.alone(_where(request), respond)
            payload = request.messages(
                document,
                round_idx=len(answers),
                previous_output=[answer.text for answer in answers],
                previous_round_info=previous,
            )
            if not (isinstance(payload, tuple) and len(payload) == 4):
                return answers
            messages, terminal, _, previous = payload
            if terminal:
                return answers

    def score(self, requests: Sequence[HarnessRequest]) -> list[tuple[float, bool]]:
        """Loss of the continuations of one document, and whether each is what greedy decoding gives."""
        return self._limit.alone(_where(requests[0]), functools.partial(self._score_choices, requests))

    def _score_choices(self, requests: Sequence[HarnessRequest]) -> list[tuple[float, bool]]:
        document = self._document(requests[0])
        conversations = [self._conversation(request, self._messages(request, document)) for request in requests]
        sequences = [self._continuation(request, document) for request in requests]

        def score(images: Images | None = None, lens: LogitLens | None = self._lens) -> list[ScoredContinuation]:
            return score_choices(
                [conversation.prompt for conversation in conversations],
                sequences,
                lambda place, wanted: self._score(conversations[place].under(images), wanted, lens),
            )

        ordered, problem = scored_beside(self._lens, functools.partial(score, None))
        run, reader, first = self.run, self._reader, requests[0]
        if run is not None and reader is not None and not first.padding:

            def record() -> list[SampleRecord]:
                sample = self._sample(run, first, document, conversations[0], "loglikelihood")
                run.recorder.add_images(sample.image_sha256, conversations[0].images)
                if problem is not None:
                    return [reader.failed(sample, "", problem, run.controls)]
                rule = run.choice_rule(first, document, [len(sequence) for sequence in sequences])
                return [reader.read_choices(sample, sequences, ordered, rule, score, run.controls)]

            run.recorder.add_read([(first.key, "loglikelihood", "")], record)
        return [(each.loss, each.greedy) for each in ordered]

    def _continuation(self, request: HarnessRequest, document: Any) -> Tokens:
        text = request.continuation
        text = text(document) if callable(text) else text
        ids = self._owner.tokenizer.encode(str(text), add_special_tokens=False)
        if not ids:
            raise InputError(f"{_where(request)}: the continuation {text!r} has no tokens")
        return tuple(int(token) for token in ids)

    def _score(
        self, conversation: Conversation, sequences: Sequence[Tokens], lens: LogitLens | None, before: Tokens = ()
    ) -> list[ScoredContinuation]:
        inputs = self._encode([conversation])
        return score_continuations(self._owner.forcing, inputs, sequences, before=before, lens=lens)

    def flush(self) -> None:
        """Write waiting records."""
        if self.recorder is not None:
            self.recorder.flush()

    def release(self) -> None:
        """Let go of the model."""
        self._reader = None

    def take_seconds(self) -> float:
        """Seconds spent in `generate` since the last call."""
        seconds, self._seconds = self._seconds, 0.0
        return seconds

    def _document(self, request: HarnessRequest) -> Any:
        try:
            return self._owner.task_dict[request.task][request.split][request.doc_id]
        except UNREADABLE as error:  # the data set decodes a document's images here
            raise InputError(f"{_where(request)}: the document cannot be read ({error}); check or remove it") from error

    def sample_request(self, request: HarnessRequest) -> SampleRequest:
        """What the lens knows of a request before it is answered, as `answer` would find it."""
        assert self.run is not None
        document = self._document(request)
        conversation = self._conversation(request, self._messages(request, document))
        return self._sample(self.run, request, document, conversation, "generate")

    def _sample(
        self, run: LensRun, request: HarnessRequest, document: Any, conversation: Conversation, kind: str
    ) -> SampleRequest:
        documents = Documents(
            len(self._owner.task_dict[request.task][request.split]), functools.partial(self._shown, run, request)
        )
        return run.sample_request(request, document, conversation, kind, documents)

    def _shown(self, run: LensRun, request: HarnessRequest, doc_id: int) -> ShownDocument:
        """Another document of the request's split, as this model would be shown it."""
        other = replace(request, key=(request.task, doc_id, *request.key[2:]))
        document = self._document(other)
        conversation = self._conversation(other, self._messages(other, document))
        return ShownDocument(conversation.images, run.target(other, document).cluster)

    def _messages(self, request: HarnessRequest, document: Any) -> Any:
        # a task may take fields out of what it is given, and the same document is asked for its target later
        return self._with_system(request.messages(copy.copy(document)))

    def _with_system(self, messages: Any) -> Any:
        raw = self._owner.arguments.reasoning_prompt or self._owner.arguments.system_prompt
        if not raw:
            return messages
        prompt = self._owner._resolve_system_prompt(raw.replace("\\n", "\n"))
        return self._owner._apply_system_prompt(list(messages), prompt)

    def _conversation(self, request: HarnessRequest, messages: Any) -> Conversation:
        return render(
            self._owner.processor,
            messages,
            where=_where(request),
            max_frames=self._owner.arguments.max_num_frames,
            fps=self._owner.arguments.fps,
        )

    def _respond(
        self,
        batch: Sequence[HarnessRequest],
        documents: Sequence[Any],
        conversations: Sequence[Conversation],
        kind: str = "generate",
    ) -> list[Answer]:
        answers: dict[int, Answer] = {}
        for rows in encodable_together(self._owner.processor, [len(each.images) for each in conversations]):
            own = [conversations[row] for row in rows]
            part = self._respond_together([batch[row] for row in rows], [documents[row] for row in rows], own, kind)
            answers.update(zip(rows, part, strict=True))
        return [answers[row] for row in range(len(batch))]

    def _respond_together(
        self,
        batch: Sequence[HarnessRequest],
        documents: Sequence[Any],
        conversations: Sequence[Conversation],
        kind: str,
    ) -> list[Answer]:
        owner = self._owner
        inputs = self._encode(conversations)
        arguments = generate_arguments(
            batch[0].generation, owner.model, owner.tokenizer, use_cache=owner.arguments.use_cache
        )
        start = time.perf_counter()
        sequences, trace = self._generate(inputs, arguments)
        self._seconds += time.perf_counter() - start
        new = generated_columns(sequences, inputs)
        texts = owner.processor.batch_decode(new, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        if trace is not None:
            self._record(batch, documents, conversations, trace, texts, kind)
        return [
            Answer(text, conversation.prompt, int(row.shape[0]))
            for text, conversation, row in zip(texts, conversations, new, strict=True)
        ]

    def _encode(self, conversations: Sequence[Conversation]) -> Any:
        where = [each.where for each in conversations]
        inputs = encode_or_name(
            lambda rows: self._encode_together([conversations[row] for row in rows]), where, self._owner.processor
        )
        self._context.see(inputs, where)
        return inputs

    def _encode_together(self, conversations: Sequence[Conversation]) -> Any:
        videos = [video for each in conversations for video in each.videos]
        inputs = encode_texts(
            self._owner.processor,
            [each.prompt for each in conversations],
            images=[each.images for each in conversations],
            videos=videos,
            audios=[audio for each in conversations for audio in each.audios],
            **({"do_sample_frames": False} if videos else {}),  # they are sampled already
        )
        return inputs.to(self._owner.device, self._owner.model.dtype)

    def _generate(self, inputs: Any, arguments: dict[str, Any]) -> tuple[Any, TracedGeneration | CaptureError | None]:
        """Sequences, and with a lens the trace or why there is none."""
        if self._owner.lens is None or self.recorder is None:
            return self._owner.model.generate(**inputs, **arguments), None
        return generate_traced(self._owner.lens, inputs, arguments)

    def _record(
        self,
        batch: Sequence[HarnessRequest],
        documents: Sequence[Any],
        conversations: Sequence[Conversation],
        trace: TracedGeneration | CaptureError,
        texts: Sequence[str],
        kind: str,
    ) -> None:
        assert self.run is not None and self._reader is not None
        run, reader = self.run, self._reader

        def rescore(
            sample: int, before: Tokens, sequences: Sequence[Tokens], images: Images | None = None
        ) -> list[ScoredContinuation]:
            return self._score(conversations[sample].under(images), sequences, self._lens, before)

        def record() -> list[SampleRecord]:
            samples = [
                self._sample(run, request, document, conversation, kind)
                for request, document, conversation in zip(batch, documents, conversations, strict=True)
            ]
            for sample, conversation in zip(samples, conversations, strict=True):
                run.recorder.add_images(sample.image_sha256, conversation.images)
            if isinstance(trace, CaptureError):
                found = [reader.failed(*each, trace, run.controls) for each in zip(samples, texts, strict=True)]
            else:
                found = reader.read(samples, trace, texts, rescore, rescore, run.controls)
            return [each for request, each in zip(batch, found, strict=True) if not request.padding]

        kept = zip(batch, texts, strict=True)
        run.recorder.add_read([(request.key, kind, text) for request, text in kept if not request.padding], record)


def _where(request: HarnessRequest) -> str:
    return f"task {request.task}, document {request.doc_id}"


def _numbered(request: HarnessRequest, round_number: int) -> HarnessRequest:
    task, doc_id, _, repeat = request.key
    return replace(request, key=(task, doc_id, round_number, repeat))
