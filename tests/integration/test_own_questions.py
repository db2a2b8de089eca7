"""The folder of `docs/own-questions.md`, as the page has it, under both harnesses."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from command_runner import Command
from PIL import Image, ImageDraw

from lens_results import load

PAGE = Path(__file__).parents[2] / "docs" / "own-questions.md"


@pytest.fixture
def page(tmp_path: Path) -> str:
    """The text of the page; its files and two pictures lie in `tmp_path / "my_task"`."""
    text = PAGE.read_text(encoding="utf-8")
    files = dict(re.findall(r'^```\w+ title="(.*?)"\n(.*?)^```', text, re.DOTALL | re.MULTILINE))
    files |= {f"{harness}/utils.py": files["utils.py"] for harness in ("lmms_eval", "lm_eval")}
    del files["utils.py"]
    for name, content in files.items():
        path = tmp_path / "my_task" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    for colour in ("red", "green"):
        picture = Image.new("RGB", (200, 160), "lightgray")
        ImageDraw.Draw(picture).ellipse((60, 40, 130, 110), fill=colour)
        picture.save(tmp_path / "my_task" / f"{colour}.png")
    return text


@pytest.mark.end_to_end
@pytest.mark.parametrize(("harness", "folder"), [("lmms-eval", "runs/mine"), ("lm-eval-lens", "runs/mine_lm")])
def test_own_questions_run_as_the_page_says(
    command: Command, tmp_path: Path, page: str, harness: str, folder: str
) -> None:
    (line,) = re.findall(rf"^{harness} --model(?:.*\\\n)*.*", page, re.MULTILINE)
    done = command(*shlex.split(line.replace("\\\n", " ")))
    assert "|exact_match " in done.stdout and "|lens_coverage " in done.stdout, done.stdout[-4000:]
    records = list(load(tmp_path / folder).records())
    assert [(record.question.split("\n")[0].removeprefix("<image>"), record.gold) for record in records] == [
        ("Is there a red sphere in the image?", ("yes",)),
        ("Is there a cylinder in the image?", ("no",)),
        ("Is there a green cube in the image?", ("yes",)),
        ("Is there a sphere in the image?", ("no",)),
    ]
    assert all(record.candidates == ("yes", "no") and len(record.image_sha256) == 1 for record in records)
    # without a column that groups them, reports take the questions about one picture together
    assert len({record.image_sha256 for record in records}) == 2
