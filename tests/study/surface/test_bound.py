"""The bound of a process's likelihood: above all, close where it can be; no state of a chain is lost."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from study.surface import gaussian
from study.surface.gaussian import Process, most_likely
from study.surface.observations import Observations


def observed(several: bool, n: int = 40) -> Observations:
    """Values over a plane, each alone or the mean of up to a hundred."""
    generator = np.random.default_rng(4)
    points = generator.uniform(size=(n, 2))
    counts = generator.integers(1, 100, n).astype(float) if several else np.ones(n)
    values = (points**2).sum(1) + generator.normal(scale=0.2 / np.sqrt(counts))
    return Observations(
        points=points,
        lengths=np.array([0, 1]),
        groups=np.arange(n) % 2,
        values=values,
        counts=counts,
        within=0.04 * generator.chisquare(np.maximum(counts - 1, 1)) * (counts > 1),
        noise=generator.uniform(0.0, 0.1, n),
    )


@pytest.mark.parametrize("several", [False, True])
def test_no_process_is_likelier_than_its_noise_allows(several: bool) -> None:
    seen, generator = observed(several), np.random.default_rng(0)
    for noise in np.geomspace(1e-3, 10, 9):
        most = most_likely(seen, float(noise))
        for _ in range(30):
            lengths, height = np.exp(generator.normal(size=2)), math.exp(generator.normal())
            shift = float(generator.choice([0.0, 1.0]))
            hyper = np.array([*lengths, height, noise, shift])
            assert Process(seen, hyper).log_likelihood < most


def test_it_is_what_values_known_but_for_their_noise_would_have() -> None:
    """Each mean where it is expected, and the values about their means: normal laws, written out."""
    seen = observed(True, n=3)
    noise, expected = 0.3, 0.0
    for place in range(3):
        own = math.hypot(noise, seen.noise[place])
        count, about = seen.counts[place], seen.within[place]
        expected += norm.logpdf(0.0, scale=own / math.sqrt(count))
        # The density of values about their mean, on the plane on which they lie.
        expected += (count - 1) * norm.logpdf(0.0, scale=own) - about / own**2 / 2
    expected += seen.counts.sum() / 2 * math.log(2 * math.pi)
    assert most_likely(seen, noise) == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize("shifted", [False, True])
def test_a_chain_comes_by_the_states_that_it_would_come_by_without(
    monkeypatch: pytest.MonkeyPatch, shifted: bool
) -> None:
    seen, made = observed(True), list[float]()

    def states() -> list[list[float]]:
        chain = gaussian._chain(seen, np.zeros(5), shifted, np.random.default_rng(1))
        return [state.tolist() for state, _ in itertools.islice(chain, 60)]

    factor = Process._factor
    monkeypatch.setattr(Process, "_factor", lambda own: made.append(own.noise) or factor(own))
    found, cost = states(), len(made)
    monkeypatch.setattr(gaussian, "most_likely", lambda *_: math.inf)
    assert states() == found
    assert cost < 0.7 * (len(made) - cost)


def test_it_is_reached_where_noise_is_all_there_is() -> None:
    """Equal values far apart from each other: so a bound any lower would lose states of the chain."""
    seen = observed(False)
    apart = replace(seen, points=np.arange(80.0).reshape(40, 2) * 1e3, groups=np.arange(40))
    flat = replace(apart, values=np.full(40, 2.0), noise=np.zeros(40))
    hyper = np.array([1.0, 1.0, 1e-6, 0.5, 0.0])
    assert 0 <= most_likely(flat, 0.5) - Process(flat, hyper).log_likelihood < 1e-6


def test_without_noise_it_is_what_a_factor_adds_to_its_diagonal() -> None:
    """1e-8 of the values' variance, without which a factor of equal points does not exist."""
    seen = replace(observed(False), noise=np.zeros(40))
    added = 1e-8 * float(np.var(seen.values))
    assert most_likely(seen, 1e-9) == pytest.approx(-20 * math.log(added), rel=1e-6)
