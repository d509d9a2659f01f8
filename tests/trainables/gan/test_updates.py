"""Update rules on analytic games, against powers of their step matrices."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from trainables.gan.optimisers import PlayerOptimiser
from trainables.gan.schedules import generator_rate
from trainables.gan.updates import (
    UPDATE_RULES,
    NonFiniteError,
    Player,
    extragradient,
    gradient_of,
)
from trainables.gan.watch import require_finite
from trainables.settings.optimisation import OptimiserSettings, ScheduleSettings

RATE = 0.2
MATRICES = {
    "simultaneous": np.array([[1, -RATE], [RATE, 1]]),
    "alternating": np.array([[1, -RATE], [RATE, 1 - RATE**2]]),
    "extragradient": np.array([[1 - RATE**2, -RATE], [RATE, 1 - RATE**2]]),
}


def bilinear(optimiser: str = "sgd", decay: float = 0.0) -> list[Player]:
    """min over x, max over y of x y, from (1, 1); with decay each player's loss has half its square."""
    x = torch.ones(1, dtype=torch.float64, requires_grad=True)
    y = torch.ones(1, dtype=torch.float64, requires_grad=True)
    settings, rate = OptimiserSettings(name=optimiser), generator_rate(RATE, ScheduleSettings(), 1)
    return [
        Player(
            "x",
            PlayerOptimiser([x], settings, rate),
            lambda: gradient_of((x * y).sum(), [x], decay),
        ),
        Player(
            "y",
            PlayerOptimiser([y], settings, rate),
            lambda: gradient_of(-(x * y).sum(), [y], decay),
        ),
    ]


def point(players: list[Player]) -> np.ndarray:
    return np.array([player.optimiser.parameters[0].item() for player in players])


@pytest.mark.parametrize("rule", MATRICES)
def test_a_rule_is_its_step_matrix(rule: str) -> None:
    players = bilinear()
    for n in range(1, 41):
        UPDATE_RULES[rule](players)
        expected = np.linalg.matrix_power(MATRICES[rule], n) @ [1.0, 1.0]
        np.testing.assert_allclose(point(players), expected, rtol=1e-10)


def test_extragradient_takes_weight_decay_where_it_looks() -> None:
    """Against the definition: w <- w - lr F(w - lr F(w)), F the gradients of both losses, decay included."""
    players, decay = bilinear(decay=0.5), 0.5
    field = np.array([[decay, 1.0], [-1.0, decay]])
    place = np.array([1.0, 1.0])
    for _ in range(5):
        UPDATE_RULES["extragradient"](players)
        place = place - RATE * field @ (place - RATE * field @ place)
        np.testing.assert_allclose(point(players), place, rtol=1e-10)


def test_weight_decay_is_the_gradient_of_half_the_squared_norm() -> None:
    weights = [
        torch.tensor([1.0, -2.0], requires_grad=True),
        torch.tensor([3.0], requires_grad=True),
    ]
    loss, gradients = gradient_of(sum((w * 0).sum() for w in weights), weights, 0.5)  # type: ignore[arg-type]
    assert loss.item() == 0
    assert [g.tolist() for g in gradients] == [[0.5, -1.0], [1.5]]


def test_a_penalty_is_added_to_the_loss_and_to_the_gradient() -> None:
    """2 c + w w and the penalty w^3, which does not reach c; each term's derivative by hand."""
    c = torch.tensor([3.0], requires_grad=True)
    w = torch.tensor([1.0, -2.0], requires_grad=True)

    def taken(**terms: Any) -> tuple[float, list[list[float]]]:
        loss, gradients = gradient_of(2 * c.sum() + w.square().sum(), [c, w], **terms)
        assert not loss.requires_grad
        return loss.item(), [g.tolist() for g in gradients]

    cube = w.pow(3).sum(), [None, 3 * w.detach().square()]
    assert taken() == (11.0, [[2.0], [2.0, -4.0]])
    assert taken(penalty=cube) == (4.0, [[2.0], [5.0, 8.0]])
    assert taken(penalty=cube, weight_decay=0.5) == (4.0, [[3.5], [5.5, 7.0]])
    assert taken(penalty=(torch.tensor(-7.0), ())) == (4.0, [[2.0], [2.0, -4.0]])


def test_every_rule_is_tested_here() -> None:
    assert set(UPDATE_RULES) == set(MATRICES)


def test_extragradient_converges_where_simultaneous_diverges_and_alternating_circles() -> None:
    distance = {}
    for name, rule in UPDATE_RULES.items():
        players = bilinear()
        for _ in range(300):
            rule(players)
        distance[name] = float(np.linalg.norm(point(players))) / math.sqrt(2)
    assert distance["simultaneous"] > 100
    assert 0.5 < distance["alternating"] < 2
    assert distance["extragradient"] < 0.01


def test_alternating_lets_the_next_player_see_the_move() -> None:
    players = bilinear()
    UPDATE_RULES["alternating"](players)
    assert point(players).tolist() == pytest.approx([1 - RATE, 1 + RATE * (1 - RATE)])


def test_extragradient_with_adam_is_extra_adam() -> None:
    """Look-ahead and update are both Adam updates of one running state, from the same place."""
    players = bilinear("adam")
    extragradient(players)
    # Adam's first update is the rate in the direction of the sign.
    ahead = np.array([1 - RATE, 1 + RATE])
    gradients = np.array([[1.0, -1.0], [ahead[1], -ahead[0]]])
    m = 0.5 * 0.5 * gradients[0] + 0.5 * gradients[1]
    v = 0.999 * 0.001 * gradients[0] ** 2 + 0.001 * gradients[1] ** 2
    step = RATE * m / (1 - 0.5**2) / (np.sqrt(v / (1 - 0.999**2)) + 1e-8)
    np.testing.assert_allclose(point(players), 1 - step, rtol=1e-9)


@pytest.mark.parametrize("rule", MATRICES)
@pytest.mark.parametrize("bad", ["loss", "gradient", "weight"])
def test_a_value_that_is_not_finite_stops_before_anything_moves(rule: str, bad: str) -> None:
    x = torch.ones(2, requires_grad=True)
    if bad == "weight":
        with torch.no_grad():
            x[1] = math.inf
    before = x.tolist()
    loss = torch.tensor(math.nan if bad == "loss" else 0.0)
    gradient = torch.tensor([1.0, math.nan if bad == "gradient" else 1.0])
    optimiser = PlayerOptimiser(
        [x], OptimiserSettings(), generator_rate(RATE, ScheduleSettings(), 1)
    )
    player = Player("discriminator", optimiser, lambda: (loss, [gradient]))
    with pytest.raises(NonFiniteError, match=rf"the discriminator's {bad} is (nan|inf)"):
        UPDATE_RULES[rule]([player])
    assert x.tolist() == before


def test_extragradient_that_fails_at_the_look_ahead_goes_back() -> None:
    x = torch.ones(1, requires_grad=True)
    losses = iter([0.0, math.nan])
    optimiser = PlayerOptimiser(
        [x], OptimiserSettings(), generator_rate(RATE, ScheduleSettings(), 1)
    )
    player = Player("x", optimiser, lambda: (torch.tensor(next(losses)), [torch.ones(1)]))
    with pytest.raises(NonFiniteError):
        extragradient([player])
    assert x.item() == 1.0


def test_huge_finite_values_are_finite() -> None:
    require_finite("generator", "weight", [torch.full((3,), 3e38), torch.tensor(1.0)])
