"""Write report/ from results/: ``python -m experiments.writeup.build``. Reads records alone; no model is run."""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from matplotlib.figure import Figure

from experiments.writeup import decoding, depth, errors, figures, images, literature, movement, setting, short
from experiments.writeup.claims import Claim
from experiments.writeup.findings import FIGURES
from experiments.writeup.hypotheses import Depths, all_claims
from experiments.writeup.material import DRAWS, MAIN, Material, read_material
from experiments.writeup.paper import paper_sections
from lens_report import Draws, ExplorerLimits
from lens_report.presentation.document import plain
from lens_report.presentation.document.blocks import Block, Document, Picture, Section
from lens_report.presentation.document.html import render_html
from lens_report.presentation.document.markdown import markdown
from lens_report.presentation.explorer.payload import explorer_data
from lens_report.presentation.figures import report_figures, save

TITLE = "Where a small vision-language model finds its answers"
ROOT = Path(__file__).parents[2]
APPENDIX = "Appendix"
EXPLORED = 500
"""Samples in the explorer."""
LINKS = (
    "All tables, all hypotheses and further figures: [appendix.md](appendix.md). Every number: "
    "[stats.json](stats.json). The same as a page, with samples to look through: [index.html](index.html). Written by "
    "`make report` from [results/](../results/README.md) alone."
)
DRAWN = {
    "image": (MAIN, "clevr_mini", "controls"),
    "concepts": (MAIN, "", "concepts"),
    "object": ("picture", "clevr_mini", "own_and_null"),
    "errors": (MAIN, "clevr_mini", "forest"),
    "decoders": (MAIN, "clevr_mini", "decoders"),
}
"""Finding -> the run, task and name of its figure."""


def build(results: Path, out: Path, draws: Draws = DRAWS) -> Document:
    """Write README.md, appendix.md, index.html, stats.json and figures/ below `out`; older figures are replaced."""
    return write(read_material(results, draws), results, out)


def write(material: Material, results: Path, out: Path) -> Document:
    """Write what `build` writes from analyses that are there already; paper and appendix as one document."""
    shutil.rmtree(out / "figures", ignore_errors=True)
    out.mkdir(parents=True, exist_ok=True)
    depths = Depths(material)
    claims = all_claims(material, depths)
    paper = tuple(paper_sections(material, depths, claims, partial(_paper_figure, material, depths, out), results))
    appendix = tuple(_appendix(material, depths, claims, out))
    document = Document(TITLE, (*paper, Section(APPENDIX, (), appendix)))
    (out / "README.md").write_text(_linked(Document(TITLE, paper)), encoding="utf-8")
    (out / "appendix.md").write_text(markdown(Document(f"{TITLE}: {APPENDIX.lower()}", appendix)), encoding="utf-8")
    (out / "stats.json").write_text(_stats(document, claims), encoding="utf-8")
    explored = [one.task_run for one in material.of(MAIN).values()]
    data = explorer_data(explored, ExplorerLimits(samples=EXPLORED, image_bytes=3_000_000))
    (out / "index.html").write_text(render_html(document, data, out), encoding="utf-8")
    return document


def _linked(paper: Document) -> str:
    """The paper with its links below the title."""
    title, rest = markdown(paper).split("\n", 1)
    return f"{title}\n\n{LINKS}\n{rest}"


def _paper_figure(material: Material, depths: Depths, out: Path, name: str) -> tuple[Block, ...]:
    """The figure of one finding."""
    experiment, task, figure = DRAWN[name]
    if figure == "concepts":
        drawn, where = figures.concept_figure(depths), ""
    else:
        found = {one.name: one for one in report_figures(material.analyses[experiment, task])}
        drawn, where = found[figure].draw(), f"{task}. "
    stem = f"figures/{name}"
    save(drawn, out / stem)
    return (Picture(stem, where + FIGURES[name]),)


def _appendix(material: Material, depths: Depths, claims: tuple[Claim, ...], out: Path) -> Iterable[Section]:
    def drawn(name: str, caption: str, figure: Figure) -> tuple[Block, ...]:
        save(figure, out / "figures" / name)
        return (Picture(f"figures/{name}", caption),)

    def figure(task: str, name: str) -> tuple[Block, ...]:
        for one in report_figures(material.analyses[MAIN, task]):
            if one.name == name and (MAIN, task, name) not in DRAWN.values():
                return drawn(f"{task}_{name}", f"{task}. {one.caption}", one.draw())
        return ()

    def all_figures(name: str) -> tuple[Block, ...]:
        return tuple(block for task in material.of(MAIN) for block in figure(task, name))

    yield from short.held_sections(claims)
    yield setting.setting_section(material)
    yield depth.depth_section(depths)
    yield movement.movement_section(material)
    yield depth.language_section(depths, figure("ruclevr_mini", "english"))
    yield images.image_section(material, all_figures("controls"))
    stages = "Share of samples in which gold leads by layer, at each checkpoint of the main line."
    yield depth.training_section(material, drawn("training", stages, figures.training_figure(material)))
    yield errors.prediction_section(material, all_figures("forest"))
    yield errors.prompt_section(material)
    yield errors.format_section(material)
    yield errors.mass_section(material)
    yield decoding.decoder_section(material, all_figures("decoders"))
    yield decoding.abstention_section(material, all_figures("risk_coverage"))
    yield short.claim_section(claims)
    yield literature.literature_section()


def _stats(document: Document, claims: tuple[Claim, ...]) -> str:
    content = {
        "findings": plain.findings(document),
        "tables": plain.tables(document),
        "figures": plain.pictures(document),
        "claims": plain.plain(claims),
    }
    return json.dumps(content, ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=ROOT / "results")
    parser.add_argument("--out", type=Path, default=ROOT / "report")
    args = parser.parse_args()
    build(args.results, args.out)


if __name__ == "__main__":
    main()
