"""A kind of trial that sleeps, for `slots`: it holds a slot and uses no CPU."""

from __future__ import annotations

import time
from collections.abc import Callable

from trainables.protocol import Context, Measurement, Parameters, State
from trainables.settings.base import TrialSettings


class Settings(TrialSettings):
    """How long a trial sleeps.

    Attributes:
        seconds: All of it, > 0.
    """

    kind: str
    seconds: float = 30.0

    @property
    def score_name(self) -> str:
        """The name of its score, which means nothing."""
        return "slept"


class Sleeping:
    """A trial that sleeps to each of its evaluations, and says when it began to."""

    score_name = "slept"

    def __init__(self, settings: Settings, parameters: Parameters, context: Context) -> None:  # noqa: ARG002
        self._settings, self._score = settings, parameters.b
        self._began = self._since = time.time()
        self.step = 0

    @property
    def finished(self) -> bool:
        """Whether it has slept enough."""
        return self.step >= self._settings.steps

    def advance(self, pause: Callable[[], bool] = lambda: False) -> Measurement | None:
        """Sleeps until the next evaluation, or until a turn is over."""
        part = self._settings.seconds * self._settings.evaluate_every / self._settings.steps
        while (left := self._since + part - time.time()) > 0:
            if pause():
                return None
            time.sleep(min(left, 0.05))
        self._since += part
        self.step += self._settings.evaluate_every
        return Measurement(step=self.step, score=self._score, metrics={"began": self._began})

    def save(self) -> State:
        """What it needs to go on."""
        return {"step": self.step}

    def load(self, state: State) -> None:
        """Goes on."""
        self.step = state["step"]

    def artifacts(self) -> dict[str, bytes]:
        """Nothing."""
        return {}


def kind() -> tuple[type[Settings], type[Sleeping]]:
    """The settings and the trial."""
    return Settings, Sleeping
