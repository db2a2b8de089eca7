"""The order of a report: which findings and figures stand under which heading."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from lens_report.measures import Analysis, BeforeAfter, RunComparison
from lens_report.measures.runs import Problem
from lens_report.presentation.document.blocks import Block, Document, Paragraph, Picture, Section, Sentence, bullets
from lens_report.presentation.findings import (
    before_after,
    calibration,
    decoders,
    errors,
    hallucination,
    inputs,
    layers,
    picture,
    question_types,
    score,
    setting,
)
from lens_results import Run

TITLE = "Where the answers appeared"
Pictures = Mapping[str, Picture]


def compose(
    runs: tuple[Run, ...],
    problems: Iterable[Problem],
    parts: Sequence[tuple[Analysis, Pictures]],
    pairs: list[RunComparison],
    over_tasks: Sequence[Picture] = (),
    learning: Sequence[BeforeAfter] = (),
) -> Document:
    """The document of analyses, their pictures (figure name -> picture), comparisons of runs, figures of all tasks.

    `learning`: the same questions before and after something was shown.
    """
    details = [_task_run(analysis, pictures) for analysis, pictures in parts]
    compared = inputs.comparison_blocks(pairs)
    analyses = [analysis for analysis, _ in parts]
    setup = Section("What was run", setting.run_blocks(runs, tuple(problems)))
    table = Section("Score and lens side by side", (setting.table_of_task_runs(analyses),) if analyses else ())
    together = [Section("Where in the picture, task by task", tuple(over_tasks))] if over_tasks else []
    learnt = before_after.before_after_blocks(learning)
    pairwise = [Section("Before and after", learnt)] if learnt else []
    pairwise += [Section("Runs compared on the same samples", compared)] if compared else []
    reading = Section("How to read this report", setting.reading_blocks())
    summary = Section("Summary", (), tuple(_summary([setup, *details, *pairwise])))
    return Document(TITLE, (summary, table, setup, *details, *together, *pairwise, reading))


def _task_run(analysis: Analysis, pictures: Pictures) -> Section:
    """Everything about one task of one run."""
    parts: list[tuple[str, tuple[Block, ...], tuple[str, ...]]] = [
        ("Score, coverage and format errors", score.score_blocks(analysis), ()),
        ("Where the answer appears", layers.layer_blocks(analysis), ("accuracy", "log_odds", "uncertainty")),
        ("From which layer the right answer is there", layers.emergence_blocks(analysis), ("emergence",)),
        (
            "By question type, layer by layer",
            question_types.type_blocks(analysis),
            ("accuracy_by_type", "depth_by_type"),
        ),
        ("Lost and corrected", layers.lost_blocks(analysis), ("lost_and_corrected",)),
        ("Does the lens predict errors?", errors.error_blocks(analysis), ("forest",)),
        ("Errors by layer", errors.layer_error_blocks(analysis), ("auroc_by_layer",)),
        ("By answer given and question type", errors.stratum_blocks(analysis), ("strata",)),
        ("What was not found", errors.not_found_blocks(analysis), ()),
        ("What other decoders would have answered", decoders.decoder_blocks(analysis), ("decoders",)),
        ("Abstaining by stability over the layers", decoders.abstention_blocks(analysis), ("risk_coverage",)),
        ("Can the confidence be trusted?", calibration.calibration_blocks(analysis), ("reliability",)),
        ("Where in the picture", picture.picture_blocks(analysis), ("lift_by_layer", "own_and_null")),
        ("Answers about what is absent", hallucination.hallucination_blocks(analysis), ()),
        ("Controls with another image", inputs.control_blocks(analysis), ("controls",)),
        ("English equivalents by layer", inputs.pivot_blocks(analysis), ("english",)),
    ]
    sections = []
    for title, blocks, names in parts:
        found = tuple(pictures[name] for name in names if name in pictures)
        if blocks or found:
            sections.append(Section(title, (*blocks, *found)))
    return Section(f"{analysis.task_run.task}: {analysis.task_run.label}", (), tuple(sections))


def _summary(sections: Sequence[Section]) -> Iterable[Section]:
    """The headlines of each section, under its title."""
    for section in sections:
        found = [sentence for below in section.walk() for sentence in _sentences(below) if sentence.headline]
        if found:
            yield Section(section.title, bullets(found))


def _sentences(section: Section) -> Iterable[Sentence]:
    for block in section.blocks:
        if isinstance(block, Paragraph):
            yield from block.sentences
