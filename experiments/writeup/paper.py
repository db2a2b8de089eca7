"""The paper itself: at most eight pages, written for a reader who has not seen the code."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from experiments.writeup import setting, short
from experiments.writeup.claims import Claim
from experiments.writeup.comparison import comparison_section
from experiments.writeup.findings import Draw, finding_sections
from experiments.writeup.hypotheses import Depths
from experiments.writeup.material import MAIN, SEEDS, Material
from experiments.writeup.measured_remedies import measured_section
from experiments.writeup.remedies import remedy_section
from lens_report.presentation.document.blocks import Section, Table, bullets, paragraph, say
from lens_report.presentation.document.shown import count, interval, of_all, words

IN_SHORT, FINDINGS = "In short", "What was found"


def paper_sections(
    material: Material, depths: Depths, claims: tuple[Claim, ...], figure: Draw, results: Path
) -> Iterator[Section]:
    """The sections in order."""
    found = finding_sections(material, depths, claims, figure)
    yield _opening(claims, found)
    yield _question()
    yield _read(material)
    yield Section(FINDINGS, (), found)
    yield short.silent_section(claims)
    yield remedy_section(material, depths)
    yield from measured_section(results)
    yield _limits(material)
    yield comparison_section(material, claims)
    yield setting.outlook_section(claims)


def _opening(claims: tuple[Claim, ...], found: tuple[Section, ...]) -> Section:
    titles = bullets([say("{finding}.", finding=words(one.title), headline=True) for one in found])
    return Section(IN_SHORT, (*short.opening(claims), *titles))


def _question() -> Section:
    return Section(
        "The question",
        paragraph(
            say(
                "A vision-language model answers a question about a picture, and its score says how often it is right. "
                "It does not say whether the answer came from the picture, at which depth of the network it was "
                "settled, or whether the model could have known that it was wrong."
            ),
            say(
                "The logit lens reads an answer from every layer. It is easy to build and easy to believe too much: "
                "curves are drawn without chance levels, metrics are called predictors of error without asking what "
                "the last layer already says, and the best of many settings is reported on the samples that chose it."
            ),
            say(
                "Here the readout is proven on every run, each claim has a control and a correction for the number of "
                "claims, and what was not shown is listed beside what was."
            ),
        ),
    )


def _read(material: Material) -> Section:
    """Method and runs, with a table of the main run alone."""
    rows = tuple(
        (
            words(task), count(one.overview.n), count(one.overview.n_groups), interval(one.scores.score, share=True),
            interval(one.scores.by_name["lens verdict"], share=True), of_all(one.overview.coverage),
        )
        for task, one in material.of(MAIN).items()
    )  # fmt: skip
    columns = ("task", "questions", "pictures", "score", "right in whatever form", "read out")
    method, runs = setting.method_section(material), setting.setting_section(material)
    about = paragraph(
        say(
            "Existence (pope_mini) and composition (clevr_mini) are asked in English, composition again in Russian "
            "(ruclevr_mini), and whether a scene is strange in Russian (weird_mini); {n} further runs are other "
            "seeds, checkpoints and prompts.",
            n=count(len(material.runs) - 1),
        ),
        say(
            "{seeds} models of other seeds answer the two English tasks, so that a finding of the main run can be "
            "asked again.",
            seeds=count(sum(name in material.runs for name in SEEDS)),
        ),
    )
    return Section("What was read", (*method.blocks, *runs.blocks[:1], *about, Table("main_run", columns, rows)))


def _limits(material: Material) -> Section:
    layers = next(iter(material.of(MAIN).values())).task_run.n_layers
    return Section(
        "Limits",
        bullets(
            [
                say(
                    "One small model family of {layers} layers, trained on generated scenes. Nothing is claimed about "
                    "models that people use.",
                    layers=count(layers),
                ),
                say(
                    "The seeds share a vision tower and were trained on fewer kinds of questions, so they repeat the "
                    "English findings alone; the Russian ones stand on one model."
                ),
                say(
                    "Starred hypotheses were added when runs had been read. They are corrected together with the "
                    "others, and still count for less."
                ),
                say(
                    "A lens is a fixed linear map. What it does not show may be there, and what it shows need not be "
                    "used; the masks of image tokens are the only part that intervenes."
                ),
                say(
                    "Early layers put little probability on the candidates, and a candidate with more spellings leads "
                    "there by its number of tokens; accuracy is therefore always held against shuffled answers."
                ),
                say("Answers have one or two tokens. Captions and long reasoning were not read for this report."),
            ]
        ),
    )
