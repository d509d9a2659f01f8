"""Trials on processes, with Ray Tune; what happens to them is decided by the conductor.

Tune places trials, restarts them when a worker or a node is lost, and reuses their processes. What is run
next, when a trial stops and what is remembered is the conductor's. They talk through three hooks:

    Tune                        hook here                       the conductor's answer
    has room for a trial   -->  _Asker.suggest              --> next(): an assignment, or nothing is left
    has a worker's result  -->  _Judge.__call__             --> turn(): takes it in; True stops the trial
    looks round            -->  _Judge.stop_all             --> stopping: why the session is to end, if it is
    lost a worker          -->  _Failures.on_trial_recover  --> refused(), if the trial was never built
    gave a trial up        -->  _Failures.on_trial_error    --> failed(), unless the launch is ending

Every session here is a fresh Tuner over the record, and none is ever restored. A session ends after
so many trials (session_trials), because Tune keeps all trials of a session in memory.
"""

from __future__ import annotations

import logging
import os
import pickle
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from study.engine import cluster, private  # first: Ray reads the environment that it makes

# isort: split
from ray import tune
from ray.tune import Callback, PlacementGroupFactory, Stopper
from ray.tune.search import Searcher

from study.search.conductor import Conductor
from study.spec.model import Resources
from study.spec.user_code import import_path
from trainables.assignment import Turn
from trainables.tune import TuneTrainable

SESSION_TRIALS = 500
SESSION_ROUNDS = 25
"""Trials of a session for each slot. At its end slots stand idle until the longest trial has ended and new
workers have begun: half a trial, as a rule, in so many."""
SESSION_MOST = 2000
"""Tune keeps 28 kB of a trial of six evaluations (measured)."""

PENDING = "TUNE_MAX_PENDING_TRIALS_PG"
"""Ray's variable: how many trials wait for a slot. By itself Tune lets one wait, so that slots are filled one
after the other, each when the worker of the one before runs, and an autoscaler is asked for one node."""
PENDING_TRIALS = 8
"""So many nodes of a cluster are asked for at a time. A trial that waits was chosen earlier than it runs."""

logger = logging.getLogger(__name__)


def run(conductor: Conductor, resources: Resources, accelerated: bool) -> None:
    """Runs trials until the conductor hands out no more.

    Args:
        conductor: The launch.
        resources: What a trial needs.
        accelerated: Whether the trial's kind has a use for a GPU.

    Raises:
        UserError: No node of the cluster can ever hold a trial.
    """
    if not logger.isEnabledFor(logging.DEBUG):
        # It prints a traceback for every failure of a trial; ours is one sentence (see _Failures).
        logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    gpu = cluster.gpus(resources, accelerated)
    cluster.check_fit(resources.cpu, gpu, lambda: bool(conductor.stopping))
    # The embedded engine's workers have the driver's environment anyway.
    private.give_workers({} if cluster.embedded() else private.passed_on(os.environ))
    while conductor.left and not conductor.stopping:
        _session(conductor, resources, gpu)


def _session(conductor: Conductor, resources: Resources, gpu: float) -> None:
    request = {"CPU": resources.cpu, **({"GPU": gpu} if gpu else {})}
    most = resources.max_concurrent or cluster.slots(resources.cpu, gpu)
    room = cluster.room(resources.cpu, gpu)
    slots = min(room, most) if most else room
    conductor.room(slots)
    session = _Session.begin(conductor, session_trials(slots))
    names = session.names
    with tempfile.TemporaryDirectory(prefix="ttur-tune-") as scratch:
        tuner = tune.Tuner(
            tune.with_resources(TuneTrainable, PlacementGroupFactory([request])),
            tune_config=tune.TuneConfig(
                search_alg=_Asker(session.key),
                num_samples=-1,
                reuse_actors=True,
                max_concurrent_trials=most,
                trial_name_creator=lambda trial: names[trial.trial_id],
                trial_dirname_creator=lambda trial: trial.trial_id,
            ),
            run_config=tune.RunConfig(
                name="session",
                storage_path=scratch,
                verbose=0,
                stop=_Judge(session.key),
                callbacks=[_Failures(session.key)],
                failure_config=tune.FailureConfig(max_failures=resources.max_failures),
                # A trial finds its own checkpoints; Tune's copy would have to be in a folder that every
                # node shares, and scratch is the driver's alone.
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            ),
        )
        try:
            with _pending(cluster.slots(resources.cpu, gpu) or PENDING_TRIALS, most):
                tuner.fit()
        finally:
            session.end()


def session_trials(slots: int) -> int:
    """How many trials a session has at most, for so many at a time.

    Example:
        >>> [session_trials(slots) for slots in (2, 64, 1000)]
        [500, 1600, 2000]
    """
    return min(SESSION_MOST, max(SESSION_TRIALS, SESSION_ROUNDS * slots))


@contextmanager
def _pending(trials: int, most: int | None) -> Iterator[None]:
    """Lets so many trials wait for a slot, unless the user's environment says otherwise."""
    said = PENDING in os.environ
    os.environ.setdefault(PENDING, str(min(trials, most or trials)))
    try:
        yield
    finally:
        if not said:
            del os.environ[PENDING]


class _Session:
    """What Tune's hooks of one session share.

    Tune pickles and copies the hooks that it is given. They hold only the session's key, so that no
    connection, thread or password is ever in a file of Tune's, and there is only one conductor.
    """

    _open: ClassVar[dict[str, _Session]] = {}

    def __init__(self, key: str, conductor: Conductor, trials: int) -> None:
        self.key = key
        self.conductor = conductor
        self.trials = trials
        self.names: dict[str, str] = {}
        self.steps: dict[str, int] = {}

    @classmethod
    def begin(cls, conductor: Conductor, trials: int) -> _Session:
        session = cls(uuid.uuid4().hex, conductor, trials)
        cls._open[session.key] = session
        return session

    @classmethod
    def of(cls, key: str) -> _Session:
        return cls._open[key]

    def end(self) -> None:
        del self._open[self.key]


class _Asker(Searcher):
    """Passes the conductor's assignments to Tune."""

    def __init__(self, key: str) -> None:
        super().__init__(metric="_", mode="min")
        self._key = key

    def suggest(self, trial_id: str) -> Any:
        """Returns the next trial's config, or that there is none in this session."""
        session = _Session.of(self._key)
        if len(session.names) >= session.trials:
            return str(Searcher.FINISHED)
        assignment = session.conductor.next()
        if assignment is None:
            return str(Searcher.FINISHED)
        session.names[trial_id] = assignment.identity
        return {"assignment": assignment.to_json(), "import_path": import_path()}

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Nothing: the conductor ended the trial when its last turn came in."""

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the record is the only memory of a search."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: a session is never restored."""


class _Judge(Stopper):
    """Shows every result to the conductor, which says whether the trial stops."""

    def __init__(self, key: str) -> None:
        self._key = key

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Takes in one result."""
        session = _Session.of(self._key)
        return session.conductor.turn(session.names[trial_id], Turn.from_json(result["turn"]))

    def stop_all(self) -> bool:
        """Ends the session when the launch was asked to stop; actors checkpoint as they end."""
        return bool(_Session.of(self._key).conductor.stopping)


class _Failures(Callback):
    """Tells the conductor of trials that Tune has given up, and counts failures anew after progress."""

    def __init__(self, key: str) -> None:
        self._key = key

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """Lets a trial that got further than ever be retried as often as a new one.

        The cap is for trials that always fail; one that loses a worker every other hour goes on.
        """
        steps, step = _Session.of(self._key).steps, int(result["turn"]["step"])
        if step > steps.setdefault(trial.trial_id, 0):
            steps[trial.trial_id] = step
            trial.run_metadata.num_failures = 0

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A worker was lost or raised; the trial is tried again from its checkpoint."""
        self._look_for_refusal(trial)
        logger.warning(
            "%s is tried again from its last checkpoint: %s",
            _Session.of(self._key).names[trial.trial_id],
            _cause(trial),
        )

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """The retries are used up."""
        self._look_for_refusal(trial)
        session = _Session.of(self._key)
        session.conductor.failed(session.names[trial.trial_id], _cause(trial), _traceback(trial))

    def _look_for_refusal(self, trial: Any) -> None:
        session, error = _Session.of(self._key), _error(trial)
        # A trial is built in its first turn, and says by a ValueError what is wrong with its settings.
        if isinstance(error, ValueError) and trial.trial_id not in session.steps:
            session.conductor.refused(session.names[trial.trial_id], _first_line(error))


def _error(trial: Any) -> BaseException | None:
    """What a trial raised, without Ray's wrapping; None if this process cannot know it.

    Tune's own getters look into the storage, where the files of an error arrive only later.
    """
    try:
        # Written by this process just now. Whatever the user's exception does when it is made anew, the
        # study must not end of it.
        error = pickle.loads(Path(trial.pickled_error_file).read_bytes())
    except Exception:
        return None
    cause = getattr(error, "cause", None) or error
    return cause if isinstance(cause, BaseException) else None


def _traceback(trial: Any) -> str:
    """All that is known of what a trial raised."""
    file = Path(trial.error_file) if trial.error_file else None
    if file is None or not file.is_file():
        return _cause(trial)
    return file.read_text(encoding="utf-8", errors="replace")


def _cause(trial: Any) -> str:
    """What a trial raised, in one line."""
    error = _error(trial)
    if error is None:
        return _last_line(trial.error_file)
    text = _first_line(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), "")


def _last_line(file: str | None) -> str:
    """The last line of a traceback, for an exception of a class that this process does not know."""
    if file is None or not Path(file).is_file():
        return "the worker ended without saying why"
    lines = Path(file).read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1].strip() if lines else "the worker ended without saying why"
