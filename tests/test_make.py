"""`make test` and `make test-all` leave out no test but those that are meant to be, and take none twice."""

from __future__ import annotations

import functools
import itertools
import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
STAGES = ("slow", "browser", "faults", "cluster")
"""Markers of tests that are not quick; none is both of faults and cluster."""


@functools.cache
def runs_of(target: str) -> list[str]:
    """The choices of tests, one for each run of pytest in a target of the Makefile."""
    # The make that runs these tests leaves its own choice to the ones below it.
    variables = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(
        ["make", "--dry-run", target],
        cwd=ROOT,
        env=variables,
        capture_output=True,
        text=True,
        check=True,
    )
    runs = re.findall(r'pytest.* -m "(.*)"', done.stdout)
    assert len(runs) == 4
    return runs


def taken(target: str, markers: set[str]) -> int:
    """In how many of its runs a target has a test with these markers."""
    names = {name: name in markers for name in (*STAGES, "gpu", "exhaustive")}
    return sum(bool(eval(run, dict(names))) for run in runs_of(target))


@pytest.mark.parametrize("exhaustive", [False, True])
def test_every_test_is_run_once_unless_it_is_exhaustive(exhaustive: bool) -> None:
    for count in range(3):
        for chosen in itertools.combinations(STAGES, count):
            if {"faults", "cluster"} <= set(chosen):
                continue
            markers = {*chosen, "exhaustive"} if exhaustive else set(chosen)
            assert taken("test", markers) == (not exhaustive), markers
            assert taken("test-all", markers) == 1, markers
            assert taken("test-all", {*markers, "gpu"}) == 0
