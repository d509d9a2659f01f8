"""The Gaussian process against covariances written out pair by pair, and its sampler against known laws."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from study.surface import gaussian
from study.surface.gaussian import Process, drawn, mixed, posterior
from study.surface.observations import Array, Observations

HYPER = np.array([0.4, 0.9, 0.7, 0.2, 1.5])
"""Lengths of coordinates 0 and 1 (coordinate 2 shares that of 1), f, the noise, the shift in noises."""
GROUPS = np.array([0, 1, 0, 1, 1])


def observed() -> Observations:
    generator = np.random.default_rng(8)
    return Observations(
        points=generator.uniform(size=(5, 3)),
        lengths=np.array([0, 1, 1]),
        groups=GROUPS,
        values=generator.normal(2.0, 1.0, size=5),
        counts=np.array([1.0, 3.0, 1.0, 2.0, 1.0]),
        within=np.array([0.0, 0.4, 0.0, 0.1, 0.0]),
        noise=np.array([0.0, 0.1, 0.3, 0.0, 0.2]),
    )


def test_every_two_points_are_paired_once() -> None:
    known = observed()
    pairs = known.pairs
    two = [(i, j) for i in range(5) for j in range(i)]
    assert list(pairs.places) == [5 * i + j for i, j in two]
    assert list(pairs.same) == [GROUPS[i] == GROUPS[j] for i, j in two]
    squares = [[(known.points[i, k] - known.points[j, k]) ** 2 for k in range(3)] for i, j in two]
    np.testing.assert_allclose(pairs.apart[0], [one for one, _, _ in squares])
    np.testing.assert_allclose(pairs.apart[1], [second + third for _, second, third in squares])


def test_observations_are_joined_in_order() -> None:
    one = observed()
    other = replace(
        observed(),
        points=np.array([[0.1, 0.2, 0.3]]),
        groups=np.array([1]),
        values=np.array([9.0]),
        counts=np.array([4.0]),
        within=np.array([0.5]),
        noise=np.array([0.6]),
    )
    both = one.joined(other)
    assert both.points.tolist() == [*one.points.tolist(), [0.1, 0.2, 0.3]]
    assert both.groups.tolist() == [0, 1, 0, 1, 1, 1]
    assert both.values.tolist() == [*one.values, 9.0]
    assert both.counts.tolist() == [1.0, 3.0, 1.0, 2.0, 1.0, 4.0]
    assert both.within.tolist() == [0.0, 0.4, 0.0, 0.1, 0.0, 0.5]
    assert both.noise.tolist() == [0.0, 0.1, 0.3, 0.0, 0.2, 0.6]
    assert both.lengths.tolist() == [0, 1, 1]
    names = ("points", "groups", "values", "counts", "within", "noise")
    none = replace(other, **{name: getattr(other, name)[:0] for name in names})
    assert one.joined(none) is one


def test_of_observations_the_first_and_each_third_after_it_are_a_part() -> None:
    known = observed()
    part = known.part(3)
    assert part.points.tolist() == [known.points[0].tolist(), known.points[3].tolist()]
    assert part.groups.tolist() == [0, 1]
    assert part.values.tolist() == [known.values[0], known.values[3]]
    assert part.counts.tolist() == [1.0, 2.0]
    assert part.within.tolist() == [0.0, 0.1]
    assert part.noise.tolist() == [0.0, 0.0]
    assert part.lengths is known.lengths


@pytest.mark.parametrize("every", [1, 3, 5, 24, 30])
def test_of_the_kept_states_some_are_asked_for_and_the_chain_ends_at_the_last(every: int) -> None:
    steps: list[int] = []

    def chain(*_: Any) -> Any:
        for step in itertools.count(1):
            steps.append(step)
            yield np.zeros(6), step

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gaussian, "_chain", chain)
        found: list[Any] = posterior(observed(), shifted=False, every=every)
    assert found == [*range(84, 177, 4)][::every]
    assert steps[-1] == found[-1]


@pytest.mark.parametrize("count", [200, 201, 240])
def test_which_states_of_a_chain_are_kept(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """Of many points 80 states with about 60 of them come first, and then 20 with all are dropped."""
    chains: list[tuple[Observations, Array, bool]] = []
    generators = set()

    def chain(seen: Observations, state: Array, shifted: bool, generator: Any) -> Any:
        chains.append((seen, state, shifted))
        generators.add(generator.bit_generator.seed_seq.entropy)
        mine = len(chains)
        return ((np.full(6, step), f"{mine}:{step}") for step in itertools.count(1))

    monkeypatch.setattr(gaussian, "_chain", chain)
    known, places = observed(), np.zeros(count, dtype=int)
    names = ("points", "groups", "values", "counts", "within", "noise")
    many = replace(known, **{name: getattr(known, name)[places] for name in names})
    found: list[Any] = posterior(many, shifted=True, seed=11)
    assert generators == {11}
    if count == 200:
        ((seen, state, shifted),) = chains
        assert found == [f"1:{step}" for step in range(84, 177, 4)]
    else:
        (part, begun, _), (seen, after, shifted) = chains
        assert len(part.values) == {201: 67, 240: 60}[count]
        assert after.tolist() == [80.0] * 6
        state = begun
        assert found == [f"2:{step}" for step in range(24, 117, 4)]
    assert seen is many
    assert state.tolist() == [0.0] * 5  # two lengths, f, the noise, the shift
    assert shifted is True


def prior(one: Array, other: Array, together: bool, spread: float) -> float:
    """The covariance of two points of f: Matérn 5/2, a vague constant, and the shift of one group."""
    r = math.sqrt(
        sum(
            ((a - b) / length) ** 2
            for a, b, length in zip(one, other, (0.4, 0.9, 0.9), strict=True)
        )
    )
    smooth = (1 + math.sqrt(5) * r + 5 * r**2 / 3) * math.exp(-math.sqrt(5) * r)
    return 0.49 * smooth + (10 * spread) ** 2 + (0.3**2 if together else 0.0)


def covariance(known: Observations) -> Array:
    spread = float(np.std(known.values))
    found = np.array(
        [
            [prior(p, q, g == h, spread) for q, h in zip(known.points, GROUPS, strict=True)]
            for p, g in zip(known.points, GROUPS, strict=True)
        ]
    )
    for i in range(5):
        found[i, i] += (0.2**2 + known.noise[i] ** 2) / known.counts[i] + 1e-8 * spread**2
    return found


def test_a_process_of_groups_and_means_is_the_conditioned_normal_law() -> None:
    known = observed()
    at, of = np.random.default_rng(9).uniform(size=(4, 3)), np.array([0, 1, 1, 0])
    spread, centre = float(np.std(known.values)), float(np.median(known.values))
    inverse = np.linalg.inv(covariance(known))
    across = np.array(
        [
            [prior(p, q, g == h, spread) for q, h in zip(known.points, GROUPS, strict=True)]
            for p, g in zip(at, of, strict=True)
        ]
    )
    own = np.array(
        [
            [prior(p, q, g == h, spread) for q, h in zip(at, of, strict=True)]
            for p, g in zip(at, of, strict=True)
        ]
    )
    process = Process(known, HYPER)
    mean, joint = process.jointly_at(at, of)
    assert mean == pytest.approx(across @ inverse @ (known.values - centre) + centre, rel=1e-6)
    assert joint == pytest.approx(own - across @ inverse @ across.T, abs=1e-6)
    assert process.at(at, of)[0] == pytest.approx(mean, rel=1e-9)
    assert process.at(at, of)[1] == pytest.approx(np.diag(joint), abs=1e-6)


def test_the_likelihood_of_groups_and_means_is_that_of_the_normal_law() -> None:
    """Up to a constant; of three values at a point their mean and the spread about it are independent."""
    known = observed()
    law = multivariate_normal(np.full(5, np.median(known.values)), covariance(known))
    expected = law.logpdf(known.values) + 5 / 2 * math.log(2 * math.pi)
    for count, within, noise in zip(known.counts, known.within, known.noise, strict=True):
        variance = 0.2**2 + noise**2
        expected -= 0.5 * ((count - 1) * math.log(variance) + within / variance)
    assert Process(known, HYPER).log_likelihood == pytest.approx(expected, rel=1e-9)


def test_a_process_with_another_shift_or_other_observations() -> None:
    known = observed()
    process = Process(known, HYPER)
    other = process.with_shift(0.5)
    expected = Process(known, np.array([0.4, 0.9, 0.7, 0.2, 0.5]))
    assert other.log_likelihood == expected.log_likelihood != process.log_likelihood
    assert process.suits(known)
    one = replace(known, lengths=np.array([0, 1, 2]))
    assert not process.suits(one)
    none = replace(known, lengths=np.zeros(0, int), points=np.zeros((5, 0)))
    assert Process(none, HYPER[2:]).suits(none)
    assert not process.suits(none)
    moved = replace(known, values=known.values[::-1])
    assert process.refitted(moved).log_likelihood == Process(moved, HYPER).log_likelihood


def test_the_prior_is_log_normal_in_the_units_of_what_was_seen() -> None:
    """At 0 of the chain the medians, at 1 a standard deviation of the logarithm above them."""
    known = observed()
    spread = float(np.std(known.values))
    made = gaussian._process(known, np.zeros(5), True)
    assert made._hyper == pytest.approx([0.5, 0.5, spread, 0.3 * spread, 1.0])
    above = gaussian._process(known, np.ones(5), True)
    steps = np.log(above._hyper / made._hyper)
    assert steps == pytest.approx([0.7, 0.7, 0.7, 1.0, 0.5])
    assert gaussian._process(known, np.ones(5), False)._hyper[-1] == 0.0


def _anything(*_: Any) -> float:
    """The bound of a law that knows none."""
    return math.inf


class Known:
    """A process whose likelihood is that of one observation of the chain's first coordinate."""

    def __init__(self, state: Array, precision: float = 4.0) -> None:
        self.state = state
        self.log_likelihood = -0.5 * (state[0] - 2.0) ** 2 * precision


def test_the_chain_samples_the_posterior_of_a_normal_law(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prior N(0, 1), seen 2 with variance 1/4: the posterior is N(1.6, 0.2), the others N(0, 1)."""

    def made(_: Observations, state: Array, __: bool) -> Any:
        return Known(state)

    monkeypatch.setattr(gaussian, "_process", made)
    monkeypatch.setattr(gaussian, "most_likely", _anything)
    monkeypatch.setattr(gaussian, "KEPT", 4000)
    monkeypatch.setattr(gaussian, "APART", 2)
    chain: list[Any] = list(posterior(observed(), shifted=False))
    states = np.array([each.state for each in chain])
    assert states.shape == (4000, 5)
    assert states[:, 0].mean() == pytest.approx(1.6, abs=0.05)
    assert states[:, 0].var() == pytest.approx(0.2, rel=0.15)
    assert states[:, 1:].mean(0) == pytest.approx(np.zeros(4), abs=0.2)
    assert states[:, 1:].var(0) == pytest.approx(np.ones(4), rel=0.25)


@pytest.mark.parametrize("precision", [4.0, 4e4])
def test_each_state_follows_by_an_elliptical_slice(
    monkeypatch: pytest.MonkeyPatch, precision: float
) -> None:
    """Murray, Adams & MacKay 2010, Figure 2, as a plain loop with the same random numbers.

    Of the sharper law slices are some hundredths of a radian: brackets shrink far below one.
    """
    monkeypatch.setattr(
        gaussian, "_process", lambda _seen, state, _shifted: Known(state, precision)
    )
    monkeypatch.setattr(gaussian, "most_likely", _anything)
    draw, state = np.random.default_rng(3), [0.5] * 5
    begun, generator = np.array(state), np.random.default_rng(3)
    chain: Any = gaussian._chain(observed(), begun, False, generator)
    for found, process in itertools.islice(chain, 60):
        other = draw.normal(size=5).tolist()
        level = -precision / 2 * (state[0] - 2) ** 2 + math.log(draw.uniform())
        angle = 2 * math.pi * draw.uniform()
        least, most = angle - 2 * math.pi, angle
        while True:
            tried = [
                x * math.cos(angle) + y * math.sin(angle) for x, y in zip(state, other, strict=True)
            ]
            if -precision / 2 * (tried[0] - 2) ** 2 > level:
                break
            if angle < 0:
                least = angle
            else:
                most = angle
            angle = least + (most - least) * draw.uniform()
        state = tried
        assert found.tolist() == pytest.approx(state, rel=1e-9)
        assert process.state is found


def test_as_many_states_are_kept_as_said_and_the_first_ones_are_not() -> None:
    known, steps = observed(), []

    class Counted(Known):
        def __init__(self, state: Array) -> None:
            super().__init__(state)
            steps.append(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gaussian, "_process", lambda _, state, __: Counted(state))
        patch.setattr(gaussian, "most_likely", _anything)
        chain: list[Any] = list(posterior(known, shifted=False))
    assert len(chain) == gaussian.KEPT == 24
    assert chain[-1] is steps[-1]
    assert steps.index(chain[0]) >= gaussian.BURN == 80


def test_the_chain_follows_its_seed() -> None:
    known = observed()
    one, same, other = (
        [p.noise for p in posterior(known, shifted=False, seed=seed)] for seed in (0, 0, 1)
    )
    assert one == same != other
    assert [p.noise for p in posterior(known, shifted=False)] == one


def test_a_mixture_has_the_mean_of_the_means_and_the_whole_variance() -> None:
    known, at, of = observed(), np.full((2, 3), 0.3), np.array([0, 1])
    processes = [Process(known, HYPER), Process(known, HYPER * 1.5)]
    (one, first), (two, second) = (process.at(at, of) for process in processes)
    mean, deviation = mixed(processes, at, of)
    assert mean == pytest.approx((one + two) / 2)
    assert deviation**2 == pytest.approx((first + second) / 2 + ((one - two) / 2) ** 2)


def test_draws_are_of_each_process_in_turn_and_follow_their_seed() -> None:
    known, at, of = observed(), np.full((2, 3), 0.3), np.array([0, 1])
    near, far = Process(known, HYPER), Process(known, HYPER * 3)
    draws = drawn([near, far], at, of, 3000)
    for process, part in ((near, draws[:3000]), (far, draws[3000:])):
        mean, joint = process.jointly_at(at, of)
        errors = np.sqrt(np.diag(joint) / 3000)
        assert (np.abs(part.mean(0) - mean) < 4 * errors).all()
        assert np.cov(part, rowvar=False) == pytest.approx(joint, rel=0.1, abs=0.02)
    again, other = (drawn([near], at, of, 2, seed=seed) for seed in (0, 1))
    assert again.tolist() == drawn([near], at, of, 2).tolist() != other.tolist()
