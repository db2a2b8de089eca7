"""Two pages on a run: what stands in them is what the report says, and they are two."""

from __future__ import annotations

import builtins
import json
import re
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import typst
from synthetic import HOSTILE, QUICK

from lens_report import Paper, Report, build_paper
from lens_report.presentation.paper import building
from lens_report.presentation.paper.content import FIGURES, NO_TRAINING, PARTS, Size, content
from lens_report.presentation.report import report_on

ABOUT = f"Обучена на 32 000 картинок; $x_1$ #include *и* `_`.\n\n{HOSTILE}"


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory, run_folder: Path) -> Paper:
    return build_paper(run_folder, tmp_path_factory.mktemp("paper"), about=ABOUT, draws=QUICK)


def values_of(paper: Paper) -> Any:
    return json.loads((paper.folder / "paper.json").read_text(encoding="utf-8"))


def pages(paper: Paper) -> int:
    found: list[int] = json.loads(typst.query(paper.source, "<pages>", field="value"))
    return found[0]


def test_the_pdf_has_two_pages_at_most(paper: Paper) -> None:
    assert paper.pdf is not None and paper.pdf.read_bytes().startswith(b"%PDF-")
    assert 1 <= pages(paper) <= 2
    assert paper.problems == ()


def test_what_it_says_stands_in_the_report(paper: Paper, report: Report) -> None:
    stats = json.loads(report.stats.read_text(encoding="utf-8"))
    said = {one["text"] for one in stats["findings"]}
    values = values_of(paper)
    sentences = [text for part in values["findings"] for text in part["sentences"]]
    assert len(sentences) >= 5 and set(sentences) <= said
    headlines = {one["text"] for one in stats["findings"] if one["headline"]}
    assert set(sentences) <= headlines
    (row,) = values["scores"]
    assert row[3] in json.dumps(stats["tables"], ensure_ascii=False)
    assert all((paper.folder / one["path"]).exists() for one in values["figures"])


def test_the_parts_and_figures_that_are_looked_for_exist() -> None:
    made = resources.files("lens_report.presentation")
    titles = made.joinpath("composition.py").read_text(encoding="utf-8")
    figures = made.joinpath("figures/captions.py").read_text(encoding="utf-8")
    assert [title for title in PARTS if f'"{title}"' not in titles] == []
    assert [name for name in FIGURES if f'"{name}"' not in figures] == []


def test_a_text_about_the_model_is_shown_as_it_is(paper: Paper, run_folder: Path, tmp_path: Path) -> None:
    assert values_of(paper)["about"] == ABOUT.split("\n\n")
    found = report_on(run_folder, tmp_path, draws=QUICK)
    values = content(found.runs, found.analyses, found.document, (), "", Size(1, 1))
    assert values["about"] == [NO_TRAINING]
    assert len(values["figures"]) == 1 and values["left_out"].endswith(" further findings stand in the full report.")


def test_a_russian_paper_says_the_same(paper: Paper, run_folder: Path, tmp_path: Path) -> None:
    made = build_paper(run_folder, tmp_path, about=ABOUT, draws=QUICK, language="ru")
    assert made.pdf is not None and pages(made) <= 2
    english, values = values_of(paper), values_of(made)
    assert [part["task"] for part in values["findings"]] == [part["task"] for part in english["findings"]]
    assert sum(len(part["sentences"]) for part in values["findings"]) > 3
    assert values["scores"] == english["scores"] and values["about"] == english["about"]
    texts = [text for part in values["findings"] for text in part["sentences"]] + values["method"] + values["limits"]
    texts += [*values["labels"].values(), values["title"], *(name for name, _ in values["models"][0])]
    assert [text for text in texts if not re.search("[а-яА-Я]", text) and text != "dtype"] == []


def test_the_same_run_makes_the_same_paper(paper: Paper) -> None:
    assert paper.pdf is not None and typst.compile(paper.source) == paper.pdf.read_bytes()


def test_a_text_that_is_too_long_is_told(run_folder: Path, tmp_path: Path) -> None:
    made = build_paper(run_folder, tmp_path, about="word " * 6000, draws=QUICK)
    assert made.pdf is not None and pages(made) > 2
    assert [problem.message for problem in made.problems] == [building.TOO_LONG.format(pages=pages(made), most=2)]


def test_without_typst_the_source_is_there(run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "typst":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    made = build_paper(run_folder, tmp_path, draws=QUICK)
    monkeypatch.undo()
    assert made.pdf is None and "pip install 'mm-logit-lens[paper]'" in made.problems[-1].message
    assert pages(made) <= 3, "it can be typeset elsewhere"
