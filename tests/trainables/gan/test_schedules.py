"""Rates against the formulas, and the warnings about assumption A2."""

from __future__ import annotations

import pytest

from trainables.gan.schedules import HeavyBallMemory, discriminator_rate, generator_rate
from trainables.settings.optimisation import ScheduleSettings


def test_constant_rates() -> None:
    schedule = ScheduleSettings()
    assert {discriminator_rate(3e-4, schedule, 10).at(n) for n in range(1, 12)} == {3e-4}


@pytest.mark.parametrize("final", [0.0, 0.25])
def test_cosine_begins_at_the_rate_and_falls_along_half_a_wave(final: float) -> None:
    rate = generator_rate(2.0, ScheduleSettings(name="cosine", final=final), 100)
    assert rate.at(1) == 2.0
    assert rate.at(51) == pytest.approx(2.0 * (final + (1 - final) / 2))
    assert rate.at(101) == pytest.approx(2.0 * final)
    assert all(rate.at(n) > rate.at(n + 1) for n in range(1, 101))
    # A trial that is extended without a new schedule stays at the end of the wave.
    assert rate.at(151) == rate.at(101)


def test_cosine_keeps_the_ratio() -> None:
    schedule = ScheduleSettings(name="cosine")
    b, a = discriminator_rate(4e-4, schedule, 50), generator_rate(1e-4, schedule, 50)
    assert {round(b.at(n) / a.at(n), 12) for n in range(1, 51)} == {4.0}


def test_power_decay_has_an_exponent_of_its_own_for_each_player() -> None:
    schedule = ScheduleSettings(name="power", tau_b=0.6, tau_a=0.9)
    b, a = discriminator_rate(0.1, schedule, 10), generator_rate(0.2, schedule, 10)
    for n in (1, 2, 17, 1000):
        assert b.at(n) == pytest.approx(0.1 * n**-0.6)
        assert a.at(n) == pytest.approx(0.2 * n**-0.9)


def test_stretch_holds_n() -> None:
    rate = generator_rate(1.0, ScheduleSettings(name="power", tau_a=1.0, stretch=3), 10)
    assert [rate.at(n) for n in range(1, 8)] == pytest.approx([1, 1, 1, 1 / 2, 1 / 2, 1 / 2, 1 / 3])


def test_exponential_memory() -> None:
    rate = generator_rate(0.1, ScheduleSettings(name="power", tau_a=0.75), 10)
    memory = HeavyBallMemory(rate, memory="exponential", r=5.0, alpha=0.5)
    for n in (0, 1, 9):
        forgotten = 0.1 * (n + 1) ** -0.75 * 5.0
        assert memory.betas(n) == pytest.approx((1 - forgotten, 1 - 0.5 * forgotten))


def test_both_averages_forget_alike_unless_told_otherwise() -> None:
    memory = HeavyBallMemory(
        generator_rate(0.1, ScheduleSettings(), 10), memory="exponential", r=5.0
    )
    assert memory.betas(3) == pytest.approx((0.5, 0.5))


def test_polynomial_memory_whatever_the_order_of_the_questions() -> None:
    rate = generator_rate(0.1, ScheduleSettings(name="power", tau_a=0.75), 10)
    memory = HeavyBallMemory(rate, memory="polynomial", r=0.8, alpha=0.5)
    for n in (1, 7, 3, 20, 20):
        total = sum(0.1 * k**-0.75 for k in range(1, n + 1))
        forgotten = 0.1 * (n + 1) ** -0.75 * 0.8 / total
        assert memory.betas(n) == pytest.approx((1 - forgotten, 1 - 0.5 * forgotten))
    assert memory.betas(0) == (0.0, 0.0)


def test_a_memory_shorter_than_an_update_is_none() -> None:
    rate = generator_rate(0.1, ScheduleSettings(name="power"), 10)
    memory = HeavyBallMemory(rate, memory="exponential", r=30.0, alpha=0.1)
    assert memory.betas(0) == pytest.approx((0.0, 0.7))


@pytest.mark.parametrize(
    ("tau_b", "tau_a", "words"),
    [
        (0.6, 0.9, []),
        (0.51, 1.0, []),
        (0.5, 0.9, ["tau_b is 0.5", "squared"]),
        (0.6, 1.2, ["tau_a is 1.2", "finite"]),
        (0.8, 0.8, ["not o(b(n))"]),
        (0.9, 0.6, ["not o(b(n))"]),
        (1.5, 0.2, ["tau_b is 1.5", "tau_a is 0.2", "not o(b(n))"]),
    ],
)
def test_warnings_about_a2(tau_b: float, tau_a: float, words: list[str]) -> None:
    found = ScheduleSettings(name="power", tau_b=tau_b, tau_a=tau_a).warnings()
    assert bool(found) == bool(words)
    for word in words:
        assert word in " ".join(found)


@pytest.mark.parametrize("tau", [0.3, 0.75, 1.3])
def test_the_warnings_agree_with_the_sums(tau: float) -> None:
    """Doubling n keeps adding to a series that diverges; with p-series the sums tell which."""

    def grows(exponent: float) -> bool:
        blocks = [sum(n**-exponent for n in range(2**k, 2 ** (k + 1))) for k in (10, 15)]
        return blocks[1] > 0.999 * blocks[0]

    told = " ".join(ScheduleSettings(name="power", tau_b=tau, tau_a=2.0).warnings())
    assert (f"tau_b is {tau}: the rates sum" in told) == (not grows(tau))
    assert (f"tau_b is {tau}: the squared" in told) == grows(2 * tau)


def test_finite_runs_claim_nothing() -> None:
    assert ScheduleSettings().warnings() == []
    assert ScheduleSettings(name="cosine").warnings() == []
