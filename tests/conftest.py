"""What holds for every test: nobody is phoned, and parallel work does not fight for two cores."""

from __future__ import annotations

import gc
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
# Before anything imports torch or NumPy; child processes get it too.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# On a busy machine an example may take any time.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

GARBAGE = 50_000
"""New objects after which cyclic garbage is looked for; with Python's own 700 that is a tenth of all time."""


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """``pytest`` alone, which is all quick tests, runs in two processes, which halves the time.

    Whatever is chosen (a path, ``-m``, ``-k``, ``--pdb``, ``-n``) runs as pytest does by itself: Ray clusters
    one after another, and a single test without the start of two processes.
    """
    if hasattr(config, "workerinput"):
        return  # one of the two, which must start none of its own
    option = config.option
    whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    marked = any(str(argument).startswith("-m") for argument in config.invocation_params.args)
    chosen = marked or option.keyword or option.usepdb or option.collectonly
    parallel = config.pluginmanager.hasplugin("xdist") and option.numprocesses is None
    if parallel and whole and not chosen:
        option.numprocesses = 2


def pytest_sessionstart() -> None:
    gc.disable()


def pytest_collection_finish() -> None:
    """What was imported stays, and is not looked through again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE)
    gc.enable()


PLACES = ("TTUR_HOME", "TTUR_RECORD", "TTUR_CHECKPOINTS", "MLFLOW_TRACKING_URI")


@pytest.fixture(autouse=True)
def _nobody_elses_places(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test finds another one's stores, or the developer's: mlflow.set_tracking_uri outlives its test."""
    for name in PLACES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("digits")


@pytest.fixture(autouse=True)
def _the_bundled_digits_are_converted_once(
    converted: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And copied to each cache, except where conversion is what is tested."""
    images = sys.modules.get("trainables.data.images")
    if images is None or request.path.parent.name == "data":
        return
    convert = images._convert

    def copied(settings: Any, source: Any, folder: Path, report: Any) -> None:
        if settings.name != "digits":
            convert(settings, source, folder, report)
            return
        if not (kept := converted / folder.name).exists():
            convert(settings, source, kept, report)
        shutil.copytree(kept, folder)

    monkeypatch.setattr(images, "_convert", copied)


ALONE = ("browser", "cluster", "endtoend", "faults", "study")
"""Folders of tests that start clusters and servers."""
PURE = {"page", "places", "results", "search", "spec", "surface", "tracking"}
PURE |= {"test_delete.py", "test_launch_confirms.py"}
"""Folders and files below tests/study that start no cluster."""


def shares(nodeid: str) -> str:
    """What a test is done together with, in one process: those that start clusters disturb each other."""
    _, top, *below = nodeid.partition("::")[0].split("/")
    return "alone" if top in ALONE and PURE.isdisjoint(below) else nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Shares the tests between processes (``-n 2 --dist loadscope``) as :func:`shares` says.

    xdist's own groups (``--dist loadgroup``) are not seen by pytest 9.2, which xdist 3.8 does not know.
    """
    from xdist.scheduler import LoadScopeScheduling

    class Shared(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return shares(nodeid)

    return Shared(config, log) if config.getvalue("dist") == "loadscope" else None
