"""The Ray that trials run on: an embedded one on the loopback address, or a cluster that runs already.

Ray reads its settings from the environment when it is imported, so they are made here, before that.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import yaml

from study.engine.cpus import usable_cpus
from study.errors import Unreachable, UserError
from study.ground.faults import point
from study.spec.model import Resources
from study.spec.user_code import modules
from trainables.counting import counted

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
# Ray runs whatever its clients send it, so even the embedded one asks for a token.
os.environ.setdefault("RAY_AUTH_MODE", "token")

import ray  # noqa: E402 - reads the environment above when it is imported
from ray.autoscaler.sdk import request_resources  # noqa: E402

from study.engine import private  # noqa: E402

LOOPBACK = "127.0.0.1"
BOOTSTRAP = Path("~/ray_bootstrap_config.yaml")
"""Where `ray up` leaves the config of a cluster on its head."""
LOOPBACK_ONLY = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
"""Ray's variable that, set to 0, keeps a cluster on the loopback address. It does so by itself on Windows and
macOS; on Linux it would otherwise listen on every address of the machine."""
START_ATTEMPTS = 3
CONNECT_SECONDS = 20.0
AUTOSCALER_SECONDS = 600.0
"""How long an autoscaler may take to bring a node: a machine of a cloud starts in minutes."""
REPORT_SECONDS = 20.0
"""Within this time after its start the autoscaler of a head has reported."""
OBJECT_STORE_BYTES = 128 * 1024**2
"""Trials pass nothing but small results through the object store; their data are memory-mapped files."""

REFUSED_BY_TUNE = ("TUNE_RESULT_DIR", "RAY_AIR_LOCAL_CACHE_DIR")
"""Variables with which Tune does not run. They said where it kept results, which it does not do here."""

logger = logging.getLogger(__name__)


@contextmanager
def cluster(address: str | None, resources: Resources) -> Iterator[None]:
    """Starts the embedded engine, or connects to a cluster.

    Args:
        address: None for the embedded engine; ``auto`` or ``host:port`` for a running cluster.
        resources: What the embedded engine may use.
    """
    logging.getLogger("ray").setLevel(logging.ERROR)
    if ray.is_initialized():
        raise UserError(
            "this process is connected to Ray already; call ray.shutdown() first, or launch the study "
            "in a process of its own (--address joins a running cluster)"
        )
    for name in REFUSED_BY_TUNE:
        os.environ.pop(name, None)
    before = os.environ.get("RAY_AUTH_TOKEN")
    _provide_token(address)
    private.follow_environment()  # somebody may have imported Ray before this file
    try:
        if address is None:
            # For Ray's processes; this one read it when Ray was imported.
            os.environ[LOOPBACK_ONLY] = "0"
            private.listen_everywhere(False)
            point("starting")
            _start(resources)
            point("started")
        else:
            _connect(address)
        yield
    finally:
        left = private.processes()
        ray.shutdown()
        private.end(left)
        if before is None:  # the token was made for this cluster alone
            os.environ.pop("RAY_AUTH_TOKEN", None)
            private.follow_environment()
        if address is None:
            os.environ.pop(LOOPBACK_ONLY, None)
            private.listen_everywhere(True)


def _provide_token(address: str | None) -> None:
    """Makes a token where there is none and the mode asks for one: without it Ray refuses to start.

    The embedded engine's token is made for this process. No file keeps it; Ray's own processes get it from
    the environment. A running cluster has the user's token; one without a token accepts any.
    """
    if os.environ["RAY_AUTH_MODE"] != "token" or "RAY_AUTH_TOKEN" in os.environ:
        return
    kept = os.environ.get("RAY_AUTH_TOKEN_PATH") or Path("~/.ray/auth_token").expanduser()
    if address is None or not Path(kept).is_file():
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)


def _connect(address: str) -> None:
    """Connects to a running cluster; the user's own modules are sent to its workers."""
    own = modules()
    try:
        if address != "auto":
            # Ray itself would try for many minutes.
            host, _, port = address.rpartition(":")
            socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()
        ray.init(
            address=address,
            log_to_driver=False,
            logging_level=logging.ERROR,
            runtime_env={"py_modules": own} if own else None,
        )
    except ray.exceptions.RuntimeEnvSetupError as error:
        raise UserError(
            f"--address {address}: {', '.join(own)} could not be sent to the cluster ({error}); keep the "
            "modules that a spec names small, and data beside them elsewhere"
        ) from error
    except (OSError, ValueError, RuntimeError) as error:
        raise UserError(
            f"--address {address}: no Ray cluster answers there ({str(error).splitlines()[0]}); check "
            "the address and RAY_AUTH_MODE"
        ) from error


def _start(resources: Resources) -> None:
    """Starts the embedded engine; a machine too busy for Ray's fixed limit of 30 s gets more time."""
    cpus = resources.cpus or usable_cpus()
    slots = min(_fitting({"CPU": cpus}, resources.cpu, 0), resources.max_concurrent or cpus, cpus)
    private.begin_workers(max(1, slots))
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
            if "timed out during startup" not in str(error):
                raise
            if not attempts_left:
                raise Unreachable(
                    "Ray did not start in 3 tries of 30 s each: this machine is too busy; launch again later"
                ) from error
            logger.warning("Ray did not start within its 30 s; trying again.")
        else:
            return


def check_fit(cpu: float, gpu: float, given_up: Callable[[], bool] = lambda: False) -> None:
    """Refuses a request that no node can hold; where there is an autoscaler, it gets time to bring one.

    Args:
        cpu: CPUs of a trial.
        gpu: GPUs of a trial.
        given_up: Asked while the autoscaler is waited for; True ends the wait.

    Raises:
        UserError: The sentence names the request and the largest node.
    """
    if _fits(cpu, gpu):
        return
    asked = f"{cpu:g} CPU" + (f" and {gpu:g} GPU" if gpu else "")
    waited = ""
    if not embedded() and _autoscaled():
        promised = _promised()
        if not promised or any(_holds(held, cpu, gpu) for held in promised):
            logger.warning("No node holds a trial of %s yet; waiting for the autoscaler.", asked)
            if _brought(cpu, gpu, given_up) or given_up():
                return
            minutes = f"{AUTOSCALER_SECONDS / 60:.0f} min"
            waited = f", and the autoscaler brought none that does in {minutes}"
        else:
            waited = ", and none of the autoscaler's node types holds it"
    none: dict[str, float] = {}
    largest = max(_alive(), key=lambda n: (n.get("GPU", 0), n.get("CPU", 0)), default=none)
    has = f"{largest.get('CPU', 0):g} CPU and {largest.get('GPU', 0):g} GPU"
    raise UserError(
        f"resources: a trial asks for {asked}, but the largest node of the cluster has {has}{waited}; "
        "lower resources.cpu or resources.gpu, or add a node"
    )


def _alive() -> list[dict[str, float]]:
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def _holds(node: Mapping[str, float], cpu: float, gpu: float) -> bool:
    return node.get("CPU", 0) >= cpu and node.get("GPU", 0) >= gpu


def _fits(cpu: float, gpu: float) -> bool:
    return any(_holds(node, cpu, gpu) for node in _alive())


def _promised() -> list[dict[str, float]]:
    """What each node type of the autoscaler holds, as far as its config says and is here.

    `ray up` puts the config on the head, where the driver of a job runs. Hosts of one's own (the local
    provider) have no stated size.
    """
    try:
        config = yaml.safe_load(BOOTSTRAP.expanduser().read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    types = (config.get("available_node_types") or {}).values()
    return [kind["resources"] for kind in types if kind.get("resources")]


def _brought(cpu: float, gpu: float, given_up: Callable[[], bool]) -> bool:
    """Asks the autoscaler for a node that holds a trial and waits until it is there."""
    request_resources(bundles=[{"CPU": cpu, **({"GPU": gpu} if gpu else {})}])
    try:
        ends = time.monotonic() + AUTOSCALER_SECONDS
        while not _fits(cpu, gpu) and time.monotonic() < ends and not given_up():
            time.sleep(1)
        return _fits(cpu, gpu)
    finally:
        request_resources(bundles=[])  # it would hold until it is taken back


def _autoscaled() -> bool:
    """Whether an autoscaler may add nodes.

    Every head has one, also where it has nothing to start nodes from and only reports: then it calls
    each node a type of its own.
    """
    if private.reports_by_name():
        return True
    ends = time.monotonic() + REPORT_SECONDS
    while (report := private.autoscaler_report()) is None and time.monotonic() < ends:
        time.sleep(1)  # the head came up just now
    types = ((report or {}).get("node_type_mapping") or {}).items()
    return any(kind != private.own_type(node) for node, kind in types)


def embedded() -> bool:
    """Whether this is the embedded engine."""
    return str(ray.get_runtime_context().gcs_address).split(":")[0] == LOOPBACK


def gpus(resources: Resources, accelerated: bool) -> float:
    """How many GPUs a trial gets: what the spec says, or one where the kind uses it and there is one."""
    if resources.gpu != "auto":
        return float(resources.gpu)
    if not accelerated:
        return 0.0
    nodes = _alive() if embedded() else [*_alive(), *_promised()]
    return 1.0 if any(node.get("GPU", 0) >= 1 for node in nodes) else 0.0


def slots(cpu: float, gpu: float) -> int | None:
    """How many trials fit on the embedded engine; None on a cluster, which may grow."""
    return max(1, _fitting(ray.cluster_resources(), cpu, gpu)) if embedded() else None


def room(cpu: float, gpu: float) -> int:
    """How many trials fit on the nodes that are there now, embedded engine or cluster."""
    return sum(_fitting(node, cpu, gpu) for node in _alive())


def _fitting(node: Mapping[str, float], cpu: float, gpu: float) -> int:
    fits = int(node.get("CPU", 0) / cpu + 1e-9)
    return min(fits, int(node.get("GPU", 0) / gpu + 1e-9)) if gpu else fits


def nodes() -> str:
    """What the nodes hold, in words: ``2 nodes: 4 CPU, 1 GPU on 10.0.0.10; …``."""
    alive = [(n["Resources"], n["NodeManagerAddress"]) for n in ray.nodes() if n["Alive"]]
    held = (f"{r.get('CPU', 0):g} CPU, {r.get('GPU', 0):g} GPU on {where}" for r, where in alive)
    return f"{counted(len(alive), 'nodes')}: {'; '.join(held)}"
