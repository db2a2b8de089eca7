"""Multiple-choice requests with images: the log-probability of each continuation, and each layer's."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from tqdm import tqdm

from harness_ext.recording.choices import score_choices, scored_beside
from harness_ext.recording.forced import Tokens
from harness_ext.recording.position import Unlocated
from harness_ext.recording.request import Images
from lens_models import InputError, LogitLens
from lens_models.continuations import ScoredContinuation, score_continuations
from lens_results import SampleRecord

from .guards import visuals
from .tagging import TaggedRequest, tag, where

if TYPE_CHECKING:
    from .model import HFMultimodalLens

__all__ = ["ChoiceScorer", "continuation_tokens"]


class ChoiceScorer:
    """Scores the continuations of one document after the other; with a lens also reads and records them."""

    def __init__(self, owner: HFMultimodalLens) -> None:
        self._owner = owner

    @torch.inference_mode()
    def score(self, instances: Sequence[Any], *, disable_tqdm: bool = False) -> list[tuple[float, bool]]:
        """(sum of log-probabilities in nats, whether every token is the model's first choice) of each request."""
        requests = tag(instances)
        groups: dict[tuple[str, int, int], list[int]] = {}
        for place, request in enumerate(requests):
            task, doc_id, _, repeat = request.key
            groups.setdefault((task, doc_id, repeat), []).append(place)
        results: dict[int, tuple[float, bool]] = {}
        hidden = disable_tqdm or self._owner.rank != 0
        for members in tqdm(groups.values(), disable=hidden, desc="Running loglikelihood requests with images"):
            document = functools.partial(self._document, [requests[place] for place in members])
            scored = self._owner.limit.alone(where(requests[members[0]]), document)
            results.update(zip(members, [(each.logprob, each.greedy) for each in scored], strict=True))
        if self._owner.run is not None:
            self._owner.run.recorder.flush()
        return [results[place] for place in range(len(requests))]

    def _document(self, requests: Sequence[TaggedRequest]) -> list[ScoredContinuation]:
        sequences = [self._continuation(request) for request in requests]
        prompts = [request.instance.args[0] for request in requests]
        images = self._owner.fitted(visuals(requests[0].instance))
        lens = self._owner.lens if self._owner.run is not None else None

        def score(shown: Images, lens: LogitLens | None = lens) -> list[ScoredContinuation]:
            def one(place: int, wanted: list[Tokens]) -> list[ScoredContinuation]:
                inputs = self._owner.tok_batch_multimodal_encode([prompts[place]], [list(shown)])
                return score_continuations(self._owner.forcing, inputs, wanted, lens=lens)

            return score_choices(prompts, sequences, one)

        ordered, problem = scored_beside(lens, lambda beside: score(images, beside))
        self._record(requests[0], sequences, ordered, images, score, problem)
        return ordered

    def _record(
        self,
        request: TaggedRequest,
        sequences: Sequence[Tokens],
        scored: Sequence[ScoredContinuation],
        images: Images,
        rescore_under: Callable[[Images], list[ScoredContinuation]],
        problem: Unlocated | None,
    ) -> None:
        run = self._owner.run
        if run is None or request.padding:
            return
        reader = self._owner.reader

        def record() -> list[SampleRecord]:
            prompt = self._owner._as_read(request.instance.args[0])
            sample = run.sample_request(request, prompt, images, "loglikelihood")
            run.recorder.add_images(sample.image_sha256, images)
            rule = run.choice_rule(request, [len(sequence) for sequence in sequences])
            if problem is not None:
                return [reader.failed(sample, request.instance.args[1].strip(), problem, run.controls)]
            return [reader.read_choices(sample, sequences, scored, rule, rescore_under, run.controls)]

        run.recorder.add_read([(run.key(request), "loglikelihood", "")], record)

    def _continuation(self, request: TaggedRequest) -> Tokens:
        context, continuation = request.instance.args[:2]
        name = where(request)
        if not context:
            raise InputError(
                f"{name}: a request with images and an empty prompt cannot be scored; metrics that need one "
                "(acc_mutual_info) are not available for tasks with images"
            )
        tokens = continuation_tokens(self._owner.tokenizer, context, continuation)
        if not tokens:
            raise InputError(f"{name}: the continuation {continuation!r} has no tokens")
        return tokens


def continuation_tokens(tokenizer: Any, context: str, continuation: str) -> Tokens:
    """The tokens that `continuation` adds to `context`; on its own where the two do not share their beginning."""
    before = tokenizer.encode(context, add_special_tokens=False)
    whole = tokenizer.encode(context + continuation, add_special_tokens=False)
    alone = tokenizer.encode(continuation, add_special_tokens=False)
    tokens = whole[len(before) :] if whole[: len(before)] == before else alone
    return tuple(int(token) for token in tokens)
