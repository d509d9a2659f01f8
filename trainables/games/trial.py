"""The trial around an analytic game's update rule, which all games share. NumPy only, no torch.

A game says where it starts, how it moves and how far from its solution a point is; the trial does
the rest (evaluations, pauses, divergence, checkpoints). Every game is scored by the mean distance
to its solution over the steps since the last evaluation.
"""

from __future__ import annotations

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

from trainables.kinds import configuration_of, require_same
from trainables.protocol import Context, Diverged, Measurement, Parameters, State
from trainables.settings.games import GameSettings

FloatArray = npt.NDArray[np.float64]
SettingsT = TypeVar("SettingsT", bound=GameSettings)

_STEPS_BETWEEN_PAUSES = 250
_SECONDS_BETWEEN_PAUSES = 0.1


class GameTrial(ABC, Generic[SettingsT]):
    """One play of a game with the Trial protocol.

    A subclass gives :meth:`_start`, :meth:`_play`, :meth:`_distance` and :meth:`_metrics`; one that
    remembers more than its point gives :meth:`_save_memory` and :meth:`_load_memory` as well.

    """

    def __init__(self, settings: SettingsT, parameters: Parameters, context: Context) -> None:
        self.settings = settings
        self.parameters = parameters
        self._random = np.random.default_rng(context.seed)
        self._configuration = configuration_of(settings, parameters, context.seed)
        self._step = 0
        self._last_evaluation = 0
        self._distance_sum = 0.0
        self._first_near: int | None = None
        self._seconds = 0.0
        self._waited = 0.0
        self._diverged = False
        self._point = self._start()

    @abstractmethod
    def _start(self) -> FloatArray:
        """Returns the starting point, shape (variables,)."""

    @abstractmethod
    def _play(self, count: int) -> FloatArray:
        """Makes ``count`` steps from the current point.

        Returns:
            The points after each step, shape (count, variables). They may overflow: the trial
            ends at the last finite one.
        """

    @abstractmethod
    def _distance(self, path: FloatArray) -> FloatArray:
        """Returns the distance of each point, (n, variables) -> (n,), to the solution."""

    @abstractmethod
    def _metrics(self) -> dict[str, float]:
        """Returns what else is worth recording about the current point."""

    def _save_memory(self) -> State:
        """Returns what the update rule remembers besides the point and the noise."""
        return {}

    def _load_memory(self, memory: State) -> None:
        """Takes back what :meth:`_save_memory` returned."""

    @property
    def score_name(self) -> str:
        """Mean distance to the solution over the steps since the last evaluation."""
        return self.settings.score_name

    @property
    def step(self) -> int:
        """Generator updates done."""
        return self._step

    @property
    def point(self) -> FloatArray:
        """A copy of the current point, shape (variables,)."""
        return self._point.copy()

    @property
    def finished(self) -> bool:
        """Whether the last evaluation was handed out, or it diverged."""
        return self._diverged or self._last_evaluation == self.settings.steps

    def advance(self, pause: Callable[[], bool] = lambda: False) -> Measurement | Diverged | None:
        """Plays up to and including the next evaluation; see :class:`trainables.protocol.Trial`.

        Raises:
            RuntimeError: The trial is finished.
        """
        if self.finished:
            raise RuntimeError(f"the trial is finished at step {self._step}; it cannot advance")
        began = time.perf_counter()
        try:
            return self._advance(pause, began)
        finally:
            self._seconds += time.perf_counter() - began

    def path(self) -> FloatArray:
        """Plays to the end or to divergence, without evaluations.

        Returns:
            The point after each update, shape (updates made, variables).

        Examples:
            >>> from trainables.kinds import build_trial
            >>> from trainables.protocol import Context, Parameters
            >>> settings = {"kind": "bilinear", "steps": 3, "evaluate_every": 3}
            >>> trial = build_trial(settings, Parameters(b=0.1, a=0.1, d_steps=1), Context(seed=0))
            >>> trial.path().shape
            (3, 2)
        """
        made = [self._point[None][:0]]
        while self._step < self.settings.steps:
            count = min(_STEPS_BETWEEN_PAUSES, self.settings.steps - self._step)
            made.append(self._move(count))
            if len(made[-1]) < count:
                break
        return np.concatenate(made)

    def _advance(self, pause: Callable[[], bool], began: float) -> Measurement | Diverged | None:
        every, steps = self.settings.evaluate_every, self.settings.steps
        target = min(self._last_evaluation + every, steps)
        while self._step < target:
            count = min(self._steps_at_once(), target - self._step)
            if pause() or self._paused_in_sleep(count, pause):
                return None
            if len(self._move(count)) < count:
                return self._diverge("the next update is not finite")
        score = self._distance_sum / (self._step - self._last_evaluation)
        if not np.isfinite(score):
            return self._diverge(f"the score {self.score_name} is not finite")
        return self._measurement(score, self._seconds + time.perf_counter() - began)

    def _steps_at_once(self) -> int:
        cost = self.settings.seconds_per_step
        if cost == 0.0:
            return _STEPS_BETWEEN_PAUSES
        return max(1, min(_STEPS_BETWEEN_PAUSES, int(_SECONDS_BETWEEN_PAUSES / cost)))

    def _paused_in_sleep(self, count: int, pause: Callable[[], bool]) -> bool:
        """Takes the simulated time of ``count`` steps; whether a pause was asked for meanwhile.

        What was waited before a pause counts, so that a step longer than the pauses apart gets done.
        """
        began = time.monotonic()
        until = began + count * self.settings.seconds_per_step - self._waited
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(left, _SECONDS_BETWEEN_PAUSES))
            if left > _SECONDS_BETWEEN_PAUSES and pause():
                self._waited += time.monotonic() - began
                return True
        self._waited = 0.0
        return False

    def _move(self, count: int) -> FloatArray:
        """Plays so many updates; returns the points after them, fewer if one is not finite."""
        with np.errstate(over="ignore", invalid="ignore"):  # reported as divergence below
            path = _finite_prefix(self._play(count))
            distance = self._distance(path)
            self._distance_sum += float(distance.sum())
        if len(path):
            near = np.flatnonzero(distance < self.settings.near)
            if self._first_near is None and near.size:
                self._first_near = self._step + int(near[0]) + 1
            self._step += len(path)
            self._point = path[-1].copy()
        return path

    def _diverge(self, reason: str) -> Diverged:
        self._diverged = True
        return Diverged(step=self._step, reason=f"{reason} after step {self._step}")

    def _measurement(self, score: float, seconds: float) -> Measurement:
        self._last_evaluation = self._step
        self._distance_sum = 0.0
        metrics = {"distance": float(self._distance(self._point[None])[0]), **self._metrics()}
        if self._first_near is not None:
            metrics[f"first_step_within_{self.settings.near:g}"] = float(self._first_near)
        return Measurement(step=self._step, score=score, metrics=metrics, seconds=seconds)

    def save(self) -> State:
        """Returns plain numbers and strings; the noise stream is kept as JSON text."""
        return {
            "configuration": self._configuration,
            "step": self._step,
            "last_evaluation": self._last_evaluation,
            "distance_sum": self._distance_sum,
            "first_near": self._first_near,
            "seconds": self._seconds,
            "diverged": self._diverged,
            "point": self._point.tolist(),
            "random": json.dumps(self._random.bit_generator.state),
            "memory": self._save_memory(),
        }

    def load(self, state: State) -> None:
        """Continues from :meth:`save`.

        Raises:
            ValueError: The state is of another trial; the message names the first difference.
        """
        require_same(self._configuration, state["configuration"])
        self._step = state["step"]
        self._last_evaluation = state["last_evaluation"]
        self._distance_sum = state["distance_sum"]
        self._first_near = state["first_near"]
        self._seconds = state["seconds"]
        self._diverged = state["diverged"]
        self._point = np.asarray(state["point"], dtype=np.float64)
        self._random.bit_generator.state = json.loads(state["random"])
        self._load_memory(state["memory"])

    def artifacts(self) -> Mapping[str, bytes]:
        """A game leaves no files; its figures are drawn by :mod:`trainables.games.figures`."""
        return {}


def _finite_prefix(path: FloatArray) -> FloatArray:
    """Returns the rows before the first that is not finite."""
    broken = np.flatnonzero(~np.isfinite(path).all(axis=1))
    return path[: broken[0]] if broken.size else path
