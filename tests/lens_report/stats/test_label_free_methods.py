from __future__ import annotations

import numpy as np
import pytest
from answer_sets import made_set
from scipy.optimize import linear_sum_assignment, minimize

from lens_report.stats.clusters import Clusters, cluster_weights
from lens_report.stats.label_free import METHODS, AnswerSet, NotPredictedError, fit_trust
from lens_report.stats.label_free.classic import (
    average_confidence,
    difference_of_confidences,
    threshold,
    thresholded,
)
from lens_report.stats.label_free.profiles import LEVELS, N_SUBSETS, profile, regression
from lens_report.stats.label_free.transport import transport_cost

TIGHT = 1e-9


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20)


def sets_of(rng: np.random.Generator, count: int = 6, **more: int) -> list[AnswerSet]:
    return [made_set(rng, level=0.3 * place, name=f"set {place}", **more) for place in range(count)]


# --- the last layer


def test_average_confidence_and_difference_are_those_of_plain_loops(rng: np.random.Generator) -> None:
    source, target = made_set(rng), made_set(rng, level=0.2, n=77)
    total = 0.0
    for value in target.confidence:
        total += value
    assert average_confidence(target.confidence) == pytest.approx(total / 77, abs=TIGHT)
    drop = sum(source.confidence) / len(source) - total / 77
    expected = sum(source.verdicts) / len(source) - drop
    found = difference_of_confidences(source.confidence, source.verdicts, target.confidence)
    assert found == pytest.approx(expected, abs=TIGHT)


@pytest.mark.parametrize("level", [-1.0, 0.5, 3.0])
def test_the_threshold_is_the_one_that_as_many_exceed_as_are_right(rng: np.random.Generator, level: float) -> None:
    source, target = made_set(rng, level=level), made_set(rng, n=90)
    tried = [-np.inf, *source.confidence]
    best = min(tried, key=lambda at: abs(np.mean(source.confidence > at) - source.accuracy))
    assert threshold(source.confidence, source.verdicts) == pytest.approx(best, abs=TIGHT)
    assert np.mean(source.confidence > best) == pytest.approx(source.accuracy, abs=TIGHT)
    found = thresholded(source.confidence, source.verdicts, target.confidence)
    assert found == pytest.approx(sum(value > best for value in target.confidence) / 90, abs=TIGHT)


def test_without_a_wrong_answer_everything_exceeds_the_threshold(rng: np.random.Generator) -> None:
    values = rng.random(30)
    assert threshold(values, np.ones(30)) == -np.inf
    assert thresholded(values, np.ones(30), rng.random(12)) == 1.0
    assert thresholded(values, np.zeros(30), np.full(12, values.max())) == 0.0


def assignment_cost(shares: np.ndarray, counts: list[int]) -> float:
    """The transport as an assignment: as many copies of each label as answers have to be matched with it."""
    labels = np.repeat(np.arange(len(counts)), counts)
    cost = np.array([[np.abs(row - np.eye(len(counts))[label]).max() for label in labels] for row in shares])
    rows, columns = linear_sum_assignment(cost)
    return float(cost[rows, columns].mean())


@pytest.mark.parametrize("counts", [[13, 27], [40, 0], [7, 20, 13], [0, 15, 10, 15]])
def test_transport_is_the_best_assignment_in_the_maximum_norm(rng: np.random.Generator, counts: list[int]) -> None:
    shares = rng.dirichlet(np.ones(len(counts)), size=40)
    found = transport_cost(shares, np.array(counts) / 40)
    assert found == pytest.approx(assignment_cost(shares, counts), abs=TIGHT)


def test_two_candidates_and_an_empty_third_one_cost_the_same(rng: np.random.Generator) -> None:
    """The distance in one dimension and the linear program are one and the same."""
    shares = rng.dirichlet([1.0, 1.0], size=50)
    frequencies = np.array([0.37, 0.63])
    three = transport_cost(np.column_stack([shares, np.zeros(50)]), np.append(frequencies, 0.0))
    assert transport_cost(shares, frequencies) == pytest.approx(three, abs=TIGHT)


def test_of_several_sets_the_predictions_are_averaged(rng: np.random.Generator) -> None:
    sources, target = sets_of(rng, 3), made_set(rng).without_labels()
    for name in ("doc", "atc", "atc_entropy"):
        whole = METHODS[name].fit(sources, None).accuracy(target)
        each = [METHODS[name].fit([source], None).accuracy(target) for source in sources]
        assert whole == pytest.approx(np.mean(each), abs=TIGHT), name
    assert METHODS["mean"].fit(sources, None).accuracy(target) == pytest.approx(
        np.mean([source.accuracy for source in sources]), abs=TIGHT
    )


def test_entropy_takes_the_place_of_confidence(rng: np.random.Generator) -> None:
    source, target = made_set(rng, candidates=4), made_set(rng, candidates=4, level=0.0)
    found = METHODS["atc_entropy"].fit([source], None).accuracy(target)
    assert found == thresholded(-source.scores["entropy"], source.verdicts, -target.scores["entropy"])


def test_transport_takes_labels_by_name(rng: np.random.Generator) -> None:
    source, target = made_set(rng, candidates=3), made_set(rng, candidates=3)
    turned = AnswerSet(
        "turned",
        target.scores,
        target.clusters,
        shares=target.shares[:, ::-1] if target.shares is not None else None,
        candidates=target.candidates[::-1],
    )
    method = METHODS["cot"].fit([source], None)
    assert method.accuracy(turned) == pytest.approx(method.accuracy(target), abs=TIGHT)
    other = AnswerSet("other", target.scores, target.clusters, shares=target.shares, candidates=("x", "y", "z"))
    with pytest.raises(NotPredictedError, match=r"a labelled set with the candidates of other"):
        method.accuracy(other)


# --- regressions


def test_a_profile_is_the_quantiles_of_the_repeated_values(rng: np.random.Generator) -> None:
    values, weights = rng.random(60).round(1), rng.integers(0, 4, (60, 5)).astype(np.float64)
    found = profile(values, weights)
    for column in range(5):
        repeated = np.repeat(values, weights[:, column].astype(int))
        expected = np.quantile(repeated, LEVELS, method="inverted_cdf")
        np.testing.assert_allclose(found[column], expected, atol=TIGHT, rtol=0)


def test_the_regression_is_ridge_by_its_normal_equations(rng: np.random.Generator) -> None:
    sets, target = sets_of(rng, per_cluster=3), made_set(rng, level=0.8)
    found = regression(sets, ("depth",), penalty=3.0)
    rows, accuracies = [], []
    for place, each in enumerate(sets):
        drawn = cluster_weights(each.clusters.count, N_SUBSETS, np.random.default_rng([0, place]))
        for column in range(N_SUBSETS):
            index = np.repeat(np.arange(len(each)), drawn[each.clusters.codes, column].astype(int))
            part = each.at(index, Clusters.of(np.arange(index.size)))
            quantiles = np.quantile(part.confidence, LEVELS, method="inverted_cdf")
            rows.append([*quantiles, part.confidence.mean(), part.scores["depth"].mean()])
            accuracies.append(part.accuracy)
    x, y = np.array(rows), np.array(accuracies)
    centre, scale = x.mean(axis=0), x.std(axis=0)
    z = (x - centre) / scale
    weights = np.linalg.solve(z.T @ z + 3.0 * np.eye(z.shape[1]), z.T @ (y - y.mean()))
    own = [*np.quantile(target.confidence, LEVELS, method="inverted_cdf"), target.confidence.mean()]
    own.append(target.scores["depth"].mean())
    expected = y.mean() + (np.array(own) - centre) / scale @ weights
    assert found.accuracy(target) == pytest.approx(np.clip(expected, 0, 1), abs=TIGHT)


def test_the_penalty_is_chosen_by_leaving_out_sets(rng: np.random.Generator) -> None:
    """Sets whose confidences say nothing of their accuracy are fitted with the strongest penalty."""
    sets = sets_of(rng, 8)
    shuffled = [
        AnswerSet(each.name, each.scores, each.clusters, other.verdicts)
        for each, other in zip(sets, [sets[place] for place in rng.permutation(8)], strict=True)
    ]
    assert regression(shuffled).penalty > regression(sets).penalty


def test_too_few_sets_are_named(rng: np.random.Generator) -> None:
    with pytest.raises(NotPredictedError, match=r"at least 4 of them, found 3"):
        METHODS["profile"].fit(sets_of(rng, 3), None)


def test_fitted_probabilities_are_those_of_another_optimiser(rng: np.random.Generator) -> None:
    sets = [made_set(rng, n=60, level=0.3), made_set(rng, n=240, level=1.2)]
    model = fit_trust(sets, ("depth",))
    assert model.names == ("confidence", "entropy", "depth")
    confidence = np.concatenate([each.confidence for each in sets])
    x = np.column_stack(
        [np.log(confidence / (1 - confidence))]
        + [np.concatenate([each.scores[name] for each in sets]) for name in ("entropy", "depth")]
    )
    sign = 2 * np.concatenate([each.verdicts for each in sets]) - 1
    share = np.repeat([300 / 2 / 60, 300 / 2 / 240], [60, 240])
    mean = share @ x / share.sum()
    z = (x - mean) / np.sqrt(share @ (x - mean) ** 2 / share.sum())

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        odds = z @ weights[1:] + weights[0]
        pull = -sign * share / (1 + np.exp(sign * odds))
        value = share @ np.log1p(np.exp(-sign * odds)) + 0.5 * weights[1:] @ weights[1:]
        return float(value), np.append(pull.sum(), z.T @ pull + weights[1:])

    best = minimize(loss, np.zeros(4), jac=True, method="BFGS", options={"gtol": 1e-9}).x
    expected = 1 / (1 + np.exp(-(z @ best[1:] + best[0])))
    found = np.concatenate([model.p_correct(each) for each in sets])
    np.testing.assert_allclose(found, expected, atol=1e-7)


def test_every_set_counts_the_same_in_a_fit(rng: np.random.Generator) -> None:
    small, large = made_set(rng, n=80), made_set(rng, n=200, level=0.2)
    twice = large.at(np.tile(np.arange(200), 2), Clusters.of(np.arange(400)))
    once, repeated = fit_trust([small, large]), fit_trust([small, twice])
    # the penalty weighs less against more answers; nothing else changes
    np.testing.assert_allclose(repeated.centre, once.centre, atol=TIGHT)
    np.testing.assert_allclose(repeated.weights, once.weights, rtol=0.05, atol=0.02)


def test_a_readout_that_one_answer_lacks_is_not_used(rng: np.random.Generator) -> None:
    sets = sets_of(rng)
    gappy = dict(sets[2].scores)
    gappy["depth"] = np.where(np.arange(120) == 7, np.nan, gappy["depth"])
    sets[2] = AnswerSet("gappy", gappy, sets[2].clusters, sets[2].right)
    assert METHODS["p_correct_layers"].fit(sets, None).scores == ("confidence", "entropy", "noise")
    assert METHODS["profile_layers"].fit(sets, None).scores == ("confidence", "noise")
    with pytest.raises(NotPredictedError, match=r"gappy lacks depth"):
        METHODS["p_correct_layers"].fit(sets[:2], None).accuracy(sets[2])


def test_layers_help_where_confidence_is_off_and_they_know() -> None:
    rng = np.random.default_rng(5)
    sets = [
        made_set(rng, n=300, level=1.0, overconfidence=2 * float(rng.random()), name=str(place)) for place in range(12)
    ]
    error = {
        name: np.mean(
            [
                abs(METHODS[name].fit(sets[:place] + sets[place + 1 :], None).accuracy(each) - each.accuracy)
                for place, each in enumerate(sets)
            ]
        )
        for name in ("doc", "p_correct", "p_correct_layers", "profile_layers")
    }
    assert error["p_correct_layers"] < 0.6 * error["doc"]
    assert error["p_correct_layers"] < 0.6 * error["p_correct"]


# --- what a method may see


@pytest.mark.parametrize("name", METHODS)
def test_labels_of_the_unlabelled_set_are_not_looked_at(rng: np.random.Generator, name: str) -> None:
    sources, target = sets_of(rng), made_set(rng, level=0.5)
    fitted = METHODS[name].fit(sources, None)
    permuted = AnswerSet(
        target.name, target.scores, target.clusters, rng.permutation(target.verdicts), target.shares, target.candidates,
        rng.permutation(target.gold if target.gold is not None else []),
    )  # fmt: skip
    values = {fitted.accuracy(each) for each in (target, permuted, target.without_labels())}
    assert len(values) == 1
    (value,) = values
    assert 0.0 <= value <= 1.0
    assert METHODS[name].layers == ("layers" in name)


@pytest.mark.parametrize("name", sorted(set(METHODS) - {"ac"}))
def test_labelled_sets_without_labels_are_refused(rng: np.random.Generator, name: str) -> None:
    sources = [each.without_labels() for each in sets_of(rng)]
    with pytest.raises(NotPredictedError, match=r"no labels"):
        METHODS[name].fit(sources, None).accuracy(made_set(rng))


def test_clusters_are_drawn_whole(rng: np.random.Generator) -> None:
    answers = made_set(rng, n=60, per_cluster=4)
    drawn = answers.resampled(rng)
    assert len(drawn) == 60
    assert drawn.clusters.n_present() == 15
    places = {tuple(answers.confidence[4 * k : 4 * k + 4]) for k in range(15)}
    for code in range(15):
        assert tuple(drawn.confidence[drawn.clusters.codes == code]) in places
    assert drawn.right is not None and drawn.gold is not None and drawn.shares is not None


def test_a_set_without_confidence_is_refused() -> None:
    scores = {"confidence": np.array([0.5, np.nan]), "entropy": np.ones(2)}
    with pytest.raises(ValueError, match=r"bad: expected a finite 'confidence'"):
        AnswerSet("bad", scores, Clusters.of(["a", "b"]))
    with pytest.raises(ValueError, match=r"one score an answer"):
        AnswerSet("bad", {"confidence": np.ones(3), "entropy": np.ones(2)}, Clusters.of(["a", "b"]))
