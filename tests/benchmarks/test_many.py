"""Simulated studies side by side: all of them, in turn, and none begun after the time."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import many, search
from benchmarks.families import UNIT, member
from benchmarks.replay import replay, spec_for
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


def test_a_family_is_searched_on_another_member_in_each_study() -> None:
    """The chosen setting over the best one, by the formula itself."""
    job = search.Job("bowl", "random", trials=6, seed=3)
    found = search.searched(job).excess
    curves = member("bowl", 3, 5)
    spec = spec_for(curves, 6, list(search.WAYS["random"].changes), 3)
    rows = [trial.record for trial in replay(curves, spec).trials]
    for place, arm in enumerate(search.ARMS):
        best = min((row for row in rows if row.arm == arm), key=lambda row: row.score or math.inf)
        at = (math.log10(best.b), math.log10(best.a), math.log2(best.d_steps))
        height = float(curves.height(*map(np.asarray, at)))
        # After 85 full trials' compute all of them have ended.
        assert found[place, -1] == pytest.approx(UNIT * math.exp(height) / curves.optima[arm])
        assert found[place, -1] > 1
    other = search.searched(search.Job("bowl", "random", trials=6, seed=4)).excess
    assert not np.allclose(found[:, -1], other[:, -1])


def test_a_surface_that_is_not_known_is_named() -> None:
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "benchmarks.search", "bowls"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "no surface is called 'bowls': digits, " in done.stderr
