"""Decoders on candidate scores whose right answers are known by construction."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lens_report.measures.candidates import leaders
from lens_report.measures.decoders import RULES, Decoders, Outcome, Readouts, log_shares
from lens_report.measures.decoders.comparison import compare_decoders
from lens_report.measures.decoders.rules import (
    divergence,
    dola,
    dola_static,
    final_layer,
    image_contrast,
    mean_of_upper,
    single_layer,
)
from lens_report.stats import Clusters
from lens_results import LensInfo, ModelInfo, RunInfo

N_LAYERS = 8
LAYERS = np.arange(1, N_LAYERS + 1)
INFO = RunInfo(run_id="one", model=ModelInfo("acme/tiny", N_LAYERS, 100, 5000), lens=LensInfo(tuple(LAYERS)))


def made(shares: Any, gold: Any, *, blank: Any = None, clusters: Any = None, types: Any = None) -> Readouts:
    """Readouts with the shares [n, L, C] of candidates."""
    q = np.asarray(shares, dtype=np.float64)
    n = len(q)
    return Readouts(
        log_q=np.log(q),
        layers=LAYERS[: q.shape[1]],
        n_layers=q.shape[1],
        gold=np.asarray(gold),
        given=np.log(q)[:, -1].argmax(axis=1),
        types=np.array([None] * n if types is None else types, dtype=object),
        clusters=Clusters.of(np.arange(n) if clusters is None else clusters),
        blank=None if blank is None else np.log(np.asarray(blank, dtype=np.float64)),
        has_blank=np.full(n, blank is not None),
        dropped={},
    )


def outcome(found: Decoders, name: str) -> Outcome:
    return next(one for one in found.outcomes if one.name == name)


def paths(rng: np.random.Generator, right: np.ndarray, gold: np.ndarray, count: int) -> np.ndarray:
    """Shares in which gold leads each layer where `right` [n, L] says so, and another candidate elsewhere."""
    n, layers = right.shape
    other = (gold + rng.integers(1, count, n)) % count
    leader = np.where(right, gold[:, None], other[:, None])
    z = 0.3 * rng.random((n, layers, count))
    np.put_along_axis(z, leader[..., None], 1.5 + 0.5 * rng.random((n, layers, 1)), axis=2)
    return np.exp(log_shares(z))


# one sample, four layers, three candidates; worked out by hand
BY_HAND = np.array([[[0.70, 0.20, 0.10], [0.10, 0.80, 0.10], [0.20, 0.30, 0.50], [0.45, 0.40, 0.15]]])


def test_final_layer_and_single_layers_by_hand() -> None:
    readout = made(BY_HAND, [0])
    assert final_layer(readout).tolist() == [0]
    assert [single_layer(readout, layer).item() for layer in (1, 2, 3, 4)] == [0, 1, 2, 0]


def test_mean_of_the_upper_layers_by_hand() -> None:
    # layers 3 and 4: .325, .350, .325
    assert mean_of_upper(made(BY_HAND, [0])).tolist() == [1]


def test_dola_by_hand() -> None:
    # of layers 1 and 2 the second is farther from the last; .45/.10 = 4.5, .40/.80 = .5, .15/.10 = 1.5
    early = divergence(np.log(BY_HAND[0, :2]), np.log(BY_HAND[0, [3, 3]]))
    assert early[1] > early[0]
    assert dola(made(BY_HAND, [0])).tolist() == [0]
    # against layer 1: .45/.70 = .64, .40/.20 = 2, .15/.10 = 1.5
    assert dola_static(made(BY_HAND, [0]), 1.0).tolist() == [1]


def test_a_contrast_does_not_choose_an_implausible_candidate() -> None:
    # ratios to layer 1: 1.2, .75, 5; the third candidate has less than a tenth of the largest share
    shares = [[[0.50, 0.49, 0.01], [0.1, 0.1, 0.8], [0.6, 0.3, 0.1], [0.60, 0.35, 0.05]]]
    assert dola_static(made(shares, [0]), 1.0).tolist() == [0]
    shares[0][3] = [0.58, 0.35, 0.07]
    assert dola_static(made(shares, [0]), 1.0).tolist() == [2]


def test_image_contrast_by_hand() -> None:
    own, blank = np.array([[0.50, 0.40, 0.10]]), np.array([[0.60, 0.20, 0.20]])
    readout = made(np.repeat(own[:, None], 4, axis=1), [0], blank=blank)
    assert image_contrast(readout, 0.0).tolist() == [0]
    # alpha 1: .5^2/.6 = .417, .4^2/.2 = .8, .1^2/.2 = .05
    assert image_contrast(readout, 1.0).tolist() == [1]
    with pytest.raises(ValueError, match="found no blank control"):
        image_contrast(made(BY_HAND, [0]), 1.0)


def test_divergence_agrees_with_scipy() -> None:
    from scipy.spatial.distance import jensenshannon

    rng = np.random.default_rng(0)
    p, q = rng.dirichlet(np.ones(5), 20), rng.dirichlet(np.ones(5), 20)
    assert divergence(np.log(p), np.log(q)) == pytest.approx(jensenshannon(p, q, axis=1) ** 2)


def test_nobody_leads_in_a_tie_and_missing_candidates_never_do() -> None:
    shares = log_shares(np.array([[1.0, 1.0, np.nan], [0.0, 2.0, np.nan]]))
    assert leaders(shares).tolist() == [-1, 1]
    assert np.exp(shares).sum(axis=1) == pytest.approx(1.0)


def test_a_layer_that_knows_more_is_found_and_gains() -> None:
    rng = np.random.default_rng(0)
    gold = rng.integers(0, 4, 400)
    right = rng.random((400, N_LAYERS)) < 0.4
    right[:, 5] = rng.random(400) < 0.9
    right[:, -1] = rng.random(400) < 0.6
    found = outcome(
        compare_decoders(made(paths(rng, right, gold, 4), gold, clusters=np.arange(400) // 4), INFO), "best layer"
    )
    assert found.chosen == 6.0
    assert found.result is not None
    assert found.result.difference.low is not None
    assert found.result.difference.low > 0.1
    assert found.p_holm is not None
    assert found.p_holm < 1e-6
    assert found.result.mean_b == pytest.approx(0.9, abs=0.06)
    assert found.result.b_higher - found.result.a_higher == pytest.approx(
        found.result.difference.n * (found.result.difference.value or 0)
    )


def test_upper_layers_that_forget_hurt_and_that_is_said() -> None:
    rng = np.random.default_rng(1)
    gold = rng.integers(0, 3, 300)
    right = np.zeros((300, N_LAYERS), dtype=bool)
    right[:, -1] = rng.random(300) < 0.8
    readout = made(paths(rng, right, gold, 3), gold)
    found = outcome(compare_decoders(readout, INFO), "mean of the upper layers")
    assert found.result is not None
    assert found.result.b_higher == 0
    assert found.result.a_higher == round(300 * (found.result.mean_a or 0))
    assert found.p_holm is not None
    assert found.p_holm < 1e-6


def test_image_contrast_removes_a_prior_that_the_blank_image_shows() -> None:
    rng = np.random.default_rng(2)
    gold = rng.integers(0, 2, 300)
    prior = np.array([1.5, 0.0])
    seen = 1.0 * np.eye(2)[gold] + 0.3 * rng.normal(size=(300, 2))
    shares = np.exp(log_shares(np.repeat((seen + prior)[:, None], N_LAYERS, axis=1)))
    readout = made(shares, gold, blank=np.exp(log_shares(np.tile(prior, (300, 1)))))
    found = outcome(compare_decoders(readout, INFO), "image minus blank")
    assert found.chosen is not None
    assert found.chosen >= 0.5
    assert found.result is not None
    assert (found.result.mean_b or 0) > 0.9 > 0.7 > (found.result.mean_a or 1)
    assert found.cost is not None
    assert found.cost.forward_passes == 1


def test_a_blank_image_that_says_the_same_leaves_the_final_layer() -> None:
    rng = np.random.default_rng(3)
    gold = rng.integers(0, 2, 200)
    shares = paths(rng, rng.random((200, N_LAYERS)) < 0.7, gold, 2)
    found = outcome(compare_decoders(made(shares, gold, blank=shares[:, -1]), INFO), "image minus blank")
    assert found.chosen == 0.0
    assert found.result is not None
    assert (found.result.a_higher, found.result.b_higher, found.p_holm) == (0, 0, None)


def test_samples_without_a_blank_readout_are_left_out_and_counted() -> None:
    rng = np.random.default_rng(4)
    gold = rng.integers(0, 2, 200)
    shares = paths(rng, rng.random((200, N_LAYERS)) < 0.7, gold, 2)
    readout = replace(made(shares, gold, blank=shares[:, 0]), has_blank=np.arange(200) >= 40)
    found = compare_decoders(readout, INFO)
    assert outcome(found, "image minus blank").n_left_out == 40
    assert outcome(found, "mean of the upper layers").n_left_out == 0
    without = outcome(compare_decoders(made(shares, gold), INFO), "image minus blank")
    assert without.result is None
    assert "no blank control" in without.why_none


def test_few_differing_answers_are_no_test() -> None:
    rng = np.random.default_rng(5)
    gold = rng.integers(0, 2, 100)
    right = np.repeat((rng.random(100) < 0.7)[:, None], N_LAYERS, axis=1)
    right[:5, 4:-1] = ~right[:5, 4:-1]
    found = outcome(compare_decoders(made(paths(rng, right, gold, 2), gold), INFO), "mean of the upper layers")
    assert found.result is not None
    assert found.result.a_higher + found.result.b_higher == 5
    assert found.result.p_value is None
    assert "differ in 5 clusters" in found.result.difference.note


def test_choosing_and_judging_share_no_cluster_and_few_clusters_choose_nothing() -> None:
    rng = np.random.default_rng(6)
    gold = rng.integers(0, 2, 200)
    shares = paths(rng, rng.random((200, N_LAYERS)) < 0.7, gold, 2)
    found = compare_decoders(made(shares, gold, clusters=np.arange(200) // 10), INFO)
    assert found.n_choosing == 80
    assert found.n_judged == 120
    none = outcome(found, "best layer")
    assert none.result is None
    assert "at least 10" in none.why_none
    assert outcome(found, "mean of the upper layers").result is not None


def test_by_type_the_effect_is_where_it_was_put() -> None:
    rng = np.random.default_rng(7)
    gold = rng.integers(0, 4, 600)
    types = np.array(["colour", "count", "shape"])[np.arange(600) % 3]
    right = np.repeat((rng.random(600) < 0.5)[:, None], N_LAYERS, axis=1)
    right[:, 4:-1] |= ((types == "count") & (rng.random(600) < 0.8))[:, None]
    readout = made(paths(rng, right, gold, 4), gold, types=list(types))
    found = outcome(compare_decoders(readout, INFO), "mean of the upper layers")
    assert set(found.by_type) == {"colour", "count", "shape"}
    assert (found.by_type_holm["count"] or 1) < 0.001
    assert found.by_type["colour"].a_higher + found.by_type["colour"].b_higher == 0
    assert found.by_type_holm["colour"] is None


def test_costs_are_those_of_the_description() -> None:
    rng = np.random.default_rng(8)
    gold = rng.integers(0, 2, 100)
    found = compare_decoders(made(paths(rng, rng.random((100, N_LAYERS)) < 0.7, gold, 2), gold), INFO)
    costs = {one.name: one.cost for one in found.outcomes if one.cost is not None}
    assert costs["mean of the upper layers"].readouts == 3
    assert costs["mean of the upper layers"].megaflop == pytest.approx(3 * 2 * 100 * 5000 / 1e6)
    assert costs["DoLa contrast"].readouts == 4
    assert costs["best layer"].megaflop == 0
    assert len(found.outcomes) == len(RULES)


@pytest.mark.slow
def test_a_best_layer_among_equal_ones_is_found_better_at_most_at_the_nominal_rate() -> None:
    """Every layer is right equally often, errors depend on the image, and layers on each other: no layer gains."""
    runs, rejected, tested = 200, 0, 0
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        image = np.repeat(np.arange(60), 5)
        gold = rng.integers(0, 3, 300)
        # exchangeable layers: the same part of all of them comes from the image and from the sample
        shared = 0.7 * rng.normal(size=60)[image] + rng.normal(size=300)
        margin = shared[:, None] + rng.normal(size=(300, N_LAYERS)) + 0.3
        blank = shared + rng.normal(size=300) + 0.3
        readout = made(
            _of_margins(rng, margin, gold), gold, blank=_of_margins(rng, blank[:, None], gold)[:, 0], clusters=image
        )
        result = outcome(compare_decoders(readout, INFO, seed=seed), "best layer").result
        p_value = result.p_value if result else None
        tested += p_value is not None
        rejected += p_value is not None and p_value < 0.05
    assert tested > 0.7 * runs
    assert rejected / tested <= 0.085


@pytest.mark.slow
def test_two_equal_decoders_are_told_apart_at_the_nominal_rate() -> None:
    """The paired test behind every decoder, on layers that are right equally often."""
    from lens_report.measures.decoders.comparison import _tested

    runs, rejected = 200, 0
    for seed in range(runs):
        rng = np.random.default_rng(1000 + seed)
        image = np.repeat(np.arange(60), 5)
        shared = 0.7 * rng.normal(size=60)[image] + rng.normal(size=300)
        a, b = ((shared + 0.7 * rng.normal(size=60)[image] + rng.normal(size=300) > 0).astype(float) for _ in range(2))
        rejected += (_tested(a, b, Clusters.of(image)).p_value or 1.0) < 0.05
    assert 0.02 <= rejected / runs <= 0.085


def _of_margins(rng: np.random.Generator, margin: np.ndarray, gold: np.ndarray) -> np.ndarray:
    """Shares in which gold has that margin over the best other candidate: float [n, L] -> float [n, L, 3]."""
    n, layers = margin.shape
    z = -rng.random((n, layers, 3))
    rest = z.copy()
    np.put_along_axis(rest, np.broadcast_to(gold[:, None, None], (n, layers, 1)).copy(), -np.inf, axis=2)
    best = rest.max(axis=2) + margin
    np.put_along_axis(z, np.broadcast_to(gold[:, None, None], (n, layers, 1)).copy(), best[..., None], axis=2)
    return np.exp(log_shares(z))
