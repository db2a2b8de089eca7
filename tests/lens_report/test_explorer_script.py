"""The page's script is joined from the files of its folder, which share one scope."""

from __future__ import annotations

import re
from collections import Counter
from importlib import resources

from lens_report.presentation.document.html import SCRIPT, script

FOLDER = resources.files("lens_report.presentation.explorer").joinpath("script")


def test_every_file_of_the_folder_is_in_the_page() -> None:
    assert sorted(f"{name}.js" for name in SCRIPT) == sorted(file.name for file in FOLDER.iterdir())
    for file in FOLDER.iterdir():
        assert file.read_text(encoding="utf-8").strip() in script()


def test_no_name_is_declared_twice_in_the_shared_scope() -> None:
    names = re.findall(r"^(?:async function|function|const|let) (\w+)", script(), flags=re.MULTILINE)
    assert {"start", "byId", "index", "state"} <= set(names)
    assert [name for name, count in Counter(names).items() if count > 1] == []


def test_the_script_cannot_end_its_own_element() -> None:
    assert "</script" not in script()
