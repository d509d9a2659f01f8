"""A kind of trial of one's own: `kind: my_trials:rotation`."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping

from trainables.protocol import Context, Diverged, Measurement, Parameters, State
from trainables.settings.base import TrialSettings


class Settings(TrialSettings):
    """What a spec may say of it, besides steps and evaluate_every."""

    kind: str
    pull: float = 0.1

    @property
    def score_name(self) -> str:
        """Distance to the solution."""
        return "distance"


class Rotation:
    """A game in which alternating steps circle the solution (0, 0), pulled inwards a little."""

    def __init__(self, settings: Settings, parameters: Parameters, context: Context) -> None:
        self.settings, self.parameters = settings, parameters
        self.score_name = settings.score_name
        self.step = 0
        start = random.Random(context.seed)  # all randomness begins from the seed
        self.x, self.y = start.uniform(0.9, 1.1), start.uniform(0.9, 1.1)

    @property
    def finished(self) -> bool:
        """Whether all steps are done."""
        return self.step >= self.settings.steps

    def advance(self, pause: Callable[[], bool] = lambda: False) -> Measurement | Diverged | None:
        """Plays up to the next evaluation."""
        while True:
            self.y += self.parameters.b * (self.x - self.settings.pull * self.y)
            self.x -= self.parameters.a * (self.y + self.settings.pull * self.x)
            self.step += 1
            distance = math.hypot(self.x, self.y)
            if not math.isfinite(distance):
                return Diverged(step=self.step - 1, reason="x or y was not finite")
            if self.step % self.settings.evaluate_every == 0 or self.finished:
                return Measurement(step=self.step, score=distance)
            if pause():
                return None

    def save(self) -> State:
        """Everything that going on needs."""
        return {"step": self.step, "x": self.x, "y": self.y}

    def load(self, state: State) -> None:
        """Goes on from there."""
        self.step, self.x, self.y = state["step"], state["x"], state["y"]

    def artifacts(self) -> Mapping[str, bytes]:
        """Files to show; none here."""
        return {}


def rotation() -> tuple[type[Settings], type[Rotation]]:
    """The settings and the trial."""
    return Settings, Rotation
