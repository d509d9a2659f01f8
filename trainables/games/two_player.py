"""Two scalar players, x descending and y ascending one function, and the three update rules."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import TypeVar

import numpy as np

from trainables.games.trial import FloatArray, GameTrial
from trainables.settings.games import TwoPlayerSettings

TwoPlayerT = TypeVar("TwoPlayerT", bound=TwoPlayerSettings)


class TwoPlayerTrial(GameTrial[TwoPlayerT]):
    """min over x, max over y of f(x, y), played from noisy gradients.

    x is the generator (rate a), y the discriminator (rate b). One step is

    - ``alternating``: x moves, then y moves ``d_steps`` times with the new x (the order of the
      paper's published code);
    - ``simultaneous``: x moves, and y moves ``d_steps`` times with the old x;
    - ``extragradient``: y moves ``d_steps - 1`` times by itself with the old x, then both look
      ahead by one simultaneous step and move from where they were with the gradients found there
      (Korpelevich 1976). Each of y's own moves looks ahead as well.

    Every gradient that is taken gets its own noise, ``noise`` * N(0, 1).
    """

    @abstractmethod
    def _x_gradient(self, x: float, y: float) -> float:
        """Returns df/dx."""

    @abstractmethod
    def _y_gradient(self, x: float, y: float) -> float:
        """Returns df/dy."""

    def _start(self) -> FloatArray:
        return np.array(self.settings.start)

    def _play(self, count: int) -> FloatArray:
        rule = {
            "alternating": self._alternating,
            "simultaneous": self._simultaneous,
            "extragradient": self._extragradient,
        }[self.settings.update_rule]
        looks = 2 if self.settings.update_rule == "extragradient" else 1
        draws = count * looks * (1 + self.parameters.d_steps)
        noise = iter(self._random.normal(scale=self.settings.noise, size=draws).tolist())
        x, y = self._point.tolist()
        path = np.empty((count, 2))
        for i in range(count):
            path[i] = x, y = rule(x, y, noise)
        return path

    def _alternating(self, x: float, y: float, noise: Iterator[float]) -> tuple[float, float]:
        x -= self.parameters.a * (self._x_gradient(x, y) + next(noise))
        for _ in range(self.parameters.d_steps):
            y += self.parameters.b * (self._y_gradient(x, y) + next(noise))
        return x, y

    def _simultaneous(self, x: float, y: float, noise: Iterator[float]) -> tuple[float, float]:
        new_x = x - self.parameters.a * (self._x_gradient(x, y) + next(noise))
        for _ in range(self.parameters.d_steps):
            y += self.parameters.b * (self._y_gradient(x, y) + next(noise))
        return new_x, y

    def _extragradient(self, x: float, y: float, noise: Iterator[float]) -> tuple[float, float]:
        a, b = self.parameters.a, self.parameters.b
        for _ in range(self.parameters.d_steps - 1):
            ahead_y = y + b * (self._y_gradient(x, y) + next(noise))
            y += b * (self._y_gradient(x, ahead_y) + next(noise))
        ahead_x = x - a * (self._x_gradient(x, y) + next(noise))
        ahead_y = y + b * (self._y_gradient(x, y) + next(noise))
        new_x = x - a * (self._x_gradient(ahead_x, ahead_y) + next(noise))
        return new_x, y + b * (self._y_gradient(ahead_x, ahead_y) + next(noise))

    def _distance(self, path: FloatArray) -> FloatArray:
        return np.hypot(path[:, 0], path[:, 1])
