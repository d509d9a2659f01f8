"""A plugin of pytest that makes a mutation run affordable: what is slow is done once, not for every fault.

mutmut forks a process for each fault from a server that has collected the tests. Three things cost most
there, and are mended here, without a change of what a test sees:

- Modules that tests import as they run (half of torch, SQLAlchemy's dialects) were imported again for every
  fault. The first run, which has no fault, writes down which they are, and the server imports them.
- A collection of garbage walks all that the server holds, and copies its memory. It is frozen.
- Tests came in no order. The quickest come first, so that a fault ends in milliseconds, and only as many as
  make up :data:`PATIENCE`: a fault that lives is not worth a minute of training. What a test imports as the
  first one is no cost of its own, as the server has imported it.
"""

from __future__ import annotations

import builtins
import contextlib
import gc
import importlib
import json
import os
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import ParamSpec, TypeVar

import pytest

P = ParamSpec("P")
R = TypeVar("R")

PATIENCE = 5.0
"""Seconds of CPU time that the tests of one fault may take; the first test is always run."""

MODULES, COSTS = Path("late-modules.json"), Path("costs.json")
"""What the run without a fault writes, into the folder in which mutmut runs the tests."""


def cpu_time() -> float:
    """Seconds that this process and those that it waited for have computed."""
    return sum(os.times()[:4])


class Imports:
    """How long the outermost imports took.

    Args:
        clock: Seconds.

    Attributes:
        seconds: In all imports so far.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.seconds = 0.0
        self._clock = clock
        self._within = 0

    @contextlib.contextmanager
    def noted(self) -> Iterator[None]:
        """Inside, they are counted: those of statements, and those of :func:`importlib.import_module`."""
        statement, function = builtins.__import__, importlib.import_module
        builtins.__import__ = self._timed(statement)
        importlib.import_module = self._timed(function)
        try:
            yield
        finally:
            builtins.__import__, importlib.import_module = statement, function

    def _timed(self, importing: Callable[P, R]) -> Callable[P, R]:
        def timed(*arguments: P.args, **options: P.kwargs) -> R:
            started, self._within = self._clock(), self._within + 1
            try:
                return importing(*arguments, **options)
            finally:
                self._within -= 1
                self.seconds += 0.0 if self._within else self._clock() - started

        return timed


class Quickly:
    """The hooks, with what was noted since the collection.

    Args:
        clock: What a test costs.
    """

    def __init__(self, clock: Callable[[], float] = cpu_time) -> None:
        self.first = not COSTS.exists()
        self._clock = clock
        self._imports = Imports(clock)
        self.costs: dict[str, float] = {}
        self.collected: set[str] = set()

    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        if self.first or config.option.collectonly:
            return
        costs = json.loads(COSTS.read_text("utf-8"))
        items.sort(key=lambda item: costs.get(item.nodeid, 0.0))
        total, kept = 0.0, 0
        for item in items:
            total += costs.get(item.nodeid, 0.0)
            kept += total <= PATIENCE or not kept
        config.hook.pytest_deselected(items=items[kept:])
        del items[kept:]

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.collected = set(sys.modules)
        if session.config.option.collectonly and MODULES.exists():
            for name in json.loads(MODULES.read_text("utf-8")):
                with contextlib.suppress(
                    Exception
                ):  # a module of a test's own, in a folder that is gone
                    importlib.import_module(name)
            gc.collect()
            gc.freeze()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        before = self._clock() - self._imports.seconds
        with self._imports.noted() if self.first else contextlib.nullcontext():
            result = yield
        self.costs[item.nodeid] = self._clock() - self._imports.seconds - before
        return result

    def pytest_sessionfinish(self) -> None:
        if self.first and self.costs:
            MODULES.write_text(json.dumps(sorted(set(sys.modules) - self.collected)), "utf-8")
            COSTS.write_text(json.dumps(self.costs), "utf-8")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Quickly())
