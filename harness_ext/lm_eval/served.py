"""lm-eval's models behind a server, with what the server gives of each answer recorded beside its text.

lm-eval's own code asks, retries and parses. Each request has two more fields, which ask for the log-probabilities of
the likeliest tokens (`lens_topk=0` leaves them out), and each response is looked at where lm-eval parses it.
"""

from __future__ import annotations

import asyncio
import copy
import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import requests
from aiohttp import ClientResponseError
from lm_eval.api.model import CacheHook
from lm_eval.models.openai_completions import LocalChatCompletion, OpenAIChatCompletion

from harness_ext.samples import HarnessRequest
from lens_engine import Generation, Media, Recording
from lens_engine.description import RunSettings
from lens_engine.recording import Log
from lens_engine.sample import where_of
from lens_engine.served import ServedModel, ServedReader, take_served_options
from lens_engine.served.description import without_secrets
from lens_engine.session import Recorded
from lens_models import InputError
from lens_models.shadowing import shadowed
from lens_results.fingerprint import digest_of

from .chat_history import answers_shown, conversation_of, is_history
from .evaluation import install
from .listening import Listening, prompt_text
from .media import given_media
from .samples import LmEvalSamples

__all__ = ["LocalChatLens", "OpenAIChatLens", "ServedSamples"]

if TYPE_CHECKING:
    from lm_eval.models.api_models import TemplateAPI as _Model
else:
    _Model = object

log = logging.getLogger(__name__)

_REFUSING = (400, 422, 500, 501)
"""Statuses with which servers answer a request for log-probabilities that they do not give."""
_REFUSALS = 3
"""Refused requests in a row after which a server is not asked for log-probabilities any more."""

_asked: ContextVar[Sequence[Any]] = ContextVar("lens_asked", default=())
_refused: ContextVar[str] = ContextVar("lens_refused", default="")
"""What the server said, while a request is sent once more without asking for log-probabilities."""


@dataclass
class Logprobs:
    """Whether a server is asked for log-probabilities.

    Attributes:
        topk: how many a token; 0 for none.
    """

    topk: int
    _said: str = field(default="", init=False)
    _in_a_row: int = field(default=0, init=False)

    @property
    def wanted(self) -> bool:
        """Whether the next request asks for them."""
        return self.topk > 0 and self._in_a_row < _REFUSALS and not _refused.get()

    @property
    def why_none(self) -> str:
        """Why an answer has none; empty where they were asked for and never refused."""
        if not self.topk:
            return "no log-probabilities were asked for (lens_topk=0)"
        said = _refused.get() or self._said
        return said and f"the server refused log-probabilities: {said}"

    def answered(self, asked: bool) -> None:
        """A request was answered, which asked for them or not."""
        self._in_a_row = 0 if asked else self._in_a_row

    @contextmanager
    def without(self, said: str) -> Iterator[None]:
        """While a refused request is sent without them; where that succeeds, it is they that were refused."""
        token = _refused.set(said)
        try:
            yield
        finally:
            _refused.reset(token)
        self._said = said
        self._in_a_row += 1
        if self._in_a_row == _REFUSALS:
            log.warning("%s; it is not asked for them any more. Try a smaller lens_topk", self.why_none)


class ServedRequests(_Model):  # type: ignore[misc]
    """Beside a model class of lm-eval that asks a server, before it in the order of bases.

    Takes the arguments of that class and those of `lens_engine.served.SERVED_ARGUMENTS`; with `lens=False` it is that
    class.

    Raises:
        LensArgumentError: an argument that needs layers, or a wrong value.
    """

    api: ClassVar[str]
    process: ClassVar[int] = 0  # no process holds the model

    def __init__(self, **arguments: Any) -> None:
        self.options, own = take_served_options(arguments)
        self.arguments = without_secrets(own)
        super().__init__(**own)
        self.session = Recorded()
        self.maker = ServedSamples(list, str, None, max_images=self.max_images)
        self.logprobs = Logprobs(self.options.topk if self.options.enabled else 0)
        self._listening: Listening | None = None
        self._under_way: asyncio.Semaphore
        install()

    @property
    def records(self) -> bool:
        """Whether an evaluation of this model is recorded."""
        return self.options.enabled

    def new_recording(self, settings: RunSettings, directory: Path | None, log: Log, advice: str) -> Recording:
        """The recording of an evaluation; see `Recording` for the arguments."""
        model = ServedModel(str(self.model), self.api, str(self.base_url), self.options, self.rank)
        return Recording(model, ServedReader(), "lm-eval", settings, directory, log, advice=advice)

    def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
        """Answer each request as lm-eval's class does; during an evaluation each is recorded when its answer comes."""
        recording = self.session.recording
        if recording is None or not requests:
            return list(super().generate_until(requests, disable_tqdm=disable_tqdm))
        asked = [self.maker.request(each) for each in self.maker.asked(requests)]

        def ask(places: Sequence[int]) -> list[Generation]:
            listening = Listening(recording, [asked[place] for place in places], self.logprobs)
            own = [requests[place] for place in places]
            # answers are kept with their records, under keys that include the model, and not by the harness's hook
            with shadowed(self, _listening=listening, cache_hook=CacheHook(None)), listening.to_prompts(own):
                texts = super(ServedRequests, self).generate_until(own, disable_tqdm=disable_tqdm)
            return [Generation(text) for text in listening.finish(texts)]

        found = ask(range(len(asked))) if recording.cache is None else recording.cache.answers(asked, ask)
        self.session.flush()
        return [each.text for each in found]

    def _create_payload(self, messages: Any, generate: bool = False, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """As lm-eval's class, and the two fields that ask for log-probabilities, where the task does not set them."""
        payload: dict[str, Any] = super()._create_payload(messages, generate, *args, **kwargs)
        if not (self.logprobs.wanted and generate):
            return payload
        more = {"logprobs": True, "top_logprobs": self.logprobs.topk}
        return payload | {name: value for name, value in more.items() if name not in payload}

    def model_call(self, messages: Any, **kwargs: Any) -> Any:
        """As lm-eval's class; a request whose log-probabilities are refused is sent once more without them."""
        wanted = self.logprobs.wanted
        try:
            outputs = super().model_call(messages, **kwargs)
        except requests.HTTPError as error:
            if not wanted or error.response is None or error.response.status_code not in _REFUSING:
                raise
            said = f"{error.response.status_code} {error.response.text}"[:300]
            with self.logprobs.without(said):
                outputs = super().model_call(messages, **kwargs)
        else:
            self.logprobs.answered(wanted)
        return outputs

    async def get_batched_requests(self, *args: Any, **kwargs: Any) -> Any:
        """As lm-eval's class, which makes the bodies of all requests before it sends the first one."""
        self._under_way = asyncio.Semaphore(self._concurrent)
        return await super().get_batched_requests(*args, **kwargs)

    async def amodel_call(self, *args: Any, **kwargs: Any) -> Any:
        """As `model_call`, for requests that are under way together; a body is made when its request is sent."""
        async with self._under_way:
            return await self._amodel_call(*args, **kwargs)

    async def _amodel_call(self, *args: Any, messages: Any, **kwargs: Any) -> Any:
        wanted, token = self.logprobs.wanted, _asked.set(messages)
        try:
            answers = await super().amodel_call(*args, messages=messages, **kwargs)
        except ClientResponseError as error:
            if not wanted or error.status not in _REFUSING:
                raise
            with self.logprobs.without(f"{error.status} {error.message}"[:300]):
                answers = await super().amodel_call(*args, messages=messages, **kwargs)
        else:
            self.logprobs.answered(wanted)
        finally:
            _asked.reset(token)
        return answers

    def parse_generations(self, outputs: Any, contexts: Any = None, **kwargs: Any) -> Any:
        """As lm-eval's class; what is recorded of a response is taken here."""
        texts = super().parse_generations(outputs=outputs, contexts=contexts, **kwargs)
        if self._listening is not None:
            self._listening.take(contexts if contexts is not None else _asked.get(), outputs, texts)
        return texts


class LocalChatLens(ServedRequests, LocalChatCompletion):  # type: ignore[misc]
    """The model class behind `lm-eval-lens --model local-chat-completions-lens`."""

    api = "local-chat-completions"


class OpenAIChatLens(ServedRequests, OpenAIChatCompletion):  # type: ignore[misc]
    """The model class behind `lm-eval-lens --model openai-chat-completions-lens`."""

    api = "openai-chat-completions"


@dataclass(frozen=True)
class ServedSamples(LmEvalSamples):
    """Makes samples of requests for a server, whose prompt is a conversation.

    Attributes:
        max_images: how many of a document's images lm-eval sends; of a chat history it sends all.
    """

    max_images: int = 1

    def _request(self, instance: Any, key: tuple[str, int, int, int]) -> HarnessRequest:
        found, where = copy.copy(instance), where_of(key)
        found.arguments = (prompt_text(instance.args[0]), *instance.args[1:])
        if is_history(found):
            conversation, media = conversation_of(found, where)
            others = [digest_of(each) for name, own in media.items() if name != "visual" for each in own]
            prompt = json.dumps([*conversation, *others], ensure_ascii=False)
            found.arguments = (prompt, instance.args[1], {"visual": media["visual"]})
            return replace(super()._request(found, key), answers_shown=answers_shown(instance))
        if given_media(found).other_than_images:
            raise InputError(
                f"{where}: the request has videos or sounds, which lm-eval does not send to a server; MERA's lm-eval "
                "sends them with --pass_multimodal_args_to_chat_history"
            )
        return super()._request(found, key)

    def shown(self, asked: HarnessRequest, document: Any) -> tuple[str, Media]:
        """See `SampleMaker`."""
        images = self._pictures(given_media(asked.source), asked.where)
        return asked.context, Media(tuple(images if asked.answers_shown is not None else images[: self.max_images]))
