"""Hooks of mkdocs: pages that are made from the code, and links that leave the documentation."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from enum import Enum
from typing import Any

__all__ = ["all_arguments", "command_line_page", "on_files", "on_page_markdown"]


def on_files(files: Any, config: Any, **_: Any) -> Any:
    """Add the page that is made from the code alone."""
    from mkdocs.structure.files import File

    files.append(File.generated(config, "command-line.md", content=command_line_page()))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Name files of the repository that are no pages, in place of a link that leads nowhere; add what the code says."""
    if page.file.src_uri == "arguments.md":
        markdown = f"{markdown}\n{all_arguments()}"
    folder = posixpath.dirname(page.file.src_uri)

    def named(found: re.Match[str]) -> str:
        place = posixpath.normpath(posixpath.join("docs", folder, found[2]))
        return found[0] if place.startswith("docs/") else f"{found[1]} (`{place}`)"

    return re.sub(r"(?<!!)\[([^\]]+)\]\((\.\./[^)#\s]+)(?:#[^)]*)?\)", named, markdown)


def command_line_page() -> str:
    """Every command of `mmlens` with its options."""
    from typer.main import get_command

    from harness_ext.cli import app

    lines = ["# Command line", "", "Made from the code. `lm-eval-lens` takes the flags of `lm-eval`.", ""]
    return "\n".join([*lines, *_command("mmlens", get_command(app))]) + "\n"


def _command(name: str, command: Any) -> Iterator[str]:
    yield from (f"## `{name}`", "", command.help or "", "")
    parameters = [each for each in command.params if not getattr(each, "hidden", False)]
    if parameters:
        yield from ("| argument | default | meaning |", "| --- | --- | --- |")
        yield from (_parameter(each) for each in parameters)
        yield ""
    for below, each in getattr(command, "commands", {}).items():
        yield from _command(f"{name} {below}", each)


def _parameter(parameter: Any) -> str:
    is_option = parameter.param_type_name == "option"
    names = [*parameter.opts, *parameter.secondary_opts] if is_option else [parameter.metavar or parameter.name.upper()]
    shown = ", ".join(f"`{name}`" for name in names)
    if choices := _choices(parameter):
        shown += ": " + ", ".join(f"`{one}`" for one in choices)
    default = "required" if parameter.required else _default(parameter.default)
    return f"| {shown} | {default} | {_cell(getattr(parameter, 'help', None) or '')} |"


def _choices(parameter: Any) -> list[str]:
    """What an option takes, where that is one of a few words; releases of typer keep it in different places."""
    kind = getattr(getattr(parameter, "type_descriptor", None), "annotation", None)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return [str(one.value) for one in kind]
    return [str(getattr(one, "value", one)) for one in getattr(getattr(parameter, "type", None), "choices", ())]


def _default(value: Any) -> str:
    value = getattr(value, "value", value)
    return "" if value is None or value is False or callable(value) else f"`{value}`"


def all_arguments() -> str:
    """Every entry of `--model_args`."""
    from lens_engine.model_arguments import ModelArguments
    from lens_engine.options import LENS_ARGUMENTS

    own = [f"| `{name}` | {_cell(meaning)} |" for name, meaning in LENS_ARGUMENTS.items()]
    rest = [f"| `{name}` | {_default(value)} |" for name, value in ModelArguments.defaults().items()]
    return "\n".join(
        [
            "## All of the lens", "", "Made from the code.", "",
            "| argument | meaning |", "| --- | --- |", *own, "",
            "## All of the model", "", "Without a default it is the checkpoint's own.", "",
            "| argument | default |", "| --- | --- |", *rest, "",
        ]
    )  # fmt: skip


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
