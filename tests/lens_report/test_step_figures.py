"""Figures of written steps: what is drawn is what was planted, and what was not measured is not drawn."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from synthetic import QUICK, Plan, records, run_info

from lens_report import build_report
from lens_report.measures import step_regions, steps, task_runs
from lens_report.measures.step_regions import StepRegions
from lens_report.presentation.figures import causal_matrix, early_answers, step_figures
from lens_report.presentation.language import catalogue, translated_figure
from lens_results import RecordWriter, load, merge

N = 120


def write(folder: Path, planted: Callable[[int, int | None], dict[str, Any]]) -> Path:
    plan = Plan(n=N, per_image=2)
    with RecordWriter(folder, run_info(plan)) as writer:
        for number, record in enumerate(records(plan)):
            writer.append(replace(record, **planted(number, record.gold_candidate)))
    merge(folder, plan.run_id)
    return folder


def chain(number: int, gold: int | None) -> dict[str, Any]:
    """Two steps or three; right from the second on, in every third response of three from the first on."""
    assert gold is not None
    n = 2 + number % 2
    right = [False, n == 3 and number % 3 == 0, *[True] * (n - 1)]
    forced = np.log(np.where(np.eye(2)[gold] == np.asarray(right)[:, None], 0.75, 0.25)).astype(np.float32)
    causes = np.asarray([[0, 0.5, 2.0, *[-0.25] * (n - 1)]], np.float32)
    spans = np.asarray([[8 * each, 8 * each + 3] for each in range(n)], np.float32)
    return {
        "probes": {"steps": {"forced": forced}, "step_causes": {"result": spans, "masked": causes}},
        "probe_status": {"steps": "ok", "step_causes": "ok"},
        "label_free": {"written_steps": float(n)},
    }


def axes_of(figure: Figure) -> Axes:
    (axes,) = figure.axes
    return axes


def texts(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def footnote(figure: Figure) -> str:
    return " ".join(" ".join(text.get_text().split()) for text in figure.texts)


def curves(axes: Axes) -> dict[str, list[float]]:
    lines = {str(line.get_label()): line for line in axes.get_lines()}
    return {name: list(line.get_ydata()) for name, line in lines.items() if not name.startswith("_")}  # type: ignore[arg-type]


def test_early_answers_are_those_planted_by_number_of_steps(tmp_path: Path) -> None:
    (task_run,) = task_runs(load(write(tmp_path, chain)))
    found = steps(task_run)
    assert found is not None and [(one.written, one.n) for one in found.early] == [(2, N // 2), (3, N // 2)]
    early = sum(number % 3 == 0 for number in range(1, N, 2)) / (N // 2)
    figure = early_answers(found)
    drawn = curves(axes_of(figure))
    assert drawn["steps written: 2 (n = 60)"] == pytest.approx([0, 0, 1])
    assert drawn["steps written: 3 (n = 60)"] == pytest.approx([0, early, 1, 1])
    assert all(one.low is not None and one.n_clusters == N // 2 for each in found.early for one in each.right)
    assert "not drawn" not in footnote(figure)


def test_what_is_not_of_every_step_or_has_no_right_candidate_is_not_drawn_and_counted(tmp_path: Path) -> None:
    def planted(number: int, gold: int | None) -> dict[str, Any]:
        found = chain(number, gold)
        if number % 10 == 0:
            found["probes"]["steps"]["read"] = np.asarray([4, 9], np.float32)
        return found | ({"gold_candidate": None} if number % 10 == 1 else {})

    (task_run,) = task_runs(load(write(tmp_path, planted)))
    found = steps(task_run)
    assert found is not None and [(one.written, one.n) for one in found.early] == [(2, 48), (3, 48)]
    assert "24 other responses with steps are not drawn." in footnote(early_answers(found))


def test_of_many_numbers_of_steps_the_most_frequent_are_drawn(tmp_path: Path) -> None:
    def planted(number: int, gold: int | None) -> dict[str, Any]:
        n = min(number // 10, 9)
        forced = np.full((n + 1, 2), np.log(0.5), np.float32)
        return {"probes": {"steps": {"forced": forced}}, "probe_status": {"steps": "ok"},
                "label_free": {"written_steps": float(n)}}  # fmt: skip

    (task_run,) = task_runs(load(write(tmp_path, planted)))
    found = steps(task_run)
    assert found is not None and len(found.early) == 10
    figure = early_answers(found)
    assert [int(name.split()[2]) for name in curves(axes_of(figure))] == [0, 1, 2, 3, 4, 9]
    assert "40 other responses" in footnote(figure)


def test_cells_of_the_matrix_are_those_measured_and_the_others_are_empty(tmp_path: Path) -> None:
    (task_run,) = task_runs(load(write(tmp_path, chain)))
    found = step_regions(task_run)
    assert found is not None
    figure = causal_matrix(found)
    axes = axes_of(figure)
    assert texts(axes) == ["2.00", "n = 120", "−0.25", "n = 120", "−0.25", "n = 60"]
    (image,) = axes.images
    shown = image.get_array()
    assert shown is not None and np.ma.getmaskarray(shown).tolist() == [[False] * 3, [True] * 3, [True] * 3]
    assert "Empty: not measured." in footnote(figure)


def matrix(values: Sequence[Sequence[float]]) -> StepRegions:
    drops = np.asarray(values, np.float64)
    return StepRegions(1, 1, (), (), {}, drops, np.isfinite(drops).astype(np.int64), ())


def test_a_matrix_of_nothing_but_zeros_and_one_of_many_steps_are_drawn() -> None:
    assert texts(axes_of(causal_matrix(matrix([[0.0]])))) == ["0.00", "n = 1"]
    figure = causal_matrix(matrix(np.ones((30, 30)).tolist()))
    assert len(texts(axes_of(figure))) == 2 * 12 * 12
    assert "18 further steps stand in the table alone." in footnote(figure)
    assert list(step_figures(None, matrix([[np.nan]]))) == []


def test_every_word_of_the_figures_has_a_russian_form(tmp_path: Path) -> None:
    (task_run,) = task_runs(load(write(tmp_path, chain)))
    for one in step_figures(steps(task_run), step_regions(task_run)):
        figure = translated_figure(one.draw(), catalogue("ru"))
        axes = axes_of(figure)
        labels = [axes.get_title(loc="left"), axes.get_xlabel(), axes.get_ylabel(), footnote(figure)]
        legend = axes.get_legend()
        labels += [] if legend is None else [text.get_text() for text in legend.get_texts()]
        assert all(re.search("[а-я]", label) for label in labels), labels
        left = re.findall("[A-Za-z]{2,}", " ".join([*labels, catalogue("ru").text(one.caption)]))
        assert set(left) <= {"log"}, left


def test_the_figures_stand_in_their_sections_and_their_numbers_in_stats(tmp_path: Path) -> None:
    report = build_report(write(tmp_path / "run", chain), tmp_path / "out", draws=QUICK)
    text, page = (unescape(path.read_text(encoding="utf-8")) for path in (report.markdown, report.html))
    for title, name in (("What the written steps did", "early_answers"),
                        ("Do the steps look where they say?", "causal_matrix")):  # fmt: skip
        (line,) = re.findall(rf"^!\[(.+)\]\((figures/.+/{name}).png\)$", text.split(f"\n### {title}")[1], re.M)
        assert line[0].replace("\\", "") in page
        assert all((tmp_path / "out" / f"{line[1]}.{kind}").is_file() for kind in ("png", "svg"))
    (own,) = json.loads(report.stats.read_text(encoding="utf-8"))["results"]
    assert own["step_regions"]["matrix"][0] == [2.0, -0.25, -0.25] and own["step_regions"]["matrix"][1][0] is None
    assert [len(one["right"]) for one in own["steps"]["early"]] == [3, 4]
