"""Processes that are killed: the driver at every point of its way, and workers in the middle."""

from __future__ import annotations

import logging
import random
import signal
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from support.processes import end_hard, ended, seeded, workers
from support.study import Place, assert_whole, saddle_spec, slow_saddle

from study.ground.faults import POINTS
from trainables.faults import POINTS as WORKER_POINTS

logger = logging.getLogger(__name__)

pytestmark = pytest.mark.faults


def some(points: Sequence[str], count: int, chance: random.Random) -> list[str]:
    """One of each of so many stretches of the way, in any order."""
    bounds = [len(points) * stretch // count for stretch in range(count + 1)]
    drawn = [chance.choice(points[low:high]) for low, high in pairwise(bounds)]
    return chance.sample(drawn, count)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("count", [3, pytest.param(len(POINTS), marks=pytest.mark.exhaustive)])
def test_the_driver_dies_at_points_of_its_way_in_turn(tmp_path: Path, count: int) -> None:
    """Each launch has two more trials in each arm than the one before, and so passes every point twice."""
    place, chance, budget = Place(tmp_path), seeded(), 0
    for point in some(POINTS, count, chance):
        budget += 2
        spec = str(place.write(saddle_spec(trials=budget, trial=slow_saddle(0.4))))
        armed = f"{point}:{chance.choice([1, 2])}"
        logger.warning(f"the driver dies at {armed}")
        said = place.ttur("launch", spec, expect=-signal.SIGKILL, TTUR_FAULT=armed)
        assert "Traceback" not in said
    place.ttur("launch", spec)
    assert_whole(place, "little", budget)


# After the second checkpoint a process has got two evaluations further, before it one.
@pytest.mark.parametrize(
    ("point", "evaluations"),
    [
        (WORKER_POINTS[0], 4),
        pytest.param(WORKER_POINTS[1], 8, marks=pytest.mark.exhaustive),
    ],
)
def test_workers_die_at_their_checkpoints_again_and_again(
    tmp_path: Path, point: str, evaluations: int
) -> None:
    """Each process gets one checkpoint further than the one before it, so that the study ends.

    One failure is allowed and there are more: what got further is allowed as many as a new trial.
    """
    place = Place(tmp_path)
    spec = saddle_spec(
        trials=1,
        trial=slow_saddle(0.4 * evaluations, evaluations),
        resources={"cpus": 2, "max_failures": 1},
    )
    said = place.ttur("launch", str(place.write(spec)), TTUR_FAULT=f"{point}:2")
    assert said.count("one_timescale/0 is tried again from its last checkpoint") > 1
    assert_whole(place, "little", 1)
    assert place.states("little", "one_timescale") == {"COMPLETE": 1}


def test_a_worker_is_killed_in_the_middle(tmp_path: Path) -> None:
    place = Place(tmp_path)
    spec = str(place.write(saddle_spec(trials=1)))
    place.hold(10)
    process = place.start("launch", spec)
    try:
        place.wait_for_checkpoints("little", 10, 2, process)
        running = workers(process)
        assert len(running) == 2
        victim = seeded().choice(running)
        victim.kill()
        victim.wait(60)
        place.let_go()
        said = ended(process)
    finally:
        end_hard(process)
    assert process.returncode == 0, said
    assert said.count("is tried again from its last checkpoint") == 1
    assert_whole(place, "little", 1)


NEWEST_TORN, BOTH_TORN, BOTH_MISSING = (1, 0), (2, 0), (0, 2)
"""How many of the two checkpoints of a trial are torn, and how many are missing."""


@pytest.mark.parametrize(
    "harms",
    [
        (NEWEST_TORN, BOTH_TORN),
        pytest.param((BOTH_MISSING, NEWEST_TORN), marks=pytest.mark.exhaustive),
    ],
    ids=["newest and both torn", "both missing and newest torn"],
)
def test_checkpoints_are_torn_or_missing(
    tmp_path: Path, harms: tuple[tuple[int, int], tuple[int, int]]
) -> None:
    """Those of the two trials in two ways."""
    place = Place(tmp_path)
    spec = str(place.write(saddle_spec(trials=1)))
    place.hold(10)
    process = place.start("launch", spec)
    try:
        place.wait_for_checkpoints("little", 10, 2, process)
        place.hold(20)
        place.wait_for_checkpoints("little", 20, 2, process)
        process.kill()
    finally:
        end_hard(process)
    kept: dict[Path, list[Path]] = {}
    for path in place.checkpoints("little"):
        kept.setdefault(path.parent, []).append(path)
    assert [len(paths) for paths in kept.values()] == [2, 2]
    for paths, (torn, missing) in zip(kept.values(), harms, strict=True):
        for path in sorted(paths, reverse=True)[:torn]:
            path.write_bytes(path.read_bytes()[:100])
        for path in sorted(paths, reverse=True)[:missing]:
            path.unlink()
    place.let_go()
    said = place.ttur("launch", spec)
    assert said.count("is torn: its bytes do not match its digest") == sum(
        torn for torn, _ in harms
    )
    assert_whole(place, "little", 1)
