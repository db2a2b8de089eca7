"""What stands in the paper: the first sentences and figures of each part of the report, and what limits them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lens_report.measures import Analysis
from lens_report.measures.runs import Problem
from lens_report.measures.task_run import labels_of
from lens_report.presentation.document.blocks import Document, Paragraph, Picture, Section
from lens_report.presentation.document.shown import interval, percent, scientific
from lens_report.presentation.language import ENGLISH, Catalogue
from lens_results import Run

PARTS = (
    "Where in the picture", "From which layer the right answer is there",
    "By question type, layer by layer", "Does the lens predict errors?", "Lost and corrected",
    "Controls with another image", "Answers about what is absent", "Where the answer appears", "Errors by layer",
    "Can the confidence be trusted?", "What other decoders would have answered",
    "Abstaining by stability over the layers", "English equivalents by layer",
)  # fmt: skip
"""Sections of the report whose headlines are findings, the ones that go into a short paper first."""
FIGURES = {
    "own_and_null": True, "accuracy": False, "lift_by_layer": True,
    "accuracy_by_type": True, "forest": False,
}  # fmt: skip
"""Figures of a task, likewise: name -> whether it takes the width of the page."""

NO_TRAINING = (
    "How the model was trained is not in the records, and nothing was said about it (mmlens paper --about FILE)."
)
LIMITS = (
    "A logit lens reads hidden states by a projection that was not trained for them; where it reads nothing, something "
    "may be there all the same. What it shows is associated with answers and errors. Only the drops under masks are "
    "effects of a change that was made.",
    "Intervals are 95 %, with all questions about one picture or video as one observation; tests are corrected over "
    "their families, which the full report lists (mmlens report). Everything here comes from these runs and tasks.",
)
LABELS = {
    "model": "Model and training", "tasks": "Tasks and scores", "method": "Method", "findings": "Findings",
    "limits": "Limits", "run": "run", "task": "task", "samples": "samples", "clusters": "clusters", "score": "score",
    "read": "read", "layer": "layer",
    "note": "Score with 95 % interval; read: share of samples with a readout; layer: by which half of the samples that "
    "ever get there have the right answer to stay.",
}  # fmt: skip
"""What the template says itself."""


@dataclass(frozen=True)
class Size:
    """How much of a run goes into the paper.

    Attributes:
        sentences: Findings of each part of each task.
        figures: Of all tasks together.
    """

    sentences: int
    figures: int


SIZES = (Size(5, 4), Size(4, 4), Size(4, 3), Size(3, 3), Size(2, 3), Size(2, 2), Size(1, 2), Size(1, 1))
"""From the most to the least; the first that fits is taken."""


def content(
    runs: Sequence[Run],
    analyses: Sequence[Analysis],
    document: Document,
    problems: Iterable[Problem],
    about: str,
    size: Size,
    texts: Catalogue = ENGLISH,
) -> dict[str, Any]:
    """JSON values of the paper; every text is shown as it is, without markup.

    Args:
        runs: What was run.
        analyses: Of all their tasks.
        document: Of the report on them, in the language of the paper.
        problems: What could not be read.
        about: What its reader should know of the model and its training, from the user; empty for nothing.
        size: How much of it.
        texts: Of the paper's language.
    """
    shown, left_out = _findings(analyses, document, size.sentences, [texts.text(title) for title in PARTS])
    title = f"{_listed(labels_of(runs))}: layer by layer on {_listed([one.task_run.task for one in analyses])}"
    limits = [*LIMITS, *_unmeasured(analyses), *(f"Not read: {each.message}" for each in problems)]
    return {
        "language": texts.language,
        "labels": {name: texts.text(label) for name, label in LABELS.items()},
        "title": texts.text(title),
        "runs": [run.info.run_id for run in runs],
        "models": [[list(map(texts.text, row)) for row in _model(run)] for run in runs],
        "about": about.strip().split("\n\n") if about.strip() else [texts.text(NO_TRAINING)],
        "method": [texts.text(text) for text in _method(runs)],
        "scores": [_score(one) for one in analyses],
        "findings": shown,
        "left_out": texts.text(f"{left_out} further findings stand in the full report.") if left_out else "",
        "figures": _figures(document, size.figures),
        "limits": [texts.text(text) for text in limits],
    }


def _listed(names: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(names))


def _model(run: Run) -> list[list[str]]:
    model, harness = run.info.model, run.info.harness
    known = {
        "checkpoint": model.name_or_path,
        "class": model.model_class,
        **(_layers(run) if run.info.has_layers else {"layers read": "none, the model is behind a server"}),
        "harness": f"{harness.name} {harness.version}".strip(),
    }
    return [[name, str(value)] for name, value in known.items() if value]


def _layers(run: Run) -> dict[str, str | None]:
    model = run.info.model
    width = f" of width {model.hidden_size}" if model.hidden_size else ""
    return {
        "decoder": f"{model.n_layers} blocks{width}",
        "dtype": model.dtype,
        "layers read": f"{len(run.info.lens.layer_index)} of {model.n_layers}",
        "readout against own logits": scientific(run.info.identity.load_deviation).text,
    }


def _method(runs: Sequence[Run]) -> Iterator[str]:
    if not all(run.info.has_layers for run in runs):
        yield (
            "Models behind a server give no layers. Of their answers the text is kept, with the log-probabilities that "
            "the server lists at the answer, and figures that these determine for certain."
        )
    if not any(run.info.has_layers for run in runs):
        return
    yield (
        "While the harness generates or scores as it always does, the residual stream at the position that predicts "
        "the answer is read after every block through the model's own final norm and head (logit lens). The readout of "
        "the last block is compared with the model's own logits when the model is loaded and on each sample; the table "
        "has the largest deviation at load."
    )
    controls = _listed(name for run in runs for name in run.info.lens.controls)
    if controls:
        yield f"Each answer was read again under other inputs: {controls}."
    probes = _listed(name for run in runs for name in run.probes if name not in ("tokens", "video_tokens"))
    if probes:
        yield (
            f"Beside the layers: {probes}. Maps over image tokens are held against the boxes or tracks of what is "
            "asked about, and against null boxes of the same size and distance from the centre, or the same path at "
            "another time."
        )


def _score(one: Analysis) -> list[str]:
    scores, overview = one.scores, one.overview
    value = interval(scores.score, share=True).text
    n = scores.score.n if scores.score is not None else len(one.task_run.frame)
    clusters = scores.score.n_clusters if scores.score is not None else None
    found = one.emergence
    return [
        one.task_run.task, str(n), "–" if clusters is None else str(clusters), value,
        percent(overview.coverage.value).text, interval(found.stable.median if found else None, 0).text,
    ]  # fmt: skip


def _findings(
    analyses: Sequence[Analysis], document: Document, most: int, parts: Sequence[str]
) -> tuple[list[dict[str, Any]], int]:
    """The first headlines of each part of each task, and how many there are beyond these."""
    found, left_out = [], 0
    titles = {f"{one.task_run.task}: {one.task_run.label}": one.task_run.task for one in analyses}
    for section in document.sections:
        if section.title not in titles:
            continue
        below = {part.title: list(_headlines(part)) for part in section.sections}
        sentences = []
        for title in parts:
            sentences += below.get(title, [])[:most]
            left_out += len(below.get(title, [])[most:])
        if sentences:
            found.append({"task": titles[section.title], "sentences": sentences})
    return found, left_out


def _headlines(section: Section) -> Iterator[str]:
    for block in section.blocks:
        if isinstance(block, Paragraph):
            yield from (sentence.text for sentence in block.sentences if sentence.headline)


def _figures(document: Document, most: int) -> list[dict[str, Any]]:
    """By how early they come in `FIGURES`, task by task: `path` of the SVG below the folder, `caption`, `wide`."""
    pictures = [block for _, block in document.blocks() if isinstance(block, Picture)]
    order = list(FIGURES)
    known = [(_name(block), place, block) for place, block in enumerate(pictures) if _name(block) in FIGURES]
    chosen = sorted(known, key=lambda one: (order.index(one[0]), one[1]))[:most]
    return [
        {"path": f"{block.stem}.svg", "caption": _captioned(block), "wide": FIGURES[name]} for name, _, block in chosen
    ]


def _name(block: Picture) -> str:
    return block.stem.rsplit("/", 1)[-1]


def _captioned(block: Picture) -> str:
    folder = block.stem.split("/")[-2] if block.stem.count("/") > 1 else ""
    task = folder.rsplit("_", 1)[0]
    return f"{task}: {block.caption}" if task else block.caption


def _unmeasured(analyses: Sequence[Analysis]) -> Iterator[str]:
    """One sentence for each task that lacks something, with the most frequent reasons."""
    for one in analyses:
        missing = Counter[str]()
        for each in one.picture.unmeasured if one.picture is not None else ():
            missing[f"{each.probe} ({each.status})"] += each.n
        if missing:
            parts = "; ".join(f"{name}: {n} samples" for name, n in missing.most_common(4))
            yield f"Not measured on {one.task_run.task}: {parts}."
