from __future__ import annotations

import math

import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tolerances import FUNCTION, bounds, near
from torch import Tensor
from torch.distributions import Categorical, kl_divergence

from lens_models import distributions as dist

LARGEST = 40
LOGITS = arrays("float32", (3, 7), elements=st.floats(-LARGEST, LARGEST, width=32)).map(torch.from_numpy)


def allowed(scale: float = 2 * LARGEST) -> dict[str, float]:
    """Two logits cancel in a log-probability; an exp and a log stand on the way to each quantity."""
    return bounds(torch.float32, 7, FUNCTION, FUNCTION, scale=scale)


def log_softmax(logits: Tensor) -> Tensor:
    return torch.log_softmax(logits, -1)


@given(LOGITS)
def test_entropy_is_torchs(logits: Tensor) -> None:
    ours = dist.entropy(log_softmax(logits))
    torch.testing.assert_close(ours, Categorical(logits=logits).entropy(), **allowed())
    slack = allowed()["atol"]
    assert bool(((ours >= -slack) & (ours <= math.log(7) + slack)).all())


@given(LOGITS, LOGITS)
def test_kl_is_torchs(reference: Tensor, logits: Tensor) -> None:
    ours = dist.kl(log_softmax(reference), log_softmax(logits))
    theirs = kl_divergence(Categorical(logits=reference), Categorical(logits=logits))
    torch.testing.assert_close(ours, theirs.clamp_min(0), **allowed())
    assert bool((ours >= 0).all())


@given(LOGITS, LOGITS)
def test_jsd_is_symmetric_and_bounded_and_the_mean_of_two_kls(a: Tensor, b: Tensor) -> None:
    p, q = log_softmax(a), log_softmax(b)
    ours = dist.jsd(p, q)
    torch.testing.assert_close(ours, dist.jsd(q, p), **allowed())
    assert bool(((ours >= 0) & (ours <= math.log(2))).all())
    mixture = Categorical(probs=(p.double().exp() + q.double().exp()) / 2)
    halves = [kl_divergence(Categorical(logits=x.double()), mixture) for x in (p, q)]
    torch.testing.assert_close(ours.double(), (halves[0] + halves[1]) / 2, **allowed())


@given(LOGITS)
def test_a_distribution_does_not_diverge_from_itself(logits: Tensor) -> None:
    logp = log_softmax(logits)
    assert bool((dist.kl(logp, logp) == 0).all())
    assert bool((dist.jsd(logp, logp) <= allowed(scale=math.log(7))["atol"]).all())


@given(LOGITS, st.floats(-30, 30, width=32))
def test_energy_falls_as_logits_rise_together(logits: Tensor, shift: float) -> None:
    torch.testing.assert_close(dist.energy(logits + shift), dist.energy(logits) - shift, **allowed())
    assert bool((dist.energy(logits) <= -logits.amax(-1) + allowed()["atol"]).all())


@given(LOGITS, st.lists(st.integers(0, 6), min_size=1, max_size=4))
def test_rank_counts_the_logits_above_the_best_token(logits: Tensor, tokens: list[int]) -> None:
    best = logits[..., tokens].amax(-1)
    for row, rank in zip(logits.tolist(), dist.rank_among(logits, best).tolist(), strict=True):
        assert rank == 1 + sum(value > max(row[token] for token in tokens) for value in row)


def test_ties_share_the_better_rank() -> None:
    logits = torch.tensor([2.0, 5.0, 2.0, 2.0, 1.0])
    assert [int(dist.rank_among(logits, logits[token])) for token in range(5)] == [2, 1, 2, 2, 5]


@given(LOGITS)
def test_pooling_is_logsumexp_over_variants(logits: Tensor) -> None:
    groups = ((0,), (1, 2, 5), (6, 3))
    ours = dist.pooled_logits(logits, groups)
    for column, group in enumerate(groups):
        expected = logits.double()[:, list(group)].exp().sum(-1).log()
        torch.testing.assert_close(ours[:, column].double(), expected, **allowed())


def test_pooling_of_nothing() -> None:
    logits = torch.randn(2, 3, 5)
    assert dist.pooled_logits(logits, ()).shape == (2, 3, 0)
    pooled = dist.pooled_logits(logits, ((), (1,)))
    assert bool((pooled[..., 0] == -math.inf).all())
    assert torch.equal(pooled[..., 1], logits[..., 1])


MASK = torch.tensor([0.0, 0.0, -math.inf, 0.0, torch.finfo(torch.float32).min, 0.0, 0.0])


@given(LOGITS, LOGITS)
def test_tokens_that_cannot_be_said_add_nothing(a: Tensor, b: Tensor) -> None:
    keep = torch.isfinite(MASK) & (MASK == 0)
    masked, free = [log_softmax(x + MASK) for x in (a, b)], [log_softmax(x[:, keep]) for x in (a, b)]
    torch.testing.assert_close(dist.entropy(masked[0]), dist.entropy(free[0]), **allowed())
    torch.testing.assert_close(dist.kl(*masked), dist.kl(*free), **allowed())
    torch.testing.assert_close(dist.jsd(*masked), dist.jsd(*free), **allowed())
    torch.testing.assert_close(dist.energy(a + MASK), dist.energy(a[:, keep]), **allowed())


def test_kl_is_infinite_where_only_the_reference_can_be() -> None:
    possible, impossible = torch.zeros(4), torch.tensor([0.0, 0.0, 0.0, -math.inf])
    reference, logp = log_softmax(possible), log_softmax(impossible)
    assert dist.kl(reference, logp) == math.inf
    found = float(dist.kl(logp, reference))
    assert found == near(math.log(4 / 3), torch.float32, 4, FUNCTION, FUNCTION, scale=math.log(4))
    assert 0 < float(dist.jsd(logp, reference)) < math.log(2)


def test_far_distributions_reach_the_bound() -> None:
    a, b = log_softmax(torch.tensor([200.0, 0.0, 0.0])), log_softmax(torch.tensor([0.0, 200.0, 0.0]))
    assert float(dist.jsd(a, b)) == near(math.log(2), torch.float32, 3, FUNCTION, FUNCTION)
    assert float(dist.kl(a, b)) == near(200.0, torch.float32, 3, FUNCTION, FUNCTION)
    assert float(dist.entropy(a)) == 0.0


def test_nan_stays_nan() -> None:
    nan = torch.tensor([math.nan, 1.0])
    assert bool(torch.isnan(torch.stack([dist.entropy(nan), dist.kl(nan, nan), dist.jsd(nan, nan)])).all())


def test_given_probabilities_change_nothing() -> None:
    torch.manual_seed(0)
    a, b = log_softmax(torch.randn(2, 50)), log_softmax(torch.randn(2, 50))
    assert torch.equal(dist.entropy(a, a.exp()), dist.entropy(a))
    assert torch.equal(dist.kl(a, b, a.exp()), dist.kl(a, b))
    assert torch.equal(dist.jsd(a, b, a.exp(), b.exp()), dist.jsd(a, b))
