"""A page in headless Chromium, and what tests do with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

CHROMIUM = Path("/usr/bin/chromium")
in_browser = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="no Chromium at /usr/bin/chromium (apt-get install chromium)"),
]
"""Marks of tests that open a page."""


class Opened:
    """A page with everything it said and asked for."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.console: list[str] = []
        self.requests: list[str] = []
        page.on("console", lambda message: self.console.append(message.text))
        page.on("pageerror", lambda error: self.console.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))

    def open(self, file: Path) -> None:
        """Load a file and show the samples."""
        self.page.goto(file.as_uri())
        self.page.wait_for_selector("html[data-ready]", state="attached")
        self.page.click("#tab-explorer")
        self.page.wait_for_selector("#samples tbody tr")

    def settled(self) -> None:
        """Wait for the list that was asked for last."""
        self.page.wait_for_selector("#explorer:not([aria-busy])", state="attached")

    def count(self) -> str:
        """How many samples the list says that it has."""
        self.settled()
        return str(self.page.inner_text("#count"))

    def sort(self, column: str, descending: bool = False) -> None:
        """Press the header of a column, twice for the largest first."""
        head = self.page.locator(f'#samples th button[data-sort="{column}"]')
        for _ in range(1 + descending):
            head.click()
            self.settled()

    def rows(self, column: int) -> list[str]:
        """Texts of a column of the list, as on the page."""
        self.settled()
        return list(self.page.locator(f"#samples tbody tr td:nth-child({column})").all_inner_texts())

    def sample(self, doc: int) -> None:
        """Open a sample by its document number."""
        self.page.fill("#search", "")
        self.page.fill("#search", f"sphere {doc}?")
        self.settled()
        self.page.locator("#samples tbody tr").first.click()
        self.page.wait_for_selector(f'#sample h2:has-text("document {doc} ")')
