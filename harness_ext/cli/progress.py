"""What a command is at, once it has taken longer than two seconds."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

__all__ = ["PATIENCE", "progress"]

PATIENCE = 2.0
"""Seconds after which a command that says nothing says what it is at."""


class _Steps(logging.Handler):
    """Shows the last message: a line that changes on a terminal, a line a message elsewhere."""

    def __init__(self, console: Console, first: str) -> None:
        super().__init__(logging.INFO)
        self._console = console
        self._status = console.status(first)
        self._last = first
        self.shown = threading.Event()
        self._changing = threading.Lock()

    def show(self) -> None:
        """From now on show the steps, beginning with the present one."""
        with self._changing:
            if self._console.is_terminal:
                self._status.start()
            self._say()
            self.shown.set()

    def stop(self) -> None:
        """Take the line away."""
        with self._changing:
            self.shown.clear()
            self._status.stop()

    def emit(self, record: logging.LogRecord) -> None:
        with self._changing:
            self._last = record.getMessage()
            if self.shown.is_set():
                self._say()

    def _say(self) -> None:
        text = self._last.replace("[", "\\[")
        if self._console.is_terminal:
            self._status.update(text)
        else:
            self._console.print(text, soft_wrap=True, highlight=False)


@contextmanager
def progress(first: str, logger: str = "lens_report", patience: float = PATIENCE) -> Iterator[threading.Event]:
    """Show on stderr what `logger` says of its steps (level INFO), once `patience` seconds have passed.

    Args:
        first: The step that comes before anything is said.
        logger: Name of the logger of the package that works.
        patience: In seconds.

    Yields:
        What is set once the steps are shown.
    """
    steps, source = _Steps(Console(stderr=True), first), logging.getLogger(logger)
    level = source.level
    source.addHandler(steps)
    source.setLevel(logging.INFO)
    timer = threading.Timer(patience, steps.show)
    timer.daemon = True
    timer.start()
    try:
        yield steps.shown
    finally:
        timer.cancel()
        steps.stop()
        source.removeHandler(steps)
        source.setLevel(level)
