"""The pages of the documentation that are made from the code, and what the site says of itself."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from typer.main import get_command

from harness_ext.cli import app
from lens_engine.model_arguments import ModelArguments
from lens_engine.options import LENS_ARGUMENTS

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def pages() -> ModuleType:
    spec = importlib.util.spec_from_file_location("pages", DOCS / "_site" / "pages.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def commands(name: str, command: Any) -> dict[str, Any]:
    below = getattr(command, "commands", {}).items()
    return {name: command} | {key: one for word, each in below for key, one in commands(f"{name} {word}", each).items()}


def test_every_command_and_option_is_on_the_page(pages: ModuleType) -> None:
    sections = re.split(r"^## ", pages.command_line_page(), flags=re.MULTILINE)[1:]
    found = {section.split("`")[1]: section for section in sections}
    known = commands("mmlens", get_command(app))
    assert found.keys() == known.keys()
    for name, command in known.items():
        options = [option for each in command.params for option in each.opts if option.startswith("-")]
        assert [option for option in options if f"`{option}`" not in found[name]] == [], name
    assert "`--format`: `table`, `markdown`, `csv`, `latex`" in found["mmlens leaderboard"]
    assert "| `--out` | `report_out` |" in found["mmlens report"]


def test_every_argument_is_on_the_page(pages: ModuleType) -> None:
    text = pages.all_arguments()
    assert [name for name in (*LENS_ARGUMENTS, *ModelArguments.defaults()) if f"| `{name}` |" not in text] == []


@pytest.mark.parametrize(
    ("link", "becomes"),
    [
        ("[runs](../results/README.md)", "runs (`results/README.md`)"),
        ("[runs](../results/README.md#a)", "runs (`results/README.md`)"),
        ("[metrics](metrics.md)", "[metrics](metrics.md)"),
        ("![figure](../figure.png)", "![figure](../figure.png)"),
    ],
)
def test_links_out_of_the_documentation_name_the_file(pages: ModuleType, link: str, becomes: str) -> None:
    page = SimpleNamespace(file=SimpleNamespace(src_uri="page.md"))
    assert pages.on_page_markdown(f"See {link}.", page) == f"See {becomes}."


def test_every_page_is_in_the_navigation_and_starts_with_a_title() -> None:
    listed = re.findall(r": ([\w-]+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(listed) == sorted({*(path.name for path in DOCS.glob("*.md")), "command-line.md"})
    assert [path.name for path in DOCS.glob("*.md") if not path.read_text(encoding="utf-8").startswith("# ")] == []


def test_the_links_of_the_readme_lead_somewhere() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 150
    targets = [target.partition("#")[0] for target in re.findall(r"\]\(([^)]+)\)", text) if "://" not in target]
    assert [target for target in targets if target and not (ROOT / target).exists()] == []
