"""A GAN as a trial: trains from one evaluation to the next, can be saved and continued exactly.

What is generated and how it is scored is left to subclasses (images: :mod:`trainables.gan.trial`).
"""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from torch import Tensor

from trainables.devices import at_precision, full_precision, kernels
from trainables.gan.batches import Batches
from trainables.gan.game import GanGame
from trainables.gan.state import snapshot
from trainables.gan.streams import Streams
from trainables.gan.watch import NonFiniteError
from trainables.kinds import configuration_of, require_same
from trainables.levels import Score
from trainables.networks.pair import Networks
from trainables.protocol import Context, Diverged, Measurement, Parameters, State
from trainables.settings.adversarial import AdversarialSettings


class AdversarialTrial(ABC):
    """One generator against one discriminator, as a Trial.

    Attributes:
        game: The networks in training.
    """

    def __init__(
        self,
        settings: AdversarialSettings,
        parameters: Parameters,
        context: Context,
        networks: Networks,
        batches: Batches,
        streams: Streams,
    ) -> None:
        self.game = GanGame(settings, parameters, networks, batches, streams, context.device)
        self._settings = settings
        self._device = context.device
        self._streams = streams
        self._configuration = configuration_of(settings, parameters, context.seed)
        self._step = 0
        self._evaluated = 0
        self._diverged: Diverged | None = None
        self._seconds = 0.0
        self._training_seconds = 0.0
        self._last_training_seconds = 0.0

    @property
    @abstractmethod
    def score_name(self) -> str:
        """Name of the score."""

    @property
    @abstractmethod
    def makes(self) -> Mapping[str, str]:
        """What the generator makes, as far as its weights do not tell."""

    def weights(self) -> Mapping[str, Tensor]:
        """The tensors of the generator, and of its moving average if there is one; live references."""
        parts = {"generator": self.game.generator}
        if self._settings.ema:
            parts["average"] = self.game.sampled
        return {
            f"{part}.{name}": value
            for part, network in parts.items()
            for name, value in network.state_dict().items()
        }

    @abstractmethod
    def artifacts(self) -> Mapping[str, bytes]:
        """Files that show where the trial stands."""

    @abstractmethod
    def _score(self, early: bool) -> Score:
        """Scores ``game.sampled``.

        Args:
            early: Whether with the fewer samples of an early evaluation.

        Raises:
            NonFiniteError: A sample is not finite.
        """

    def start_from(self, weights: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Takes kept weights of a generator, and of its average, in place of fresh ones.

        Raises:
            ValueError: They are of another network.
        """
        try:
            self.game.generator.load_state_dict(weights["generator"])
            if self._settings.ema:
                self.game.sampled.load_state_dict(weights.get("average", weights["generator"]))
        except (RuntimeError, KeyError) as error:
            raise ValueError(
                f"the kept weights do not fit the trial's networks: {error}"
            ) from error

    @property
    def step(self) -> int:
        """Generator updates done."""
        return self._step

    @property
    def said(self) -> str | None:
        """Why its steps are launched in a slower way than they were meant to be, one sentence, or None."""
        return self.game.said

    @property
    def times(self) -> Mapping[str, float]:
        """Seconds so far: ``data``, ``training`` (without data) and ``evaluation``."""
        return {
            "data": self.game.data_seconds,
            "training": self._training_seconds - self.game.data_seconds,
            "evaluation": self._seconds - self._training_seconds,
        }

    @property
    def finished(self) -> bool:
        """Whether all steps (or minutes) are done and evaluated, or the trial diverged."""
        evaluated = self._step > 0 and self._evaluated == self._step
        return self._diverged is not None or (self._trained and evaluated)

    def advance(self, pause: Callable[[], bool] = lambda: False) -> Measurement | Diverged | None:
        """Trains up to and including the next evaluation; see :class:`trainables.protocol.Trial`.

        Raises:
            RuntimeError: The trial is finished.
        """
        if self.finished:
            raise RuntimeError("the trial is finished; there is nothing to advance to")
        try:
            with self._streams.inside_networks(), self._as_set():
                while not pause():
                    if self._due:
                        self._settle()
                        return self._evaluate()
                    with self._timed(training=True):
                        self.game.step(self._step + 1)
                    self._step += 1
                self._settle()
        except NonFiniteError as error:
            self._step = self._step if error.done is None else error.done
            self._diverged = Diverged(step=self._step, reason=str(error))
            return self._diverged
        return None

    def save(self) -> State:
        """Returns a copy of everything needed to continue, as nested plain values and CPU tensors."""
        diverged = self._diverged
        return {
            "configuration": snapshot(self._configuration),
            "step": self._step,
            "evaluated": self._evaluated,
            "diverged": diverged and {"reason": diverged.reason, "time": diverged.time},
            "seconds": self._seconds,
            "training_seconds": self._training_seconds,
            "data_seconds": self.game.data_seconds,
            "last_training_seconds": self._last_training_seconds,
            "game": snapshot(self.game.state_dict()),
        }

    def load(self, state: State) -> None:
        """Continues from :meth:`save`.

        Raises:
            ValueError: The state is of another trial; the message names the first difference.
        """
        require_same(self._configuration, state["configuration"])
        self.game.load_state_dict(state["game"])
        self._step = state["step"]
        self._evaluated = state["evaluated"]
        self._seconds = state["seconds"]
        self._training_seconds = state["training_seconds"]
        self.game.data_seconds = state.get("data_seconds", 0.0)  # an older version took no note
        self._last_training_seconds = state["last_training_seconds"]
        diverged = state["diverged"]
        self._diverged = diverged and Diverged(step=self._step, **diverged)

    @property
    def _trained(self) -> bool:
        minutes = self._settings.minutes
        out_of_time = minutes is not None and self._training_seconds >= 60 * minutes
        return self._step >= self._settings.steps or out_of_time

    @property
    def _due(self) -> bool:
        """Whether the next thing to do is an evaluation."""
        at_cadence = self._step % self._settings.evaluate_every == 0
        return self._evaluated < self._step and (at_cadence or self._trained)

    def _settle(self) -> None:
        """Waits for the updates that a device has not made yet, which is part of training."""
        with self._timed(training=True):
            self.game.settle()

    @property
    def _early(self) -> bool:
        """Whether the next evaluation is an early one; a trial that ran out of minutes ends with a score."""
        early = self._settings.early
        return early is not None and self._step <= early.until and not self._trained

    def _evaluate(self) -> Measurement | Diverged:
        early = self._early
        # Scores are taken in full precision and repeatably, however the updates are computed.
        with self._timed(training=False), full_precision(), kernels(repeatable=True):
            self.game.check_weights()
            score = self._score(early)
        if not (math.isfinite(score.value) and math.isfinite(score.noise)):
            raise NonFiniteError(
                f"the score {self.score_name} is {score.value} with noise {score.noise}"
            )
        steps = self._step - self._evaluated
        d_loss, g_loss = self.game.mean_losses()
        seconds = self._training_seconds - self._last_training_seconds
        self.game.begin_means()
        self._evaluated = self._step
        self._last_training_seconds = self._training_seconds
        metrics = {"d_loss": d_loss, "g_loss": g_loss, "steps_per_second": steps / seconds}
        if not early:  # what else was measured of fewer samples is not what its name says
            metrics |= score.metrics
        return Measurement(
            step=self._step,
            score=score.value,
            noise=score.noise,
            metrics=metrics,
            seconds=self._seconds,
            early=early,
        )

    @contextmanager
    def _as_set(self) -> Iterator[None]:
        """Inside, updates are computed as the settings say."""
        settings = self._settings
        precise = at_precision(settings.precision, self._device)
        with precise, kernels(repeatable=settings.deterministic):
            yield

    @contextmanager
    def _timed(self, *, training: bool) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            elapsed = time.perf_counter() - started
            self._seconds += elapsed
            self._training_seconds += elapsed if training else 0.0
