"""The page's script is joined from the files of its folder."""

from __future__ import annotations

import re
from collections import Counter
from importlib import resources

from lens_report.presentation.explorer.joined import PARTS, joined_script

FOLDER = resources.files("lens_report.presentation.explorer").joinpath("script")


def test_every_file_is_a_part() -> None:
    assert sorted(f"{name}.js" for name in PARTS) == sorted(file.name for file in FOLDER.iterdir())


def test_parts_share_one_scope_without_taking_names_from_each_other() -> None:
    script = joined_script()
    names = re.findall(r"^(?:async function|function|const|let) (\w+)", script, flags=re.MULTILINE)
    assert len(names) > 30
    assert [name for name, count in Counter(names).items() if count > 1] == []
    assert script.startswith('"use strict";\n(() => {')
    assert script.endswith("start();\n})();")
    assert "</script" not in script
