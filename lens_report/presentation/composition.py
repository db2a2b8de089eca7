"""The order of a report: which findings and figures stand under which heading."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from lens_report.measures import Analysis, BeforeAfter, RunComparison
from lens_report.measures.effects import Effect
from lens_report.measures.runs import Problem
from lens_report.presentation.document.blocks import Block, Document, Paragraph, Picture, Section, Sentence, bullets
from lens_report.presentation.findings import (
    before_after,
    calibration,
    decoders,
    effects,
    errors,
    hallucination,
    inputs,
    layers,
    picture,
    question_types,
    score,
    served,
    setting,
    step_regions,
    steps,
    turns,
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
    changed: Sequence[Effect] = (),
) -> Document:
    """The document of analyses, their pictures (figure name -> picture), comparisons of runs, figures of all tasks.

    `learning`: the same questions before and after something was shown. `changed`: runs under interventions.
    """
    details = [_task_run(analysis, pictures) for analysis, pictures in parts]
    compared = inputs.comparison_blocks(pairs)
    analyses = [analysis for analysis, _ in parts]
    setup = Section("What was run", setting.run_blocks(runs, tuple(problems)))
    table = Section("Score and lens side by side", (setting.table_of_task_runs(analyses),) if analyses else ())
    together = [Section("Where in the picture, task by task", tuple(over_tasks))] if over_tasks else []
    learnt = before_after.before_after_blocks(learning)
    pairwise = [Section("Before and after", learnt)] if learnt else []
    helping = effects.effect_blocks(changed)
    pairwise += [Section("What would help", helping)] if helping else []
    pairwise += [Section("Runs compared on the same samples", compared)] if compared else []
    reading = Section("How to read this report", setting.reading_blocks())
    hero = next((pictures["accuracy"] for _, pictures in parts if "accuracy" in pictures), None)
    said = setting.definition() if any(run.info.has_layers for run in runs) else ()
    first = (*said, *(() if hero is None else (hero,)))
    summary = Section("Summary", first, tuple(_summary([setup, *details, *pairwise])))
    return Document(TITLE, (summary, table, setup, *details, *together, *pairwise, reading))


_ERRORS = {True: "Does the lens predict errors?", False: "Does final confidence predict errors?"}
_OF_LAYERS = (
    layers.layer_blocks,
    layers.emergence_blocks,
    question_types.type_blocks,
    layers.lost_blocks,
    errors.layer_error_blocks,
    errors.not_found_blocks,
    decoders.decoder_blocks,
    decoders.abstention_blocks,
    picture.picture_blocks,
    inputs.control_blocks,
    inputs.pivot_blocks,
)
"""Sections that a run without layers has not."""


def _task_run(analysis: Analysis, pictures: Pictures) -> Section:
    """Everything about one task of one run."""
    parts: list[tuple[str, Callable[[Analysis], tuple[Block, ...]], tuple[str, ...]]] = [
        ("Score, coverage and format errors", score.score_blocks, ()),
        ("What the server gave", served.served_blocks, ()),
        ("Where the answer appears", layers.layer_blocks, ("accuracy", "log_odds", "uncertainty")),
        ("From which layer the right answer is there", layers.emergence_blocks, ("emergence",)),
        (
            "By question type, layer by layer",
            question_types.type_blocks,
            ("accuracy_by_type", "depth_by_type"),
        ),
        ("By turn of the dialogue", turns.turn_blocks, ()),
        ("Lost and corrected", layers.lost_blocks, ("lost_and_corrected",)),
        (_ERRORS[analysis.task_run.has_layers], errors.error_blocks, ("forest",)),
        ("Errors by layer", errors.layer_error_blocks, ("auroc_by_layer",)),
        ("By answer given and question type", errors.stratum_blocks, ("strata",)),
        ("What was not found", errors.not_found_blocks, ()),
        ("What other decoders would have answered", decoders.decoder_blocks, ("decoders",)),
        ("Abstaining by stability over the layers", decoders.abstention_blocks, ("risk_coverage",)),
        ("Can the confidence be trusted?", calibration.calibration_blocks, ("reliability",)),
        ("What the written steps did", steps.step_blocks, ("early_answers",)),
        ("Do the steps look where they say?", step_regions.step_region_blocks, ("causal_matrix",)),
        ("Where in the picture", picture.picture_blocks, ("lift_by_layer", "own_and_null")),
        ("Answers about what is absent", hallucination.hallucination_blocks, ()),
        ("Controls with another image", inputs.control_blocks, ("controls",)),
        ("English equivalents by layer", inputs.pivot_blocks, ("english",)),
    ]
    sections = []
    for title, blocks_of, names in parts:
        if blocks_of in _OF_LAYERS and not analysis.task_run.has_layers:
            continue
        blocks = blocks_of(analysis)
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
