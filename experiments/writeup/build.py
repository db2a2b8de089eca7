"""Write report/ from results/: ``python -m experiments.writeup.build``. Reads records alone; no model is run."""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Iterable
from pathlib import Path

from matplotlib.figure import Figure

from experiments.writeup import decoding, depth, errors, figures, images, literature, movement, remedies, setting, short
from experiments.writeup.claims import Claim
from experiments.writeup.hypotheses import Depths, all_claims
from experiments.writeup.material import DRAWS, MAIN, Material, read_material
from lens_report import Draws, ExplorerLimits
from lens_report.presentation.document import plain
from lens_report.presentation.document.blocks import Block, Document, Picture, Section
from lens_report.presentation.document.html import render_html
from lens_report.presentation.document.markdown import markdown
from lens_report.presentation.explorer.payload import explorer_data
from lens_report.presentation.figures import report_figures, save

TITLE = "Where a small vision-language model finds its answers"
ROOT = Path(__file__).parents[2]
EXPLORED = 500
"""Samples in the explorer."""


def build(results: Path, out: Path, draws: Draws = DRAWS) -> Document:
    """Write README.md, index.html, stats.json and figures/ below `out`; an older figures folder is replaced."""
    material = read_material(results, draws)
    shutil.rmtree(out / "figures", ignore_errors=True)
    out.mkdir(parents=True, exist_ok=True)
    depths = Depths(material)
    claims = all_claims(material, depths)
    document = Document(TITLE, tuple(_sections(material, depths, claims, out)))
    (out / "README.md").write_text(markdown(document), encoding="utf-8")
    (out / "stats.json").write_text(_stats(document, claims), encoding="utf-8")
    explored = [one.task_run for one in material.of(MAIN).values()]
    data = explorer_data(explored, ExplorerLimits(samples=EXPLORED, image_bytes=3_000_000))
    (out / "index.html").write_text(render_html(document, data, out), encoding="utf-8")
    return document


def _sections(material: Material, depths: Depths, claims: tuple[Claim, ...], out: Path) -> Iterable[Section]:
    def drawn(name: str, caption: str, figure: Figure) -> tuple[Block, ...]:
        save(figure, out / "figures" / name)
        return (Picture(f"figures/{name}", caption),)

    def figure(task: str, name: str) -> tuple[Block, ...]:
        for one in report_figures(material.analyses[MAIN, task]):
            if one.name == name:
                return drawn(f"{task}_{name}", f"{task}. {one.caption}", one.draw())
        return ()

    def all_figures(name: str) -> tuple[Block, ...]:
        return tuple(block for task in material.of(MAIN) for block in figure(task, name))

    yield short.summary_section(claims)
    yield setting.method_section(material)
    yield setting.setting_section(material)
    concepts = "Accuracy above shuffled answers by layer, a panel for each concept, English and Russian side by side."
    yield depth.depth_section(depths, drawn("concepts", concepts, figures.concept_figure(depths)))
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
    yield remedies.remedy_section(material, depths)
    yield short.claim_section(claims)
    yield literature.literature_section()
    yield setting.outlook_section(claims)


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
