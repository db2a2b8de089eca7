"""A small server with OpenAI's interface of chat completions, on a free port, for tests."""

from __future__ import annotations

import base64
import io
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from PIL import Image

Listed = Sequence[tuple[str, float]]
"""Tokens with their log-probabilities."""


@dataclass(frozen=True)
class Said:
    """What a model says: its tokens, each with the likeliest ones at its place; the first of these is the token."""

    tokens: Sequence[Listed]
    content: str | None = ""
    bytes_of: Callable[[str], bytes | None] = lambda token: token.encode()

    @property
    def text(self) -> str | None:
        """Its text; the tokens' where no other was given."""
        return "".join(listed[0][0] for listed in self.tokens) if self.content == "" else self.content

    def logprobs(self, k: int) -> dict[str, Any]:
        """As OpenAI writes them."""

        def one(token: str, logprob: float) -> dict[str, Any]:
            data = self.bytes_of(token)
            return {"token": token, "logprob": logprob, "bytes": None if data is None else list(data)}

        return {
            "content": [
                {**one(*listed[0]), "top_logprobs": [one(*each) for each in sorted(listed, key=lambda e: -e[1])[:k]]}
                for listed in self.tokens
            ]
        }


@dataclass
class ChatServer:
    """A server.

    Attributes:
        say: messages, images and the request's body -> what the model says, or status and text of an error.
        with_logprobs: it gives log-probabilities to those who ask.
        refuses_logprobs: status with which it refuses requests for them; None for a server that ignores the fields.
        delay: seconds to wait before answering the n-th request.
        bodies: of the requests, in the order in which they came.
    """

    say: Callable[[list[Any], list[Image.Image], dict[str, Any]], Said | tuple[int, str]]
    with_logprobs: bool = True
    refuses_logprobs: int | None = None
    delay: Callable[[int], float] = lambda number: 0.0
    bodies: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    url: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, body: dict[str, Any], headers: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """Status and content of the response to a request."""
        with self._lock:
            number = len(self.bodies)
            self.bodies.append(body)
            self.headers.append(headers)
        time.sleep(self.delay(number))
        asked = bool(body.get("logprobs"))
        if asked and self.refuses_logprobs is not None:
            return self.refuses_logprobs, {"error": {"message": "logprobs are not supported"}}
        with self._lock:
            said = self.say(body["messages"], images_of(body["messages"]), body)
        if isinstance(said, tuple):
            return said[0], {"error": {"message": said[1]}}
        choice = {"index": 0, "message": {"role": "assistant", "content": said.text}, "finish_reason": "stop"}
        if asked and self.with_logprobs:
            choice["logprobs"] = said.logprobs(body["top_logprobs"])
        usage = {"prompt_tokens": 1, "completion_tokens": len(said.tokens), "total_tokens": 1 + len(said.tokens)}
        return 200, {"id": f"chat-{number}", "model": body["model"], "choices": [choice], "usage": usage}


def images_of(messages: list[Any]) -> list[Image.Image]:
    """The images of a conversation, decoded."""
    parts = [part for message in messages if isinstance(message["content"], list) for part in message["content"]]
    urls = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
    return [Image.open(io.BytesIO(base64.b64decode(url.partition("base64,")[2]))) for url in urls]


def question_of(messages: list[Any]) -> str:
    """The text of the last message."""
    content = messages[-1]["content"]
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


@contextmanager
def serving(server: ChatServer) -> Iterator[ChatServer]:
    """While this lasts, the server answers at `server.url`."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, content = server.answer(body, dict(self.headers))
            data = json.dumps(content, ensure_ascii=False).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args: object) -> None:
            """No line a request."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        server.url = f"http://127.0.0.1:{listening.server_address[1]}/v1/chat/completions"
        thread = threading.Thread(target=listening.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            listening.shutdown()
            thread.join()
