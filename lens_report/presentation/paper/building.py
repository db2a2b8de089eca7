"""From records to a PDF of two pages, typeset by Typst."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from lens_report.measures import Draws
from lens_report.measures.runs import Problem
from lens_report.presentation.language import catalogue, translated
from lens_report.presentation.paper.content import SIZES, content
from lens_report.presentation.report import report_on

PAGES = 2
MISSING = (
    "The PDF was not made, because Typst is not installed: pip install 'mm-logit-lens[paper]', or typeset {source} "
    "with another installation of it (typst compile {source})."
)
TOO_LONG = "The paper has {pages} pages, expected at most {most}: shorten the text about the model, or give fewer runs."


@dataclass(frozen=True)
class Paper:
    """The files of a paper.

    Attributes:
        folder: Where they are.
        source: paper.typ, which reads paper.json beside it; both may be edited.
        pdf: paper.pdf; None where Typst is not installed.
        problems: Runs that could not be read, and what else its maker should know.
    """

    folder: Path
    source: Path
    pdf: Path | None
    problems: tuple[Problem, ...]


def build_paper(
    paths: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    about: str = "",
    draws: Draws | None = None,
    language: str = "en",
) -> Paper:
    """Write a paper of two pages on the runs in files and folders: model, tasks, method, findings, figures, limits.

    Its sentences, numbers and figures are those of the report on the same runs, as many of them as fit.

    Args:
        paths: Record files, or folders that are searched with what is below them.
        out: Folder of the paper; made if missing.
        about: What to say of the model and its training, paragraphs apart by an empty line; it is shown as it is.
        draws: As of `build_report`.
        language: "en" or "ru".

    Returns:
        The files.

    Raises:
        ReportError: There is no readable run.
        OSError: The folder cannot be written.
        ValueError: There is no such language.
    """
    folder, texts = Path(out), catalogue(language)
    made = report_on(paths, folder, draws=draws, texts=texts)
    document = translated(made.document, texts)
    source = folder / "paper.typ"
    template = resources.files("lens_report.presentation.paper").joinpath("paper.typ")
    source.write_text(template.read_text(encoding="utf-8"), encoding="utf-8")
    problems = list(made.problems)
    pages = 0
    for size in SIZES:
        values = content(made.runs, made.analyses, document, made.problems, about, size, texts)
        _write(folder / "paper.json", values)
        try:
            pages = _pages(source)
        except ImportError:
            return Paper(folder, source, None, (*problems, Problem(str(source), MISSING.format(source=source))))
        if pages <= PAGES:
            break
    else:
        problems.append(Problem(str(source), TOO_LONG.format(pages=pages, most=PAGES)))
    pdf = folder / "paper.pdf"
    pdf.write_bytes(_typst().compile(source))
    return Paper(folder, source, pdf, tuple(problems))


def _write(path: Path, values: dict[str, Any]) -> None:
    path.write_text(json.dumps(values, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _pages(source: Path) -> int:
    found: list[int] = json.loads(_typst().query(source, "<pages>", field="value"))
    return found[0]


def _typst() -> Any:
    import typst

    return typst
