"""Private parts of Ray that cannot be avoided; pyproject.toml bounds its version.

The processes of the embedded engine and their quick end; on which addresses it listens; what its autoscaler
reports.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import chain
from typing import Any, ClassVar

import psutil
import ray
from ray._private import node, ray_constants, services, worker
from ray._raylet import (  # type: ignore[attr-defined]
    DASHBOARD_AGENT_LISTEN_PORT_NAME,
    METRICS_AGENT_PORT_NAME,
    METRICS_EXPORT_PORT_NAME,
    AuthenticationTokenLoader,
    Config,
    persist_port,
)
from ray.autoscaler._private.util import format_readonly_node_type
from ray.autoscaler.v2.utils import is_autoscaler_v2
from ray.experimental.internal_kv import _internal_kv_get


def follow_environment() -> None:
    """Lets this process go by RAY_AUTH_MODE and the token as they are now, not as when Ray was imported."""
    Config.initialize("")
    AuthenticationTokenLoader.instance().reset_cache()


def listen_everywhere(everywhere: bool) -> None:
    """Says whether a cluster that this process starts listens on all addresses; Ray read it when imported."""
    ray_constants.ENABLE_RAY_CLUSTER = everywhere


def reports_by_name() -> bool:
    """Whether the cluster's autoscaler is the newer one, which is only there where nodes may be added."""
    return bool(is_autoscaler_v2(fetch_from_server=True))


def autoscaler_report() -> dict[str, Any] | None:
    """What the head's autoscaler last reported; None before its first report."""
    text = _internal_kv_get(ray_constants.DEBUG_AUTOSCALING_STATUS.encode())
    report: dict[str, Any] | None = json.loads(text).get("autoscaler_report") if text else None
    return report


def own_type(node: str) -> str:
    """The type that an autoscaler without node types gives a node: each is a type of its own."""
    return str(format_readonly_node_type(node))


def processes() -> list[psutil.Process]:
    """Returns what the embedded engine runs: its servers, and all that these started."""
    node: Any = worker._global_node
    servers = chain.from_iterable(node.all_processes.values()) if node is not None else ()
    found: list[psutil.Process] = []
    for server in servers:
        with suppress(psutil.NoSuchProcess):
            started = psutil.Process(server.process.pid)
            found += [started, *started.children(recursive=True)]
    return found


def end(processes: Sequence[psutil.Process]) -> None:
    """Ends what is left of the embedded engine.

    Its agents notice that their server is gone, but then try for a minute to tell another one of it.
    """
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def passed_on(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables of a driver that Tune gives the workers of its trials, but for those that we set."""
    from ray.tune.execution.class_cache import ENV_VARS_TO_PROPAGATE

    names = set(ENV_VARS_TO_PROPAGATE) - {"RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS"}
    return {name: environment[name] for name in sorted(names) if name in environment}


def give_workers(variables: Mapping[str, str]) -> None:
    """Lets Tune start its workers with these variables of their own; without any, as plain workers.

    Tune by itself gives each an environment of its own, always. Such a worker is begun by Ray's agent only
    when the trial is there, as two processes one after the other; a plain one may be there already.
    """
    from ray.tune.execution import class_cache, tune_controller

    remote: Any = ray.remote
    options = {"runtime_env": {"env_vars": dict(variables)}} if variables else {}

    class Actors(class_cache._ActorClassCache):
        """Tune's classes of workers."""

        def get(self, trainable: type) -> Any:
            """The class of the workers that run a trainable."""
            if trainable not in self._cache:
                self._cache[trainable] = (remote(**options) if options else remote)(trainable)
            return self._cache[trainable]

    tune_controller._ActorClassCache = Actors  # type: ignore[attr-defined]


class _Server(services.ConsolePopen):
    """A server of the embedded engine, which is killed when Ray asks it to end.

    A driver has SIGTERM blocked (study/ground/signals.py), and what it starts inherits that: Ray would wait a
    second for each server to end of a SIGTERM before it kills it. Nothing is in them that is needed again.
    """

    def terminate(self) -> None:
        """Kills the process."""
        self.kill()


services.ConsolePopen = _Server  # type: ignore[misc]


AGENT = "--dashboard_agent_command="
READY = "--num_prestart_python_workers="
AGENT_PORTS = (METRICS_AGENT_PORT_NAME, METRICS_EXPORT_PORT_NAME, DASHBOARD_AGENT_LISTEN_PORT_NAME)


class _Node(node.Node):
    """The embedded engine's servers: of Ray's seven those three that trials need.

    Nobody asks for a page, a log in the driver, an autoscaler or a metric here. Ray waits for the page's
    server, and then its raylet for the agent, which are Python processes that import for seconds.

    Attributes:
        ready: Workers that begin before there is a trial; by itself Ray begins one a CPU.
    """

    ready: ClassVar[int] = 1

    def start_monitor(self) -> None:
        """Starts no autoscaler."""

    def start_log_monitor(self) -> None:
        """Starts nothing that reads the workers' logs."""

    def start_api_server(self, **named: Any) -> None:  # noqa: ARG002
        """Starts no page."""
        self._webui_url = ""

    def start_raylet(self, *arguments: Any, **named: Any) -> None:
        """Starts the raylet without an agent that shows what it does.

        It is told what an agent without pages tells it, that there are no ports. It insists on a process
        with which it ends: one that does nothing, and ends when the raylet has, as its input does then.
        """
        for name in AGENT_PORTS:
            persist_port(self._session_dir, self._node_id, name, -1)
        begin = services.start_ray_process

        def started(command: list[str], *rest: Any, **more: Any) -> Any:
            changed = {AGENT: f"{AGENT}cat", READY: f"{READY}{self.ready}"}
            told = [changed.get(f"{part.partition('=')[0]}=", part) for part in command]
            return begin(told, *rest, **more)

        services.start_ray_process = started
        try:
            super().start_raylet(*arguments, **named)
        finally:
            services.start_ray_process = begin


node.Node = _Node  # type: ignore[misc]


def begin_workers(ready: int) -> None:
    """Says how many workers of an embedded engine that is started next begin before there is a trial."""
    _Node.ready = ready
