from __future__ import annotations

import numpy as np
import pytest
from answer_sets import made_set
from scipy.stats import t as student

from lens_report.stats.label_free import LEFT_OUT, METHODS, Placed, compare_errors, held_out

MODELS, DATA = ("m0", "m1", "m2"), tuple(f"{family}_{k}" for family in ("pope", "clevr") for k in range(6))


@pytest.fixture(scope="module")
def sets() -> list[Placed]:
    rng = np.random.default_rng(1)
    found = []
    for model in MODELS:
        gap = float(rng.uniform(0, 1.5))
        for data in DATA:
            answers = made_set(rng, 60, level=float(rng.uniform(0, 2)), overconfidence=gap, name=f"{model}, {data}")
            found.append(Placed(model, data, data.split("_")[0], answers))
    return found


@pytest.mark.parametrize(
    ("left_out", "count"), [("set", len(DATA) - 1), ("benchmark", len(DATA) // 2), ("model", len(MODELS) - 1)]
)
def test_what_is_left_out_does_not_speak(sets: list[Placed], left_out: str, count: int) -> None:
    speaks = LEFT_OUT[left_out][1]
    found = held_out(sets, speaks, [METHODS["mean"], METHODS["doc"]])
    for place, target in enumerate(sets):
        used = [each for each in sets if speaks(each, target)]
        assert len(used) == count
        assert target not in used
        assert found.predicted["mean"][place] == pytest.approx(np.mean([each.answers.accuracy for each in used]))
        gaps = np.mean([each.answers.confidence.mean() - each.answers.accuracy for each in used])
        expected = target.answers.confidence.mean() - gaps
        assert found.predicted["doc"][place] == pytest.approx(expected, abs=0.05), "clipped at most"


def test_errors_are_paired_and_clustered_by_questions(sets: list[Placed]) -> None:
    found = held_out(sets, LEFT_OUT["set"][1], [METHODS[name] for name in ("mean", "ac", "doc", "p_correct")])
    rows = {row.method: row for row in compare_errors(found)}
    errors = {name: np.abs(found.predicted[name] - found.accuracy) for name in rows}
    gap = (errors["ac"] - errors["doc"]).reshape(len(MODELS), len(DATA))
    sums = (gap - gap.mean()).sum(axis=0)
    error = np.sqrt(len(DATA) / (len(DATA) - 1) * np.sum(sums**2)) / gap.size
    difference = rows["ac"].against["doc"].difference
    half = student.ppf(0.975, len(DATA) - 1) * error
    assert [difference.value, difference.low, difference.high] == pytest.approx(
        [gap.mean(), gap.mean() - half, gap.mean() + half]
    )
    assert rows["ac"].error.value == pytest.approx(errors["ac"].mean())
    assert set(rows["doc"].against) == {"mean"}
    raw = rows["ac"].against["doc"].p_value
    assert raw is not None and rows["ac"].p_holm["doc"] is not None
    assert raw <= rows["ac"].p_holm["doc"] <= 3 * raw + 1e-12


def test_refused_sets_are_counted_and_left_out_of_the_accepted(sets: list[Placed]) -> None:
    rng = np.random.default_rng(2)
    odd = Placed("m0", "odd", "odd", made_set(rng, 60, level=-5.0, name="odd"))
    found = held_out([*sets, odd], LEFT_OUT["set"][1], [METHODS["doc"]])
    (row,) = compare_errors(found)
    assert found.refused["doc"][-1]
    kept = ~found.refused["doc"]
    assert row.n == len(sets) + 1
    assert row.n_refused == int((~kept).sum()) < row.n / 4
    assert row.accepted.value == pytest.approx(found.errors("doc")[kept].mean())


def test_a_method_that_is_not_defined_has_no_error(sets: list[Placed]) -> None:
    found = held_out(sets, LEFT_OUT["model"][1], [METHODS["profile"], METHODS["doc"]])
    assert np.isnan(found.predicted["profile"]).all(), "two other models are too few"
    row = compare_errors(found)[0]
    assert (row.n, row.error.value) == (0, None)
