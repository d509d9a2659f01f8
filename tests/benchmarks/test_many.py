"""Simulated studies side by side: all of them, in turn, and none begun after the time."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import many, search
from study.trial import ONE


def test_every_job_is_done_once_in_its_turn() -> None:
    found = list(many.in_turn([4.0, 9.0, 1.0], math.sqrt, 1, math.inf))
    assert found == [(4.0, 2.0), (9.0, 3.0), (1.0, 1.0)]


def test_none_is_begun_when_the_time_is_over() -> None:
    assert list(many.in_turn([4.0, 9.0], math.sqrt, 1, 0.0)) == []


@pytest.mark.slow
def test_several_processes_find_what_one_finds() -> None:
    code = (
        "import math\nfrom benchmarks import many\n"
        "if __name__ == '__main__':\n"
        "    jobs = [float(n) for n in range(20)]\n"
        "    print(sorted(many.in_turn(jobs, math.sqrt, 2, math.inf)) =="
        " [(job, math.sqrt(job)) for job in jobs], list(many.in_turn(jobs, math.sqrt, 2, 0.0)))\n"
    )
    root = Path(__file__).parents[2]
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert said.stdout == "True []\n"


def test_a_replayed_study_tells_the_same_twice_and_what_it_saved() -> None:
    job = search.Job("digits", "tpe + median", trials=6, seed=3)
    first, again = search.searched(job), search.searched(job)
    np.testing.assert_array_equal(first.excess, again.excess)
    assert first.saving == again.saving
    assert (first.stopped > 0) == (first.saving.saved > 0)
    assert search.line("tpe + median", search.ARMS.index(ONE), [first, again]).split()[:5] == [
        "tpe",
        "+",
        "median,",
        "one",
        "2",
    ]
