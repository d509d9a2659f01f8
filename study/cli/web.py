"""The web pages of MLflow and of optuna-dashboard on a home's stores: other people's servers, started here.

They listen on the loopback address only and end with this process.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from types import FrameType

from study.errors import UserError
from study.ground.beside import beside
from study.ground.signals import handled
from study.places.locations import Places
from study.record.opening import existing
from study.tracking.store import is_http, sqlite_path, without_credentials

LOOPBACK = "127.0.0.1"


def show(places: Places, *, dashboard: bool, port: int, say: Callable[[str], None]) -> None:
    """Serves a page until it is interrupted (Ctrl-C, SIGTERM).

    Args:
        places: Where record and tracking are. An MLflow server that runs elsewhere is only named.
        dashboard: optuna-dashboard on the record instead of MLflow's page.
        port: Where it listens, on the loopback address.
        say: Told where the page is.

    Raises:
        UserError: There is nothing to show, or optuna-dashboard is not installed.
        RuntimeError: The server ended by itself.
    """
    if not dashboard and is_http(places.tracking):
        say(f"MLflow: {without_credentials(places.tracking)}")
        return
    serve = _dashboard if dashboard else _mlflow
    path = sqlite_path(places.tracking)
    if not dashboard and path is not None and not path.exists():
        raise UserError(
            f"there is no MLflow store at {path} yet; launch a study, or give --tracking"
        )
    try:
        # Also where a shell started this with SIGINT ignored, and for SIGTERM: the server must not stay.
        with handled(_interrupt):
            serve(places, port, lambda: say(f"http://{LOOPBACK}:{port} (Ctrl-C ends it)"))
    except KeyboardInterrupt:
        return


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _mlflow(places: Places, port: int, starting: Callable[[], None]) -> None:
    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1"]
    # The store by the environment: command lines can be read by every user of the machine.
    variables = {
        "MLFLOW_BACKEND_STORE_URI": places.tracking,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    starting()
    # A group of its own: it has workers, which would not all hear what only one process is told.
    server = subprocess.Popen(
        [*command, "--host", LOOPBACK, "--port", str(port)],
        env=os.environ | variables,
        start_new_session=True,
    )
    try:
        code = server.wait()
        raise RuntimeError(f"MLflow's server ended by itself ({code}); is port {port} taken?")
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait()


def _dashboard(places: Places, port: int, starting: Callable[[], None]) -> None:
    try:
        from optuna_dashboard import run_server
    except ImportError:
        raise UserError(
            "--dashboard needs optuna-dashboard; pip install 'ttur-study[dashboard]'"
        ) from None
    ledger = existing(places.record)
    if ledger is None:
        raise UserError(
            f"there is no record at {without_credentials(places.record)} yet; launch a study, or give "
            "--record"
        )
    try:
        starting()
        # Not in this thread: a server that is writing an answer takes an interruption for a fault of the
        # request, and goes on.
        beside(lambda: run_server(ledger.storage, host=LOOPBACK, port=port), name="page")
    finally:
        ledger.close()
