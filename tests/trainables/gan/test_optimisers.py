"""Optimisers: their rates, and Adam of Theorem 2 against its formulas and the ODE of Eq. 3."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from torch import Tensor

from trainables.gan.optimisers import HeavyBallAdam, PlayerOptimiser
from trainables.gan.schedules import Rate, generator_rate
from trainables.settings.optimisation import OptimiserSettings, ScheduleSettings


def vector(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def constant(rate: float) -> Rate:
    return generator_rate(rate, ScheduleSettings(), 1)


def test_sgd_moves_by_rate_times_gradient() -> None:
    place = vector(1.0, -2.0)
    optimiser = PlayerOptimiser([place], OptimiserSettings(name="sgd"), constant(0.1))
    optimiser.step([vector(3.0, 5.0)])
    assert place.tolist() == pytest.approx([0.7, -2.5])


def test_sgd_has_the_momentum_of_the_settings() -> None:
    place = vector(1.0)
    settings = OptimiserSettings(name="sgd", beta1=0.9)
    optimiser = PlayerOptimiser([place], settings, constant(0.1))
    expected, velocity = 1.0, 0.0
    for gradient in [1.0, -2.0, 0.5]:
        optimiser.step([vector(gradient)])
        velocity = 0.9 * velocity + gradient
        expected -= 0.1 * velocity
        assert place.item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("beta1", "beta2", "eps"), [(0.5, 0.999, 1e-8), (0.0, 0.9, 0.1)])
def test_adam_has_the_betas_and_the_eps_of_the_settings(
    beta1: float, beta2: float, eps: float
) -> None:
    settings = OptimiserSettings(name="adam", beta1=beta1, beta2=beta2, eps=eps)
    place = vector(0.0)
    optimiser = PlayerOptimiser([place], settings, constant(0.01))
    expected, m, v = 0.0, 0.0, 0.0
    for n, gradient in enumerate([1.0, -2.0, 0.5, 0.1], start=1):
        optimiser.step([vector(gradient)])
        m = beta1 * m + (1 - beta1) * gradient
        v = beta2 * v + (1 - beta2) * gradient**2
        expected -= 0.01 * m / (1 - beta1**n) / (math.sqrt(v / (1 - beta2**n)) + eps)
        assert place.item() == pytest.approx(expected, rel=1e-9)


def test_the_default_is_the_papers_adam() -> None:
    optimiser = PlayerOptimiser([vector(0.0)], OptimiserSettings(), constant(2e-4))
    (group,) = optimiser.param_groups
    assert (group["betas"], group["eps"], group["lr"]) == ((0.5, 0.999), 1e-8, 2e-4)


@pytest.mark.parametrize("name", ["adam", "sgd", "heavy_ball"])
def test_the_schedule_reaches_the_optimiser(name: str) -> None:
    rate = generator_rate(0.1, ScheduleSettings(name="power", tau_a=1.0), 10)
    optimiser = PlayerOptimiser([vector(0.0)], OptimiserSettings(name=name), rate)
    (group,) = optimiser.param_groups
    assert group["lr"] == pytest.approx(0.1)
    betas = group.get("betas")
    for n in (1, 4, 10):
        optimiser.schedule(n)
        assert group["lr"] == pytest.approx(0.1 / n)
        assert (group.get("betas") == betas) is (name != "heavy_ball")


@pytest.mark.parametrize("name", ["adam", "sgd", "heavy_ball"])
def test_no_update_is_made_from_the_stop_on(name: str) -> None:
    """The device sets it by itself when it meets a value that is not finite."""
    places = [torch.tensor(values) for values in ([1.0, -2.0], [0.5])]
    gradients = [torch.tensor([3.0, 5.0]), torch.tensor([-1.0])]
    optimiser = PlayerOptimiser(places, OptimiserSettings(name=name), constant(0.1))
    stop = torch.zeros(())
    optimiser.heed(stop)
    optimiser.step(gradients)
    before = [place.clone() for place in places]
    assert before[0][0] < 1.0
    assert before[0][1] < -2.0
    assert before[1][0] > 0.5
    stop.fill_(1.0)
    optimiser.step(gradients)
    optimiser.step([torch.full_like(gradient, math.nan) for gradient in gradients])
    assert all(map(torch.equal, places, before))
    optimiser.heed(None)
    if name != "heavy_ball":  # which has taken the values into its moments
        optimiser.step(gradients)
        assert not any(map(torch.equal, places, before))


def test_dense_parameters_are_moved_by_one_fused_kernel() -> None:
    dense, gaps = torch.zeros(4, 3), torch.zeros(4, 6)[:, ::2]
    for name in ("adam", "sgd"):
        for place, fused in ((dense, True), (dense.t(), True), (gaps, False)):
            optimiser = PlayerOptimiser([place], OptimiserSettings(name=name), constant(0.1))
            assert optimiser.param_groups[0]["fused"] is fused


@pytest.mark.parametrize("name", ["adam", "sgd", "heavy_ball"])
def test_retracting_returns_to_the_origin_and_stepping_starts_there(name: str) -> None:
    place, other = vector(1.0), vector(1.0)
    rate = generator_rate(0.1, ScheduleSettings(name="power"), 10)
    ahead = PlayerOptimiser([place], OptimiserSettings(name=name), rate)
    plain = PlayerOptimiser([other], OptimiserSettings(name=name), rate)
    ahead.extrapolate([vector(2.0)])
    assert place.item() != 1.0
    ahead.step([vector(-3.0)])
    plain.step([vector(2.0)])
    with torch.no_grad():
        other.fill_(1.0)
    plain.step([vector(-3.0)])
    assert place.item() == other.item()
    ahead.extrapolate([vector(2.0)])
    ahead.retract()
    ahead.retract()  # there is nothing left to go back to
    assert place.item() == other.item()


SCRAMBLED = {
    "transposed": lambda value: value.transpose(2, 3).contiguous().transpose(2, 3),
    "channels_last": lambda value: value.contiguous(memory_format=torch.channels_last),
    "view": lambda value: torch.stack([value, -value], -1)[..., 0],
    "expanded": lambda value: value[:1].expand_as(value),
}
"""Ways to lie in memory that ``torch.autograd.grad`` may choose for a gradient."""


@pytest.mark.parametrize("name", ["adam", "sgd", "heavy_ball"])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("scrambled", SCRAMBLED)
def test_a_gradient_may_lie_in_memory_as_it_likes(
    name: str, layout: torch.memory_format, scrambled: str
) -> None:
    """Fused kernels would take it for a flat array in the parameter's order."""
    values = torch.linspace(-1, 1, 3 * 2 * 4 * 5, dtype=torch.float64).reshape(3, 2, 4, 5)
    gradient = SCRAMBLED[scrambled](values.flip(2))
    rate = generator_rate(0.1, ScheduleSettings(name="power"), 10)
    moved = []
    for given in (gradient, gradient.clone(memory_format=layout)):
        place = values.clone(memory_format=layout)
        optimiser = PlayerOptimiser([place], OptimiserSettings(name=name), rate)
        for _ in range(2):
            optimiser.step([given])
        moved.append(place)
    assert torch.equal(*moved)


@pytest.mark.parametrize("name", ["adam", "sgd"])
def test_a_parameter_with_gaps_in_memory_is_trained_all_the_same(name: str) -> None:
    settings = OptimiserSettings(name=name, beta1=0.5)
    values = torch.linspace(-1, 1, 24, dtype=torch.float64).reshape(4, 6)
    gaps, dense = values.clone()[:, ::2], values[:, ::2].clone()
    for place in (gaps, dense):
        optimiser = PlayerOptimiser([place], settings, constant(0.1))
        for _ in range(3):
            optimiser.step([values[:, 1::2]])
    torch.testing.assert_close(gaps, dense)


@pytest.mark.parametrize("name", ["adam", "sgd", "heavy_ball"])
def test_moments_that_were_saved_in_another_layout_are_continued(name: str) -> None:
    """As of a checkpoint from before a network's layout was changed."""
    settings = OptimiserSettings(name=name, **({"beta1": 0.9} if name == "sgd" else {}))
    rate = generator_rate(0.1, ScheduleSettings(name="power"), 10)
    values = torch.linspace(-1, 1, 3 * 2 * 4 * 5, dtype=torch.float64).reshape(3, 2, 4, 5)
    place, other = (
        values.clone(memory_format=layout)
        for layout in (torch.contiguous_format, torch.channels_last)
    )
    before, after = (PlayerOptimiser([p], settings, rate) for p in (place, other))
    before.step([values.flip(2)])
    other.copy_(place)
    after.load_state_dict(copy.deepcopy(before.state_dict()))
    for optimiser in (before, after):
        optimiser.step([values.flip(3)])
    assert torch.equal(place, other)


def test_heavy_ball_adam_takes_no_closure() -> None:
    with pytest.raises(ValueError, match="closure"):
        HeavyBallAdam([vector(0.0)], 0.1, 1e-8).step(lambda: 0.0)


@pytest.mark.parametrize("memory", ["exponential", "polynomial"])
def test_heavy_ball_is_theorem_2(memory: str) -> None:
    settings = OptimiserSettings(name="heavy_ball", memory=memory, r=2.0, alpha=0.3, eps=1e-3)
    rate = generator_rate(0.1, ScheduleSettings(name="power", tau_a=0.8), 10)
    place = vector(0.5)
    optimiser = PlayerOptimiser([place], settings, rate)
    theta, m, v, product = 0.5, 0.0, 0.0, 1.0
    for n, gradient in enumerate([1.0, -2.0, 0.5, 0.1]):
        a_next = 0.1 * (n + 1) ** -0.8
        total = sum(0.1 * k**-0.8 for k in range(1, n + 1))
        r = 2.0 if memory == "exponential" else (2.0 / total if total else math.inf)
        beta1, beta2 = max(0.0, 1 - a_next * r), max(0.0, 1 - 0.3 * a_next * r)
        m = beta1 * m + (1 - beta1) * gradient
        v = beta2 * v + (1 - beta2) * gradient**2
        product *= beta2
        theta -= a_next * m / (math.sqrt(v / (1 - product)) + 1e-3)
        optimiser.schedule(n + 1)
        optimiser.step([vector(gradient)])
        assert place.item() == pytest.approx(theta, rel=1e-9)


def iterate(
    settings: OptimiserSettings,
    rate: Rate,
    slope: Callable[[float], float],
    start: float,
    count: int,
) -> np.ndarray:
    """The iterates under gradients whose second moment is stationary, as Theorem 2 asks.

    A term of +1 and -1 in turn is added: it averages out of the first moment, and keeps the root of
    the second near 1 as long as the slope is small against 1. Plain gradient descent needs no such
    thing and goes without.
    """
    swing = 0.0 if settings.name == "sgd" else 1.0
    place = vector(start)
    optimiser = PlayerOptimiser([place], settings, rate)
    path = np.empty(count)
    for n in range(count):
        optimiser.schedule(n + 1)
        optimiser.step([vector(slope(place.item()) + swing * (-1) ** n)])
        path[n] = place.item()
    return path


@pytest.mark.parametrize(
    ("memory", "r", "tau"),
    [("exponential", 0.5, 0.0), ("exponential", 0.5, 0.3), ("polynomial", 3.0, 0.3)],
)
def test_theorem_2_follows_the_differential_equation(memory: str, r: float, tau: float) -> None:
    """Eq. 3, theta'' + a(t) theta' + f'(theta) = 0, to 2 % of where the ball starts.

    With T = a(1) + ... + a(n), exponential memory has t = sqrt(r) T and friction sqrt(r), polynomial
    memory t = 2 sqrt(r T) and friction (2 r - 1) / t: substitute into theta'' + r(T) (theta' + f') = 0.
    """

    def slope(theta: float) -> float:
        return 0.15 * math.sin(theta)

    base = 0.005 if tau == 0 else 0.02
    rate = generator_rate(base, ScheduleSettings(name="power", tau_a=tau), 1)
    settings = OptimiserSettings(name="heavy_ball", memory=memory, r=r, alpha=0.2)
    count = 1500
    path = iterate(settings, rate, slope, 1.0, count)
    total = np.cumsum([rate.at(n) for n in range(1, count + 1)])
    if memory == "exponential":
        times = math.sqrt(r) * total
        friction: Callable[[float], float] = lambda t: math.sqrt(r)  # noqa: E731
    else:
        times = 2 * np.sqrt(r * total)
        friction = lambda t: (2 * r - 1) / t  # noqa: E731
    solution = solve_ivp(
        lambda t, y: [y[1], -friction(t) * y[1] - slope(y[0])],
        (min(1e-9, times[0]), times[-1]),
        [1.0, 0.0],
        t_eval=times,
        rtol=1e-8,
        atol=1e-10,
    )
    assert abs(path[-1] - 1.0) > 0.3  # it went somewhere
    assert np.abs(path - solution.y[0]).max() < 0.02


def test_the_ball_settles_in_the_flat_minimum_and_gradient_descent_in_the_sharp_one() -> None:
    """Fig. 2: a bowl whose minimum at 4 is flat, with a sharp dent at 1 on the way down."""

    def slope(theta: float) -> float:
        dent = 0.05 * (theta - 1) / 0.15**2 * math.exp(-((theta - 1) ** 2) / (2 * 0.15**2))
        return 0.04 * (theta - 4) + dent

    rate = generator_rate(0.8, ScheduleSettings(name="power", tau_a=0.3), 1)
    ball = OptimiserSettings(name="heavy_ball", r=0.02, alpha=1.0)
    rolled = iterate(ball, rate, slope, 0.0, 3000)
    slid = iterate(OptimiserSettings(name="sgd"), rate, slope, 0.0, 1000)
    assert abs(rolled[-1] - 4) < 0.2
    assert abs(slid[-1] - 1) < 0.2
