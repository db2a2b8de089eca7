"""Steps against regions in a report: planted records, figures computed by hand, what was not measured."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import ttest_1samp
from synthetic import QUICK, Plan, records, run_info

from lens_report import build_report
from lens_report.measures import task_runs
from lens_report.measures.step_regions import FAITHFUL, IDLE, UNTOLD, StepRegions, Thresholds, chains, step_regions
from lens_report.presentation.language import catalogue
from lens_results import RecordWriter, load, merge

N = 30
OK = {"step_regions": "ok", "step_causes": "ok"}
Rows = list[list[float]]


def write(folder: Path, planted: Callable[[int], dict[str, Any]], n: int = N) -> Path:
    plan = Plan(n=n, per_image=1)
    with RecordWriter(folder, run_info(plan)) as writer:
        for number, record in enumerate(records(plan)):
            writer.append(replace(record, **planted(number)))
    merge(folder, plan.run_id)
    return folder


def causes(masked: Rows, masked_null: Rows, replaced: Rows, replaced_null: Rows) -> dict[str, Any]:
    found = {"masked": masked, "masked null": masked_null, "replaced": replaced, "replaced null": replaced_null}
    arrays = {name: np.asarray(rows, np.float32) for name, rows in found.items() if rows}
    return {"result": np.asarray([[8, 11], [20, 23]], np.float32), **arrays}


def chain(number: int) -> dict[str, Any]:
    """Of the first step result and answer depend; of the second, a comparison, neither; drops differ by sample."""
    own = 2.0 + number / 100
    read = causes(
        masked=[[0, 0.5, own, 0.25]],
        masked_null=[[0, 0.0, 0.01, 9.0], [0, 0.0, -0.03, 9.0]],
        replaced=[[0, 1.0], [0, 3.0], [1, 0.0], [1, 0.0]],
        replaced_null=[[0, 0.02], [1, -0.02]],
    )
    looks = {
        "result": read["result"], "attention": np.asarray([[0, 3.0, 1.0, 0.75]], np.float32),
        "attention null": np.asarray([[0, 1.0 + number % 2, 0.0, 0.5]], np.float32),
    }  # fmt: skip
    return {"probes": {"step_causes": read, "step_regions": looks}, "probe_status": OK}


def found_in(folder: Path) -> StepRegions:
    (task_run,) = task_runs(load(folder))
    found = step_regions(task_run)
    assert found is not None
    return found


def test_figures_are_those_computed_by_hand(tmp_path: Path) -> None:
    found = found_in(write(tmp_path, chain))
    assert (found.n, found.n_causes, found.unread) == (N, N, ())
    # 95 % of 30 times |0.01|, |-0.03|; the drop of the other result under a null box is no null of its own
    assert found.thresholds == 2 * (Thresholds(pytest.approx(0.03), pytest.approx(0.02)),)
    first, second = found.numbers
    own = 2.0 + np.arange(N) / 100
    assert first.result.mean_b == pytest.approx(own.mean()) and first.result.mean_a == pytest.approx(-0.01)
    assert first.result.p_value == pytest.approx(ttest_1samp(own + 0.01, 0).pvalue, rel=1e-4)
    assert first.text.mean_b == pytest.approx(2.0) and first.text.mean_a == pytest.approx(0.02)
    assert first.answer.value == pytest.approx(0.5)
    assert first.looks["lift"].mean_b == 3.0 and first.looks["lift"].mean_a == pytest.approx(1.5)
    assert first.shares[FAITHFUL].value == 1 and second.shares[IDLE].value == 1
    assert found.responses[UNTOLD].value == 1, "one step is faithful and one idle"
    np.testing.assert_allclose(found.matrix, [[own.mean(), 0.25], [np.nan, np.nan]], rtol=1e-6)
    assert found.measured.tolist() == [[N, N], [0, 0]]
    tested = [p for one in found.numbers for p in one.p_holm.values() if p is not None]
    assert first.p_holm["lift"] is not None and max(tested) <= 1
    smallest = min(p for one in found.numbers for p in (one.result.p_value, one.text.p_value) if p is not None)
    assert min(tested) >= smallest


def test_moves_that_cancel_are_no_idle_step(tmp_path: Path) -> None:
    def cancelling(number: int) -> dict[str, Any]:
        rows = causes([[0, 0, 2.0, 0]], [[0, 0, 0, 0]], [[0, 3.0], [0, -3.0], [1, 0.0]], [[0, 0.01], [1, 0.01]])
        return {"probes": {"step_causes": rows}, "probe_status": {"step_causes": "ok"}}

    (task_run,) = task_runs(load(write(tmp_path, cancelling)))
    _, own = chains(task_run)
    assert {each.words for each in own if each} == {(UNTOLD, IDLE)}


def test_a_step_is_held_against_the_nulls_of_steps_at_the_same_distance_from_the_answer(tmp_path: Path) -> None:
    """Another mark before the answer moves it by 5 nats, one before the last step by 0.01; another result by 1."""

    def late(number: int) -> dict[str, Any]:
        rows = causes([[0, 0, 2.0, 0]], [[0, 0, 0, 0]], [[0, 1.0], [1, 1.0]], [[0, 0.01], [1, 5.0]])
        return {"probes": {"step_causes": rows}, "probe_status": {"step_causes": "ok"}}

    (task_run,) = task_runs(load(write(tmp_path, late)))
    thresholds, own = chains(task_run)
    assert [each.text for each in thresholds] == [pytest.approx(5.0), pytest.approx(0.01)]
    assert {each.words for each in own if each} == {(FAITHFUL, IDLE)}


def test_a_step_that_was_not_changed_is_neither(tmp_path: Path) -> None:
    def partial(number: int) -> dict[str, Any]:
        rows = causes([[0, 0, 2.0, 0]], [[0, 0, 0, 0]], [[1, 0.0]], [[0, 0.01], [1, 0.01]])
        why = "partial: no other value fits into the text of step 1"
        return {"probes": {"step_causes": rows}, "probe_status": {"step_causes": why}}

    folder = write(tmp_path, partial)
    found = found_in(folder)
    assert found.n_causes == N and found.unread == ()
    assert found.numbers[0].shares[UNTOLD].value == 1 and found.numbers[1].shares[IDLE].value == 1


def test_with_too_few_nulls_nothing_is_called_anything(tmp_path: Path) -> None:
    found = found_in(write(tmp_path, chain, n=9))
    assert found.thresholds == 2 * (Thresholds(None, None),)
    assert found.responses == {} and all(one.shares == {} for one in found.numbers)
    assert found.numbers[0].result.mean_b is not None


REASONS = [
    "no_program: the document has no lens_steps",
    "other_steps: 2 steps are written, the program has 3",
    "other_steps: step 1 states no result of the kind query_color",
    "bad_form: lens_steps names an object that is none of the 3 in lens_boxes",
    "bad_form: lens_steps is '{'; expected a list of steps with function, objects (numbers of lens_boxes, from 0) and "
    "result",
    "no_box: no step of the program is about an object that has a box",
    "not_kept: the attention at the end of a step was not kept",
    "no_answer: the last step's result is the answer itself",
    "open: there is one candidate alone",
    "non_finite: a log-probability is NaN or infinite",
    "nothing: no step is written before the answer",
]


def test_what_was_not_measured_is_counted_with_its_reason_in_both_languages(tmp_path: Path) -> None:
    def planted(number: int) -> dict[str, Any]:
        if number >= len(REASONS):
            return chain(number)
        return {
            "probe_status": {"step_regions": REASONS[number], "step_causes": "no_answer: the answer was not located"}
        }

    folder = write(tmp_path / "run", planted)
    sections = {}
    for language, title in (
        ("en", "Do the steps look where they say?"),
        ("ru", "Смотрят ли шаги туда, о чём говорят?"),
    ):
        build_report(folder, tmp_path / language, draws=QUICK, language=language)
        text = (tmp_path / language / "report.md").read_text(encoding="utf-8")
        sections[language] = text.split(title)[1].split("\n##")[0].replace("\\", "")
    assert "2 steps are written, the program has 3" in sections["en"]
    assert "step_causes" in sections["en"] and "the answer was not located" in sections["en"]
    for said in ("записано шагов: 2, в программе: 3", "в документе нет lens_steps", "ответ не найден"):
        assert said in sections["ru"]


@pytest.mark.parametrize("reason", [*REASONS, "partial: no other value fits into the text of step 4"])
def test_every_reason_has_a_russian_form(reason: str) -> None:
    text = catalogue("ru").text(reason.partition(": ")[2])
    names = {"lens_steps", "lens_boxes", "query_color", "function", "objects", "result", "log", "p", "NaN"}
    assert set(re.findall("[A-Za-z_]+", text)) <= names and re.search("[а-я]{4}", text)


def test_where_steps_look_stands_alone_where_nothing_was_run_again(tmp_path: Path) -> None:
    def looking(number: int) -> dict[str, Any]:
        own = chain(number)
        return {"probes": {"step_regions": own["probes"]["step_regions"]}, "probe_status": {"step_regions": "ok"}}

    folder = write(tmp_path / "run", looking)
    found = found_in(folder)
    assert (found.n, found.n_causes) == (N, 0)
    build_report(folder, tmp_path / "out", draws=QUICK)
    text = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    section = text.split("Do the steps look where they say?")[1].split("\n##")[0]
    assert "was not read" in section and "in other steps' boxes" in section and "another mark" not in section
