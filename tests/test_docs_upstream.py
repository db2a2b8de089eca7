"""The faults of others that docs/upstream names are still there, as they are described."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGES = sorted((Path(__file__).parents[1] / "docs" / "upstream").glob("*.md"))
SHOWN = re.compile(
    r"^## (?P<title>[^\n]+)\n\n```python\n(?P<code>.*?)^```\n\n`(?P<error>\w+): (?P<says>[^`]+)`$", re.S | re.M
)
FAULTS = [pytest.param(found, id=found["title"]) for page in PAGES for found in SHOWN.finditer(page.read_text("utf-8"))]


def test_every_python_block_says_what_it_raises() -> None:
    assert len(FAULTS) == sum(page.read_text("utf-8").count("```python") for page in PAGES) > 4


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.filterwarnings("ignore")
def test_it_fails_as_the_page_says(fault: re.Match[str]) -> None:
    with pytest.raises(Exception, match=re.escape(fault["says"])) as raised:
        exec(compile(fault["code"], fault["title"], "exec", dont_inherit=True), {})
    assert type(raised.value).__name__ == fault["error"]
