"""Which request a server's response belongs to: lm-eval sorts requests, and asks several at a time."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from lm_eval.models import api_models

from lens_engine import Recording, Request
from lens_engine.served import ServedAnswer
from lens_models.shadowing import shadowed

__all__ = ["Listening", "prompt_text"]


class Refusal(Protocol):
    """What is known of log-probabilities that a server does not give."""

    @property
    def why_none(self) -> str:
        """Why there are none; empty where they were asked for and never refused."""


class Listening:
    """Records the answers of one call of lm-eval's `generate_until`, each when it comes.

    A response is known by its prompt. Where several requests have the same prompt, which of them an answer is for is
    known at the end, when lm-eval has put the answers in order.

    Args:
        recording: of the evaluation.
        asked: the requests, in the order in which lm-eval is handed them.
        refusal: why there are no log-probabilities.
    """

    def __init__(self, recording: Recording, asked: Sequence[Request], refusal: Refusal) -> None:
        self._recording = recording
        self._asked = asked
        self._refusal = refusal
        self._prompts: list[str] = []
        self._places: dict[str, list[int]] = defaultdict(list)
        self._heard: dict[str, list[ServedAnswer]] = defaultdict(list)
        self._recorded: dict[int, str] = {}

    @contextmanager
    def to_prompts(self, instances: Sequence[Any]) -> Iterator[None]:
        """While this lasts, prompts that lm-eval makes with images are noted; those without are known beforehand."""
        if len(instances[0].args) < 3:
            for each in instances:
                self._note(each.args[0])
            yield
            return
        make = api_models.create_image_prompt

        def create_image_prompt(*args: Any, **kwargs: Any) -> Any:
            made = make(*args, **kwargs)
            self._note(json.dumps(made))
            return made

        with shadowed(api_models, create_image_prompt=create_image_prompt):
            yield

    def _note(self, prompt: Any) -> None:
        key = _digest(prompt)
        self._places[key].append(len(self._prompts))
        self._prompts.append(key)

    def take(self, contexts: Sequence[Any], outputs: Any, texts: Sequence[str | None]) -> None:
        """Take a response; chat completions are asked one prompt at a time.

        Args:
            contexts: the prompt.
            outputs: the server's response, or a list with it.
            texts: what lm-eval parsed of it.
        """
        if len(contexts) != 1 or len(texts) != 1:
            return
        key = _digest(contexts[0])
        places = self._places[key]
        answer = self._answer(outputs, texts[0])
        if len(places) == 1:
            self._record(places[0], answer)
        else:
            self._heard[key].append(answer)

    def finish(self, texts: Sequence[str]) -> list[str]:
        """Record what could not be recorded before; the answers as lm-eval returned them, in order of the requests."""
        for place, returned in enumerate(texts):
            text = str(returned)
            if self._recorded.get(place) == text:
                continue
            heard = self._heard[self._prompts[place]] if place < len(self._prompts) else []
            own = next((each for each in heard if each.text == text), None)
            if own is not None:
                heard.remove(own)
            self._record(place, own or ServedAnswer(text, why_none="the server's response was not seen"))
        return list(texts)

    def _record(self, place: int, answer: ServedAnswer) -> None:
        self._recorded[place] = answer.text
        self._recording.add([self._asked[place].sample()], [answer])

    def _answer(self, outputs: Any, text: str | None) -> ServedAnswer:
        output = outputs[0] if isinstance(outputs, list) else outputs
        output = output if isinstance(output, Mapping) else {}
        choices = output.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], Mapping) else {}
        message, usage = choice.get("message"), output.get("usage")
        content = message.get("content") if isinstance(message, Mapping) else None
        n_tokens = usage.get("completion_tokens") if isinstance(usage, Mapping) else None
        return ServedAnswer(
            getattr(api_models, "LMEVAL_MODEL_NONE_ANSWER_PLACEHOLDER", "") if text is None else str(text),
            content if isinstance(content, str) else None,
            choice,
            n_tokens if isinstance(n_tokens, int) else None,
            "" if choice.get("logprobs") else self._refusal.why_none,
        )


def prompt_text(prompt: Any) -> Any:
    """A prompt as lm-eval sends it: the conversation as JSON, which it wraps in an object of its own."""
    return getattr(prompt, "prompt", prompt)


def _digest(prompt: Any) -> str:
    return hashlib.sha256(str(prompt_text(prompt)).encode("utf-8", "surrogatepass")).hexdigest()
