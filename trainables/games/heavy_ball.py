"""The heavy ball with friction (the paper's Fig. 2, Eq. 3 and 4): overshoots a sharp minimum.

The landscape is a bowl with two dents. Coming from the left, the first is sharp (``SHARP``), the
second flat and deeper (``FLAT``):

    f(theta) = 0.1 (theta - 3)^2 - 0.6 exp(-(theta / 0.2)^2 / 2) - 2 exp(-(theta - 3)^2 / 2)
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from trainables.games.trial import FloatArray, GameTrial
from trainables.gan.schedules import HeavyBallMemory, generator_rate
from trainables.protocol import Context, Parameters, State
from trainables.settings.games import HeavyBallSettings

SHARP = 0.04557221848647365
"""The minimum that plain gradient descent stays in (theta+ of Fig. 2); f'' is about 14 there."""

FLAT = 3.0
"""The minimum where the ball settles (theta* of Fig. 2); f'' is about 2 there."""


def height(theta: Any) -> Any:
    """Returns f at a number or an array of numbers."""
    bowl = 0.1 * (theta - 3.0) ** 2
    return bowl - 0.6 * np.exp(-0.5 * (theta / 0.2) ** 2) - 2.0 * np.exp(-0.5 * (theta - 3.0) ** 2)


def slope(theta: float) -> float:
    """Returns f'(theta)."""
    to_flat = theta - 3.0
    sharp = 0.6 * theta / 0.04 * math.exp(-0.5 * (theta / 0.2) * (theta / 0.2))
    return 0.2 * to_flat + sharp + 2.0 * to_flat * math.exp(-0.5 * to_flat * to_flat)


class HeavyBallTrial(GameTrial[HeavyBallSettings]):
    """One ball, whose velocity is the fast player (rate b) and whose place the slow one (rate a).

    Eq. 4: theta <- theta - a(n+1) m, and ``d_steps`` times m <- m + a(n+1) r(n) (g - m), where g is
    the gradient at the old theta plus ``noise`` * N(0, 1). The memory is r(n) = r or
    r / (a(1) + ... + a(n)) with r = b / a, so b is the rate at which the velocity follows the
    gradient: a small b / a is a heavy ball, a large one (or ``gradient_descent``, which moves by g
    itself and does not use b and ``d_steps``) has no weight.

    In the time t = a(1) + ... + a(n) and with one velocity update a step, the iterates follow
    theta'' + r(t) (theta' + f'(theta)) = 0, which is Eq. 3 up to the unit of time. With polynomial
    memory the friction of Eq. 3 is (2 r - 1) / t: with b / a <= 0.5 the ball never slows down, and its
    score says so.
    """

    def __init__(
        self, settings: HeavyBallSettings, parameters: Parameters, context: Context
    ) -> None:
        self._rate = generator_rate(parameters.a, settings.schedule, settings.steps)
        self._memory = HeavyBallMemory(
            self._rate, memory=settings.memory, r=parameters.b / parameters.a
        )
        super().__init__(settings, parameters, context)
        self._velocity = 0.0

    def _start(self) -> FloatArray:
        return np.array([self.settings.start])

    def _play(self, count: int) -> FloatArray:
        draws = (count, self.parameters.d_steps)
        noise = self._random.normal(scale=self.settings.noise, size=draws).tolist()
        roll = self.settings.method == "heavy_ball"
        theta, path = float(self._point[0]), []
        for n, noises in enumerate(noise, start=self.step):
            gradient, rate = slope(theta), self._rate.at(n + 1)
            if roll:
                theta -= rate * self._velocity
                follow = 1.0 - self._memory.betas(n)[0]
                for error in noises:
                    self._velocity += follow * (gradient + error - self._velocity)
            else:
                theta -= rate * (gradient + noises[0])
            path.append(theta)
        return np.array(path).reshape(-1, 1)

    def _distance(self, path: FloatArray) -> FloatArray:
        return np.asarray(np.abs(path[:, 0] - FLAT))

    def _metrics(self) -> dict[str, float]:
        theta = float(self._point[0])
        return {"theta": theta, "height": float(height(theta)), "velocity": self._velocity}

    def _save_memory(self) -> State:
        return {"velocity": self._velocity}

    def _load_memory(self, memory: State) -> None:
        self._velocity = memory["velocity"]
