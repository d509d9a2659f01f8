"""Runs trials with Ray Tune: the only file of this package that imports it.

Tune places trials, restarts them when a worker or a node is lost, and reuses their processes. What is run
next, when a trial stops and what is remembered is the conductor's: every session here is a fresh Tuner
over the record, and none is ever restored. A session ends after SESSION_TRIALS trials, because Tune keeps
all trials of a session in memory.
"""

from __future__ import annotations

import logging
import os
import pickle
import secrets
import socket
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from study.conductor import Conductor
from study.errors import UserError
from study.spec import Resources
from trainables.run import Turn

_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_WARN_INSUFFICENT_RESOURCE_THRESHOLD_S": "3600",
    # Tune's own snapshot is never read: it would be rewritten whole, with every trial, again and again.
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS": "0",
}
for _name, _value in _QUIET.items():
    os.environ.setdefault(_name, _value)
if "RAY_AUTH_MODE" not in os.environ:
    # Ray runs whatever its clients send it, so even the embedded one asks for a token; it is made for
    # this process, kept in no file, and passed on to Ray's own processes by the environment.
    os.environ["RAY_AUTH_MODE"] = "token"
    os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)

import ray  # noqa: E402 - reads the environment above when it is imported
from ray import tune  # noqa: E402
from ray._private import ray_constants  # noqa: E402
from ray.tune import Callback, PlacementGroupFactory, Stopper  # noqa: E402
from ray.tune.search import Searcher  # noqa: E402

from trainables.tune import TuneTrainable  # noqa: E402

LOOPBACK = "127.0.0.1"
LOOPBACK_ONLY = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
"""Ray's variable that, set to 0, keeps a cluster on the loopback address. It does so by itself on Windows and
macOS; on Linux it would otherwise listen on every address of the machine."""
START_ATTEMPTS = 3
CONNECT_SECONDS = 20.0
SESSION_TRIALS = 500
OBJECT_STORE_BYTES = 128 * 1024**2
"""Trials pass nothing but small results through the object store; their data are memory-mapped files."""

logger = logging.getLogger(__name__)


@contextmanager
def cluster(address: str | None, resources: Resources) -> Iterator[None]:
    """Starts the embedded engine, or connects to a cluster.

    Args:
        address: None for the embedded engine; ``auto`` or ``host:port`` for a running cluster.
        resources: What the embedded engine may use.
    """
    logging.getLogger("ray").setLevel(logging.ERROR)
    try:
        if address is None:
            _stay_on_loopback()
            _start(resources.cpus or len(os.sched_getaffinity(0)))
        else:
            _connect(address)
        yield
    finally:
        ray.shutdown()
        if address is None:
            os.environ.pop(LOOPBACK_ONLY, None)
            ray_constants.ENABLE_RAY_CLUSTER = True


def _connect(address: str) -> None:
    try:
        if address != "auto":
            # Ray itself would try for many minutes.
            host, _, port = address.rpartition(":")
            socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, ValueError, RuntimeError) as error:
        raise UserError(
            f"--address {address}: no Ray cluster answers there ({str(error).splitlines()[0]}); check "
            "the address and RAY_AUTH_MODE"
        ) from error


def _start(cpus: int) -> None:
    """Starts the embedded engine; a machine too busy for Ray's fixed limit of 30 s gets more time."""
    for attempts_left in reversed(range(START_ATTEMPTS)):
        try:
            ray.init(
                address="local",
                num_cpus=cpus,
                include_dashboard=False,
                object_store_memory=OBJECT_STORE_BYTES,
                log_to_driver=False,
                logging_level=logging.ERROR,
                _node_ip_address=LOOPBACK,
            )
        except Exception as error:  # Ray raises no class of its own here
            if "timed out during startup" not in str(error) or not attempts_left:
                raise
            logger.warning("Ray did not start within its 30 s; trying again.")
        else:
            return


def _stay_on_loopback() -> None:
    os.environ[LOOPBACK_ONLY] = "0"  # for Ray's processes; this one read it when Ray was imported
    ray_constants.ENABLE_RAY_CLUSTER = False


def run(conductor: Conductor, resources: Resources, accelerated: bool) -> None:
    """Runs trials until the conductor hands out no more.

    Args:
        conductor: The launch.
        resources: What a trial needs.
        accelerated: Whether the trial's kind has a use for a GPU.

    Raises:
        UserError: No node of the cluster can ever hold a trial.
    """
    gpu = _gpus(resources, accelerated)
    check_fit(resources.cpu, gpu)
    while conductor.left and not conductor.stopping:
        _session(conductor, resources, gpu)


def check_fit(cpu: float, gpu: float) -> None:
    """Refuses a request that no node can hold, unless an autoscaler may bring one that can.

    Raises:
        UserError: The sentence names the request and the largest node.
    """
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if any(n.get("CPU", 0) >= cpu and n.get("GPU", 0) >= gpu for n in nodes):
        return
    asked = f"{cpu:g} CPU" + (f" and {gpu:g} GPU" if gpu else "")
    none: dict[str, float] = {}
    largest = max(nodes, key=lambda n: (n.get("GPU", 0), n.get("CPU", 0)), default=none)
    has = f"{largest.get('CPU', 0):g} CPU and {largest.get('GPU', 0):g} GPU"
    if _autoscaled():
        logger.warning("No node holds a trial of %s yet; waiting for the autoscaler.", asked)
        return
    raise UserError(
        f"resources: a trial asks for {asked}, but the largest node of the cluster has {has}; lower "
        "resources.cpu or resources.gpu, or add a node"
    )


def _autoscaled() -> bool:
    from ray.experimental.internal_kv import _internal_kv_get

    return _internal_kv_get(b"__autoscaling_status") is not None


def _gpus(resources: Resources, accelerated: bool) -> float:
    if resources.gpu == "auto":
        return 1.0 if accelerated and ray.cluster_resources().get("GPU", 0) >= 1 else 0.0
    return float(resources.gpu)


def _session(conductor: Conductor, resources: Resources, gpu: float) -> None:
    request = {"CPU": resources.cpu, **({"GPU": gpu} if gpu else {})}
    session = _Session.begin(conductor)
    names = session.names
    with tempfile.TemporaryDirectory(prefix="ttur-tune-") as scratch:
        tuner = tune.Tuner(
            tune.with_resources(TuneTrainable, PlacementGroupFactory([request])),
            tune_config=tune.TuneConfig(
                search_alg=_Asker(session.key),
                num_samples=-1,
                reuse_actors=True,
                max_concurrent_trials=resources.max_concurrent or _slots(resources.cpu, gpu),
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
            tuner.fit()
        finally:
            session.end()


def _slots(cpu: float, gpu: float) -> int | None:
    """How many trials fit on the embedded engine; None on a cluster, which may grow."""
    if ray.get_runtime_context().gcs_address.split(":")[0] != LOOPBACK:
        return None
    total = ray.cluster_resources()
    fits = int(total.get("CPU", 0) / cpu + 1e-9)
    return max(1, min(fits, int(total.get("GPU", 0) / gpu + 1e-9)) if gpu else fits)


class _Session:
    """What Tune's hooks of one session share.

    Tune pickles and copies the hooks that it is given. They hold only the session's key, so that no
    connection, thread or password is ever in a file of Tune's, and there is only one conductor.
    """

    _open: ClassVar[dict[str, _Session]] = {}

    def __init__(self, key: str, conductor: Conductor) -> None:
        self.key = key
        self.conductor = conductor
        self.names: dict[str, str] = {}

    @classmethod
    def begin(cls, conductor: Conductor) -> _Session:
        session = cls(uuid.uuid4().hex, conductor)
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
        if len(session.names) >= SESSION_TRIALS:
            return str(Searcher.FINISHED)
        assignment = session.conductor.next()
        if assignment is None:
            return str(Searcher.FINISHED)
        session.names[trial_id] = assignment.identity
        return {"assignment": assignment.to_json(), "import_path": [str(Path.cwd())]}

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
    """Tells the conductor of trials that Tune has given up."""

    def __init__(self, key: str) -> None:
        self._key = key

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A worker was lost or raised; the trial is tried again from its checkpoint."""
        logger.warning(
            "%s is tried again from its last checkpoint: %s",
            _Session.of(self._key).names[trial.trial_id],
            _cause(trial),
        )

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """The retries are used up."""
        session = _Session.of(self._key)
        session.conductor.failed(session.names[trial.trial_id], _cause(trial))


def _cause(trial: Any) -> str:
    """The last line of what a trial raised: the exception itself, without Ray's wrapping.

    Tune's own getters look into the storage, where the files of an error arrive only later.
    """
    try:
        # Written by this process just now.
        error = pickle.loads(Path(trial.pickled_error_file).read_bytes())
    except (TypeError, OSError, ImportError, AttributeError, pickle.UnpicklingError):
        return _last_line(trial.error_file)
    cause = getattr(error, "cause", None) or error
    text = str(cause).strip()
    return f"{type(cause).__name__}: {text.splitlines()[0]}" if text else type(cause).__name__


def _last_line(file: str | None) -> str:
    """The last line of a traceback, for an exception of a class that this process does not know."""
    if file is None or not Path(file).is_file():
        return "the worker ended without saying why"
    lines = Path(file).read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1].strip() if lines else "the worker ended without saying why"
