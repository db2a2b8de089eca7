from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from answer_sets import made_set
from scipy.stats import t as student
from shift_simulation import Kind, covered

from lens_report.stats.label_free import METHODS, AnswerSet, outside, over_sets, predict, sampling_draws
from lens_report.stats.label_free.intervals import sampling_interval
from lens_report.stats.label_free.shift import FEW_SETS_LIMIT
from lens_report.stats.results import Sizes


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(4)


def exchangeable(rng: np.random.Generator, count: int) -> list[AnswerSet]:
    """Sets of random level and overconfidence."""
    return [
        made_set(
            rng, 100, level=float(rng.uniform(0, 2)), overconfidence=float(rng.uniform(-0.5, 1.5)), name=f"set {place}"
        )
        for place in range(count)
    ]


def test_the_interval_is_that_of_the_draws_on_the_logit_scale(rng: np.random.Generator) -> None:
    draws = 0.8 + 0.03 * rng.normal(size=500)
    found = sampling_interval(0.8, draws, Sizes(100, 40))
    half = student.ppf(0.975, 39) * draws.std(ddof=1) * np.sqrt(40 / 39) / (0.8 * 0.2)
    ends = [1 / (1 + np.exp(-(np.log(4) + sign * half))) for sign in (-1, 1)]
    assert [found.low, found.high] == pytest.approx(ends, abs=1e-12)


def test_why_there_is_no_interval_is_said(rng: np.random.Generator) -> None:
    draws = rng.random(100)
    assert "9 clusters, at least 10" in sampling_interval(0.5, draws, Sizes(30, 9)).note
    assert "all or none" in sampling_interval(1.0, draws, Sizes(30, 30)).note
    lost = np.where(np.arange(100) < 20, np.nan, draws)
    found = sampling_interval(0.5, lost, Sizes(30, 30), "few sets")
    assert found.note == "few sets; no interval: the method is not defined in 20 of 100 draws"


def test_draws_of_average_confidence_are_those_of_its_clusters(rng: np.random.Generator) -> None:
    target = made_set(rng, 200, per_cluster=4)
    draws = sampling_draws(METHODS["ac"], [], target, n_draws=2000)
    sums = target.clusters.sums(target.confidence - target.confidence.mean()) / 200
    assert draws.std() == pytest.approx(np.sqrt(np.sum(sums**2)), rel=0.1)
    assert draws.mean() == pytest.approx(target.confidence.mean(), abs=0.005)


def test_errors_over_sets_are_those_of_leaving_one_out(rng: np.random.Generator) -> None:
    sets = exchangeable(rng, 7)
    errors = []
    for place, each in enumerate(sets):
        others = sets[:place] + sets[place + 1 :]
        gap = np.mean([other.confidence.mean() - other.accuracy for other in others])
        errors.append(abs(each.confidence.mean() - gap - each.accuracy))
    found = over_sets(METHODS["doc"], sets)
    assert found is not None
    assert found.half_width == pytest.approx(max(errors), abs=1e-12)
    assert (found.level, found.n_sets) == (7 / 8, 7)
    assert over_sets(METHODS["doc"], sets[:4]) is None


def test_the_interval_over_sets_holds_exchangeable_sets() -> None:
    """With 20 sets the error of the 21st keeps to the largest of theirs with probability 20/21."""
    rng, hits = np.random.default_rng(11), 0
    for _ in range(200):
        sets = exchangeable(rng, 21)
        target, sources = sets[0], sets[1:]
        found = over_sets(METHODS["doc"], sources)
        assert found is not None and found.level == 0.95
        hits += abs(METHODS["doc"].fit(sources, None).accuracy(target) - target.accuracy) <= found.half_width
    assert 0.92 <= hits / 200 <= 0.99


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    ("method", "kind", "n_sources", "shifts"),
    [
        ("ac", Kind(), 1, 600),
        ("doc", Kind(0.15), 1, 200),
        ("doc", Kind(0.15), 3, 200),
        ("atc", Kind(sharp=True), 1, 200),
        ("p_correct", Kind(0.15), 3, 200),
    ],
)
def test_intervals_cover_under_the_shift_that_a_method_assumes(
    method: str, kind: Kind, n_sources: int, shifts: int
) -> None:
    """Of 200 shifts the share itself is off by 1.5 points; the cheapest method has more of them."""
    assert covered(method, kind, shifts=shifts, n_sources=n_sources) == pytest.approx(0.95, abs=0.03)


def test_a_concept_shift_is_neither_seen_nor_covered() -> None:
    """The same confidences, but an answer is right less often: nothing without labels can know (docs/predict.md)."""
    rng = np.random.default_rng(3)
    sources = [Kind().draw(rng, level, name=str(level)) for level in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)]
    target = Kind(gap=0.2).draw(rng, 0.5)
    for name in ("ac", "doc", "p_correct"):
        found = predict(target, sources, METHODS[name], n_draws=100)
        assert not found.outside.refused
        assert found.estimate.low is not None
        assert found.estimate.low > target.accuracy, "wrong, and sure of it"


# --- refusal


def test_the_distance_is_the_largest_gap_of_the_distribution_functions(rng: np.random.Generator) -> None:
    source, target = made_set(rng), made_set(rng, level=-1.0, n=70)
    found = outside([source], target, ("confidence", "noise"))
    gaps = {}
    for name in ("confidence", "noise"):
        one, other = source.scores[name], target.scores[name]
        gaps[name] = max(abs(np.mean(one <= at) - np.mean(other <= at)) for at in [*one, *other])
    assert found.distance == pytest.approx(max(gaps.values()), abs=1e-12)
    assert found.score == "confidence"
    assert found.limit == pytest.approx(FEW_SETS_LIMIT + 1.358 * np.sqrt(1 / 120 + 1 / 70))
    assert "a convention for fewer than 5 labelled sets" in found.reason


def test_a_set_like_the_labelled_ones_is_rarely_refused() -> None:
    """By chance in 1 of S + 1 cases at most."""
    rng = np.random.default_rng(8)
    refused = 0
    for _ in range(200):
        sets = exchangeable(rng, 9)
        refused += outside(sets[1:], sets[0], ("confidence",)).refused
    assert refused / 200 <= 1 / 9 + 2 * np.sqrt(8 / 81 / 200)


def test_a_set_far_from_all_labelled_ones_gets_no_number_unless_forced(rng: np.random.Generator) -> None:
    sources = [made_set(rng, level=0.2 * place, name=f"set {place}") for place in range(6)]
    target = made_set(rng, level=-6.0)
    refused = predict(target, sources, METHODS["doc"])
    assert refused.estimate.value is None
    assert refused.over_sets is None
    assert refused.estimate.note.startswith("refused: the distribution of confidence differs")
    assert "beyond the limit" in refused.estimate.note
    forced = predict(target, sources, METHODS["doc"], force=True, n_draws=50)
    assert forced.forced
    assert forced.estimate.value is not None
    assert forced.over_sets is not None
    inside = predict(sources[2], [*sources[:2], *sources[3:]], METHODS["doc"], force=True, n_draws=50)
    assert not inside.forced


def test_the_mean_of_the_labelled_sets_looks_at_nothing_and_refuses_nothing(rng: np.random.Generator) -> None:
    sources = [made_set(rng, name=str(place)) for place in range(5)]
    found = predict(made_set(rng, level=-6.0), sources, METHODS["mean"], n_draws=50)
    assert found.estimate.value is not None
    assert found.outside.reason == "no score is looked at, so no shift can be seen"


def test_what_is_missing_is_said(rng: np.random.Generator) -> None:
    target = made_set(rng)
    assert predict(target, [], METHODS["doc"]).estimate.note == "no labelled set was given"
    few = [made_set(rng, name=str(place)) for place in range(2)]
    assert "at least 4 of them, found 2" in predict(target, few, METHODS["profile"]).estimate.note
    note = predict(target, few, METHODS["doc"], force=True, n_draws=20).estimate.note
    assert note == "2 labelled sets are too few to tell the error on a new one"
    bare = replace(target, shares=None)
    assert "needs candidates, made has none" in predict(bare, few, METHODS["cot"]).estimate.note
