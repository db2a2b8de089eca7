"""Requests that are a chat history, as MERA's fork makes them with `--pass_multimodal_args_to_chat_history`."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from lens_models import InputError
from lens_models.encoding import render_chat

from .media import InPlace

__all__ = ["answers_shown", "as_prompt", "conversation_of", "is_history"]

_MEDIA = {"image": "visual", "video": "video", "audio": "audio"}


def is_history(instance: Any) -> bool:
    """Whether a request holds messages in the place of a prompt."""
    return isinstance(instance.args[0], list | tuple)


def answers_shown(instance: Any) -> int:
    """How many earlier answers the messages of a chat history hold."""
    return sum(1 for message in instance.args[0] if message.get("role") == "assistant")


def as_prompt(instance: Any, processor: Any, where: str) -> Any:
    """The request with the prompt that the model's chat template makes of its messages, and their media, in order.

    Args:
        instance: a request `(messages, generation arguments or continuation)`; a message's content is a text, or parts
            `{"type": "text", "text": ...}` and `{"type": "image_url", "image_url": ...}` (`video_url`, `audio_url`,
            and the same without `_url`).
        processor: the model's own.
        where: names the document, for an error.

    Raises:
        InputError: a message of another form, the last one is not the user's, or the template takes none such.
    """
    conversation, media = conversation_of(instance, where)
    try:
        prompt = render_chat(processor, conversation)
    except InputError:
        raise
    except Exception as error:  # a template's own complaint: roles that do not alternate, a role it does not know
        roles = ", ".join(message["role"] for message in conversation[-6:])
        raise InputError(
            f"{where}: the model's chat template does not take this chat history, which ends with {roles} ({error})"
        ) from error
    found = copy.copy(instance)
    found.arguments = (prompt, instance.args[1], InPlace(media))
    return found


def conversation_of(instance: Any, where: str) -> tuple[list[dict[str, Any]], dict[str, list[Any]]]:
    """The messages of a chat history in the form of transformers, with a word in the place of each medium; the media.

    Raises:
        InputError: a message of another form, or the last one is not the user's.
    """
    media: dict[str, list[Any]] = {name: [] for name in _MEDIA.values()}
    conversation = [_message(message, media, where) for message in instance.args[0]]
    if not conversation or conversation[-1]["role"] != "user":
        raise InputError(
            f"{where}: the chat history ends with {conversation[-1]['role'] if conversation else 'no message'}; "
            "expected the user's question (gen_prefix cannot be combined with a chat history)"
        )
    return conversation, media


def _message(message: Any, media: dict[str, list[Any]], where: str) -> dict[str, Any]:
    if not isinstance(message, Mapping) or not {"role", "content"} <= set(message):
        raise InputError(f"{where}: a message of the chat history is {message!r:.80}; expected role and content")
    content = message["content"]
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    return {"role": str(message["role"]), "content": list(_parts(parts, media, where))}


def _parts(parts: Any, media: dict[str, list[Any]], where: str) -> Iterator[dict[str, Any]]:
    """What a chat template is given of a message's parts; their media are added to `media`."""
    for part in parts:
        given = str(part.get("type")) if isinstance(part, Mapping) else type(part).__name__
        kind = given.removesuffix("_url")
        if given == "text" and isinstance(part.get("text"), str):
            yield {"type": "text", "text": part["text"]}
        elif kind in _MEDIA and part.get(given, part.get(kind)) is not None:
            media[_MEDIA[kind]].append(part.get(given, part.get(kind)))
            yield {"type": kind, kind: "medium"}
        else:
            raise InputError(
                f"{where}: a message of the chat history has a part of the type {given}; expected text, image_url, "
                "video_url or audio_url, with what it names"
            )
