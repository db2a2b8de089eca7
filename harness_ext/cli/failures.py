"""Errors that a user can fix end a command with one line and exit code 1."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer
from rich.console import Console

__all__ = ["exit_on"]


@contextmanager
def exit_on(*kinds: type[Exception]) -> Iterator[None]:
    """Print an expected error without a traceback and leave with code 1; anything else keeps its traceback."""
    try:
        yield
    except kinds as error:
        said = _of_the_system(error) if isinstance(error, OSError) else str(error)
        Console(stderr=True).print(f"[bold red]Error:[/] {_plain(said)}", highlight=False, soft_wrap=True)
        raise typer.Exit(code=1) from error


def _of_the_system(error: OSError) -> str:
    """Which path it is about, and what to do; the system's own text has an error number and no advice."""
    if error.filename is None:
        return str(error)
    path = Path(os.fsdecode(error.filename))
    if isinstance(error, FileExistsError | NotADirectoryError):
        return f"{path}: found a file where a folder is needed. Name another folder, or move the file away."
    if isinstance(error, IsADirectoryError):
        return f"{path}: found a folder, expected a file. Name a file in it."
    if isinstance(error, FileNotFoundError):
        return f"{path}: not found, seen from {Path.cwd()}. Check the name, and that its folder is there."
    return f"{path}: {error.strerror}. Choose another place, or make this one readable and writable."


def _plain(text: str) -> str:
    # square brackets in a message are no markup
    return text.replace("[", "\\[")
