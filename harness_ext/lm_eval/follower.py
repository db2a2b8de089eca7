"""Follow lm-eval's own generation code from outside: what it encoded, what the model generated, what it answered.

The harness's code runs unchanged. The model hands it stand-ins for its model and its cache hook: the first generates
with the lens beside it, the second hears of every answer as soon as there is one.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import torch

from harness_ext.recording import BatchReader
from harness_ext.recording.forced import Tokens
from harness_ext.recording.request import Images
from harness_ext.recording.tracing import generate_traced
from lens_models import CaptureError, TracedGeneration
from lens_models.continuations import ScoredContinuation, score_continuations
from lens_results import SampleRecord

from .run import LensRun
from .tagging import TaggedPrompt, TaggedRequest

if TYPE_CHECKING:
    from lens_models import LogitLens

__all__ = ["AnswerFollower", "AnswerHook", "TracingModel"]


EncodeAlone = Callable[[int, Sequence[Any]], Mapping[str, Any]]
"""(row of a batch, its images) -> its inputs without the rest of the batch."""


@dataclass
class _Batch:
    """A batch on its way through the harness."""

    prompts: Sequence[TaggedPrompt]
    images: Sequence[Sequence[Any]]
    encode_alone: EncodeAlone
    trace: TracedGeneration | CaptureError | None = None
    answers: dict[int, str] = field(default_factory=dict)


class AnswerFollower:
    """Reads each batch when its last answer is known.

    Args:
        lens: the proven lens of the model.
        reader: makes records.
        run: takes them.
        render: a prompt as the model reads it.
        answered: hears of every batch that is answered and recorded.
    """

    def __init__(
        self,
        lens: LogitLens,
        reader: BatchReader,
        run: LensRun,
        render: Callable[[str], str],
        answered: Callable[[], object] = lambda: None,
    ) -> None:
        self.lens = lens
        self._reader = reader
        self._run = run
        self._render = render
        self._answered = answered
        self._batch: _Batch | None = None
        self._texts: dict[int, str] = {}

    @property
    def under_way(self) -> Sequence[TaggedRequest]:
        """The requests of the batch that was encoded last and is not answered yet."""
        return [] if self._batch is None else [prompt.request for prompt in self._batch.prompts]

    def text(self, request: TaggedRequest) -> str | None:
        """The answer to a request, once its batch is answered and recorded."""
        return self._texts.get(id(request))

    def encoded(
        self,
        prompts: Sequence[str],
        images: Sequence[Sequence[Any]],
        encode_alone: EncodeAlone,
    ) -> None:
        """The harness encoded a batch; `encode_alone` encodes one row of it again."""
        tagged = [prompt for prompt in prompts if isinstance(prompt, TaggedPrompt)]
        self._batch = _Batch(tagged, images, encode_alone) if len(tagged) == len(prompts) else None

    def generated(self, trace: TracedGeneration | CaptureError) -> None:
        """The model generated the batch."""
        if self._batch is not None:
            self._batch.trace = trace

    def answered(self, prompt: object, text: str) -> None:
        """The harness decoded an answer and cut it at its stop strings."""
        batch = self._batch
        if batch is None or batch.trace is None:
            return
        for row, own in enumerate(batch.prompts):
            if own is prompt:
                batch.answers[row] = text
        if len(batch.answers) == len(batch.prompts):
            self._record(batch)
            self._batch = None
            self._texts.update((id(own.request), batch.answers[row]) for row, own in enumerate(batch.prompts))
            self._answered()

    def report_missing(self, requests: Iterable[TaggedRequest], answers: Iterable[str]) -> None:
        """Answers that came another way than through a batch are recorded as such, never left out."""
        error = CaptureError("the harness answered this request without a batch that the lens could follow")
        for request, answer in zip(requests, answers, strict=True):
            if not request.padding and self._run.key(request) not in self._run.recorder:
                record = functools.partial(self._missing, request, answer, error)
                self._run.recorder.add_read([(self._run.key(request), "generate", answer)], record)

    def _missing(self, request: TaggedRequest, answer: str, error: CaptureError) -> list[SampleRecord]:
        sample = self._run.sample_request(request, str(request.instance.args[0]), (), "generate")
        return [self._reader.failed(sample, answer, error, self._run.controls)]

    @torch.inference_mode()
    def _record(self, batch: _Batch) -> None:
        def record() -> list[SampleRecord]:
            records = zip(self._read(batch), batch.prompts, strict=True)
            return [found for found, prompt in records if not prompt.request.padding]

        kept = [(row, prompt.request) for row, prompt in enumerate(batch.prompts) if not prompt.request.padding]
        known = [(self._run.key(request), "generate", batch.answers[row]) for row, request in kept]
        self._run.recorder.add_read(known, record)

    def _read(self, batch: _Batch) -> list[SampleRecord]:
        samples = [
            self._run.sample_request(prompt.request, self._render(prompt), images, "generate")
            for prompt, images in zip(batch.prompts, batch.images, strict=True)
        ]
        for sample, images in zip(samples, batch.images, strict=True):
            self._run.recorder.add_images(sample.image_sha256, images)
        answers = [batch.answers[row] for row in range(len(samples))]
        controls = self._run.controls
        if isinstance(batch.trace, CaptureError):
            failed, error = self._reader.failed, batch.trace
            return [failed(sample, text, error, controls) for sample, text in zip(samples, answers, strict=True)]
        assert batch.trace is not None
        texts = self._alignable(batch.trace, answers)
        rescore = functools.partial(self._rescore, batch)
        read = self._reader.read(samples, batch.trace, texts, rescore, rescore, controls)
        return [_with_response(record, text) for record, text in zip(read, answers, strict=True)]

    def _alignable(self, trace: TracedGeneration, answers: Sequence[str]) -> list[str]:
        """The answers as they begin the generated text; the whole text where the harness dropped its beginning."""
        decode = self._reader.tokenizer.decode
        texts = [decode(row, skip_special_tokens=True) for row in trace.new_tokens]
        return [answer if text.startswith(answer) else text for answer, text in zip(answers, texts, strict=True)]

    def _rescore(
        self, batch: _Batch, row: int, before: Tokens, sequences: Sequence[Tokens], images: Images | None = None
    ) -> list[ScoredContinuation]:
        inputs = batch.encode_alone(row, batch.images[row] if images is None else images)
        return score_continuations(self.lens.forcing, inputs, sequences, before=before, lens=self.lens)


def _with_response(record: SampleRecord, answer: str) -> SampleRecord:
    return record if record.response == answer else replace(record, response=answer)


class TracingModel:
    """Stands in for the model in the harness's generation code; everything but `generate` is the model's own."""

    def __init__(self, model: Any, follower: AnswerFollower) -> None:
        self._model = model
        self._follower = follower

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def generate(self, **arguments: Any) -> Any:
        """What the model's `generate` returns."""
        inputs = {name: value for name, value in arguments.items() if isinstance(value, torch.Tensor)}
        rest = {name: value for name, value in arguments.items() if name not in inputs}
        sequences, trace = generate_traced(self._follower.lens, inputs, rest)
        self._follower.generated(trace)
        return sequences


class AnswerHook:
    """Stands in the place of lm-eval's cache hook, which hears of every answer as soon as it is there.

    What lm-eval would store then has a key that it never looks up; answers are kept with their records instead.
    """

    def __init__(self, follower: AnswerFollower) -> None:
        self._follower = follower

    def add_partial(self, attr: str, req: Any, res: Any) -> None:
        """Tell the follower: `req` begins with the prompt, `res` is the answer."""
        self._follower.answered(req[0], res)
