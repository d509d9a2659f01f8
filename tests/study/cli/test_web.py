"""The pages of MLflow and of optuna-dashboard: served on loopback, ended by Ctrl-C, never for nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

import pytest
from support.mlflow import new_store
from support.postgres import free_port
from support.study import Place, empty_record, end_hard, wait_until

from study.cli import web as pages
from study.cli.web import _interrupt
from study.errors import UserError
from study.ground.beside import beside
from study.ground.signals import handled
from study.places.home import Home


def answers(port: int, path: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def test_an_mlflow_server_elsewhere_is_only_named(tmp_path: Path) -> None:
    said: list[str] = []
    places = Home(str(tmp_path)).places(None, {"tracking": "http://me:secret@there:5000"})
    pages.show(places, dashboard=False, port=1, say=said.append)
    assert said == ["MLflow: http://***@there:5000"]


def test_without_the_package_there_is_no_dashboard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "optuna_dashboard", None)
    places = Home(str(tmp_path)).places(None, {})
    with pytest.raises(UserError, match=r"pip install 'ttur-study\[dashboard\]'"):
        pages.show(places, dashboard=True, port=1, say=lambda line: None)


@pytest.mark.parametrize(("dashboard", "what"), [(False, "MLflow store"), (True, "record")])
def test_nothing_is_served_where_nothing_is(tmp_path: Path, dashboard: bool, what: str) -> None:
    places = Home(str(tmp_path)).places(None, {})
    with pytest.raises(UserError, match=f"there is no {what} at .* yet; launch a study"):
        pages.show(places, dashboard=dashboard, port=5999, say=lambda line: None)
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_ends_by_itself_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    (tmp_path / "mlflow.db").touch()
    places = Home(str(tmp_path)).places(None, {})
    with pytest.raises(RuntimeError, match=r"ended by itself \(1\); is port 5999 taken"):
        pages.show(places, dashboard=False, port=5999, say=lambda line: None)


@pytest.mark.slow
@pytest.mark.parametrize(
    "number",
    [
        pytest.param(signal.SIGINT, id="INT"),
        pytest.param(signal.SIGTERM, id="TERM", marks=pytest.mark.exhaustive),
    ],
)
@pytest.mark.parametrize(
    ("options", "path"),
    [([], "/health"), (["--dashboard"], "/api/studies")],
    ids=["mlflow", "optuna"],
)
def test_a_page_is_served_until_a_signal_ends_it(
    tmp_path: Path, options: list[str], path: str, number: int
) -> None:
    if options:
        pytest.importorskip("optuna_dashboard", reason="needs the extra dashboard")
    place, port = Place(tmp_path), free_port()
    place.home.mkdir()
    empty_record(place.home)
    new_store(place.home)
    process: subprocess.Popen[str] = place.start("ui", *options, "--port", str(port))
    try:
        wait_until("the page answers", lambda: answers(port, path), process)
        os.kill(process.pid, number)
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, out + err
        assert f"http://127.0.0.1:{port} (Ctrl-C ends it)" in out
        assert not answers(port, path)
    finally:
        end_hard(process)


def test_an_interruption_ends_a_page_also_while_an_answer_is_written() -> None:
    """A server takes it for a fault of the request that it is answering, and goes on."""
    begun, end = threading.Event(), threading.Event()

    def serve() -> None:
        for _ in range(200):
            try:
                begun.set()
                if end.wait(0.01):
                    return
            except KeyboardInterrupt:
                continue

    def interrupt() -> None:
        begun.wait()
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    try:
        with pytest.raises(KeyboardInterrupt), handled(_interrupt):
            beside(serve, name="page")
    finally:
        end.set()


def test_why_a_page_cannot_be_served_is_said() -> None:
    def serve() -> None:
        raise OSError("the port is taken")

    with pytest.raises(OSError, match="the port is taken"):
        beside(serve, name="page")
