from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from tolerances import near

from lens_report.stats import Clusters, Leaders, above_chance, depth_difference, precedence

LAYERS = np.arange(1, 11)


def own(n: int) -> Clusters:
    return Clusters.of(np.arange(n))


def shared(n: int, m: int, per_cluster: int) -> tuple[Clusters, Clusters]:
    """Two kinds of samples of the same images."""
    groups = Clusters.of(np.concatenate([np.arange(n), np.arange(m)]) // per_cluster)
    first = np.arange(n + m) < n
    return groups.at(first), groups.at(~first)


def test_precedence_by_hand() -> None:
    a, b = [1.0, 3.0, np.nan], [2.0, np.nan]
    pairs = [np.sign(np.nan_to_num(y, nan=99) - np.nan_to_num(x, nan=99)) for x, y in product(a, b)]
    found = precedence(a, b, *shared(3, 2, 1))
    assert found.lead.value == pytest.approx(np.mean(pairs))
    assert found.lead.n == 5
    assert found.p_value is None


def test_an_order_that_is_the_same_in_every_image_has_no_p_value_whatever_its_sums_round_to() -> None:
    a, b = np.tile([1.0, 3.0, 4.0], 12), np.tile([2.0, 2.0, 3.0, 5.0, 6.0, 6.0, 6.0], 12)
    clusters = [Clusters(np.repeat(np.arange(12), size // 12), 12) for size in (a.size, b.size)]
    found = precedence(a, b, *clusters)
    assert (found.lead.low, found.p_value) == (None, None)
    assert found.lead.note == "no interval: the order is the same in all clusters"


def test_precedence_of_kinds_in_a_certain_order() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.integers(1, 4, 60).astype(float), rng.integers(3, 8, 60).astype(float)
    found = precedence(a, b, *shared(60, 60, 2))
    assert found.lead.value is not None
    assert found.lead.value > 0.8
    assert found.p_value is not None
    assert found.p_value < 1e-6
    back = precedence(b, a, *reversed(shared(60, 60, 2)))
    assert back.lead.value == pytest.approx(-found.lead.value)
    assert back.p_value == pytest.approx(found.p_value)


def test_precedence_error_agrees_with_the_bootstrap_of_clusters() -> None:
    rng = np.random.default_rng(3)
    image = np.repeat(np.arange(60), 3)
    effect = rng.normal(size=60)[image]
    a, b = np.round(4 + effect + rng.normal(size=180)), np.round(4.4 + effect + rng.normal(size=180))
    groups = Clusters.of(np.r_[image, image])
    first = np.arange(360) < 180
    found = precedence(a, b, groups.at(first), groups.at(~first)).lead
    draws = []
    for _ in range(800):
        rows = np.concatenate([np.flatnonzero(image == one) for one in rng.integers(0, 60, 60)])
        draws.append(np.sign(b[rows][None] - a[rows][:, None]).mean())
    assert found.low is not None
    assert found.high is not None
    assert (found.high - found.low) / 4 == pytest.approx(np.std(draws), rel=0.15)


@pytest.mark.slow
def test_precedence_of_equal_kinds_is_rejected_at_the_nominal_rate() -> None:
    rejected, runs = 0, 400
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        effect = rng.normal(size=60).repeat(3)
        a, b = (np.round(5 + effect + rng.normal(size=180)) for _ in range(2))
        a[a > 7], b[b > 7] = np.nan, np.nan
        rejected += (precedence(a, b, *shared(180, 180, 3)).p_value or 1.0) < 0.05
    assert 0.025 <= rejected / runs <= 0.08


def kind(rng: np.random.Generator, n: int, rises_at: int, ability: float, answers: int, clusters: Clusters) -> Leaders:
    """Before `rises_at` the leader is the first answer; from then on it is gold in a share `ability` of samples."""
    gold = rng.integers(0, answers, n)
    knows = rng.random(n) < ability
    leader = np.zeros((n, LAYERS.size), dtype=np.int64)
    late = rises_at - 1
    leader[:, late:] = np.where(knows, gold, 0)[:, None]
    return Leaders(leader, gold, clusters)


def test_accuracy_above_chance_by_hand() -> None:
    leader = np.array([[0, 0], [0, 1], [0, 0], [0, -1]])
    gold = np.array([0, 1, 1, 0])
    found = above_chance({"a": Leaders(leader, gold, own(4))}, np.array([1, 2]), n_draws=20)["a"]
    # layer 1: all say 0, half of the answers are 0; layer 2: 0 twice, 1 once, nobody once
    assert found.chance == pytest.approx([0.5, 0.5 * 0.5 + 0.25 * 0.5])
    assert found.curve.mean == pytest.approx([0.5 - 0.5, 0.5 - 0.375])


def test_a_readout_that_knows_only_the_frequent_answer_is_not_above_chance() -> None:
    rng = np.random.default_rng(0)
    gold = (rng.random(300) < 0.2).astype(np.int64)
    leader = np.zeros((300, LAYERS.size), dtype=np.int64)
    found = above_chance({"a": Leaders(leader, gold, own(300))}, LAYERS, n_draws=50)["a"]
    assert found.curve.mean == near(0.0, "float64", 300)
    assert found.from_place is None
    assert found.halfway.value is None
    assert "not above" in found.halfway.note


@pytest.mark.parametrize("share", [0.1, 0.2, 0.3, 1 / 3])
@pytest.mark.parametrize("n", [30, 90, 210, 330])
def test_an_excess_that_is_nothing_but_rounding_never_rises(n: int, share: float) -> None:
    gold = (np.arange(n) < round(n * share)).astype(np.int64)
    found = above_chance({"a": Leaders(np.zeros((n, 3), dtype=np.int64), gold, own(n))}, LAYERS[:3], n_draws=20)["a"]
    assert found.curve.mean == near(0.0, "float64", n)
    assert (found.from_place, found.halfway.value) == (None, None)


def test_depths_are_found_where_they_were_put() -> None:
    rng = np.random.default_rng(1)
    groups = shared(240, 240, 3)
    kinds = {"early": kind(rng, 240, 3, 0.9, 8, groups[0]), "late": kind(rng, 240, 7, 0.6, 2, groups[1])}
    found = above_chance(kinds, LAYERS, n_draws=400)
    assert LAYERS[found["early"].from_place or 0] == 3
    assert LAYERS[found["late"].from_place or 0] == 7
    assert found["early"].halfway.value == pytest.approx(2.5, abs=0.05)
    assert found["late"].halfway.value == pytest.approx(6.5, abs=0.05)
    gap, p_value = depth_difference(found["early"], found["late"])
    assert gap.value == pytest.approx(4.0, abs=0.1)
    assert gap.low is not None
    assert gap.low > 3.5
    assert p_value is not None
    assert p_value < 0.01


def test_a_depth_does_not_depend_on_the_number_of_answers_or_the_ability() -> None:
    rng = np.random.default_rng(2)
    groups = shared(400, 400, 4)
    kinds = {"two": kind(rng, 400, 5, 0.95, 2, groups[0]), "ten": kind(rng, 400, 5, 0.5, 10, groups[1])}
    found = above_chance(kinds, LAYERS, n_draws=200)
    assert found["two"].halfway.value == pytest.approx(found["ten"].halfway.value, abs=0.01)


def test_the_interval_of_the_excess_agrees_with_the_bootstrap() -> None:
    rng = np.random.default_rng(4)
    image = np.repeat(np.arange(50), 4)
    gold = rng.integers(0, 3, 200)
    knows = rng.random(200) < 0.3 + 0.4 * rng.random(50)[image]
    leader = np.where(knows, gold, rng.integers(0, 3, 200))[:, None]
    curve = above_chance({"a": Leaders(leader, gold, Clusters.of(image))}, np.array([1]), n_draws=20)["a"].curve
    draws = []
    for _ in range(800):
        rows = np.concatenate([np.flatnonzero(image == one) for one in rng.integers(0, 50, 50)])
        share = [np.bincount(values, minlength=3) / 200 for values in (gold[rows], leader[rows, 0])]
        draws.append((gold[rows] == leader[rows, 0]).mean() - share[0] @ share[1])
    assert (curve.high[0] - curve.low[0]) / 4.02 == pytest.approx(np.std(draws), rel=0.12)


@pytest.mark.slow
def test_equal_depths_are_told_apart_at_most_at_the_nominal_rate() -> None:
    rejected, runs = 0, 200
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        groups = shared(150, 150, 3)
        kinds = {}
        for name, clusters in zip("ab", groups, strict=True):
            gold = rng.integers(0, 4, 150)
            rise = np.round(rng.normal(5.0, 2.0, 150))
            known = (rise[:, None] <= LAYERS) & (rng.random(150) < 0.7)[:, None]
            leader = np.where(known, gold[:, None], rng.integers(0, 4, (150, 10)))
            kinds[name] = Leaders(leader, gold, clusters)
        found = above_chance(kinds, LAYERS, n_draws=400, seed=seed)
        rejected += (depth_difference(found["a"], found["b"])[1] or 1.0) < 0.05
    assert rejected / runs <= 0.085
