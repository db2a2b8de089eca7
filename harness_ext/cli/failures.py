"""Errors that a user can fix end a command with one line and exit code 1."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console

__all__ = ["exit_on"]


@contextmanager
def exit_on(*kinds: type[Exception]) -> Iterator[None]:
    """Print an expected error without a traceback and leave with code 1; anything else keeps its traceback."""
    try:
        yield
    except kinds as error:
        Console(stderr=True).print(f"[bold red]Error:[/] {_plain(str(error))}", highlight=False, soft_wrap=True)
        raise typer.Exit(code=1) from error


def _plain(text: str) -> str:
    # square brackets in a message are no markup
    return text.replace("[", "\\[")
