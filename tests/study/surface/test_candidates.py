"""Where a surface looks for the lowest of each arm, by plain loops over points that a made-up mean judges."""

from __future__ import annotations

import math
import statistics
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from study.surface import surface as module
from study.surface.observations import Array, Observations
from study.surface.plane import Plane, regions
from study.surface.surface import Surface, surface_of
from study.trial import Outcome, TrialRecord
from trainables.protocol import Measurement, Parameters, ParameterValue


def trial(arm: str, number: int, b: float, a: float, /, **further: ParameterValue) -> TrialRecord:
    parameters = Parameters(b=b, a=a, d_steps=1, further=further)
    seen = (Measurement(step=1, score=5.0),)
    return TrialRecord(
        study="s",
        arm=arm,
        number=number,
        parameters=parameters,
        outcome=Outcome.COMPLETE,
        measurements=seen,
    )


def of_two_arms() -> list[TrialRecord]:
    """x on the diagonal, y all over the square."""
    draw = np.random.default_rng(5)
    rows = [trial("x", n, 10**p, 10**p) for n, p in enumerate(draw.uniform(-4, -2, 8))]
    return rows + [
        trial("y", n, 10**p, 10**q) for n, (p, q) in enumerate(draw.uniform(-4, -2, (12, 2)))
    ]


def judged(points: Array, group: int) -> tuple[Array, Array]:
    """A mean that is lowest at (0.3, 0.7), and a deviation that grows to one side; by arm."""
    mean = ((points - [0.3, 0.7]) ** 2).sum(1) * (1 + group)
    return mean, 0.3 * points[:, 0] + 0.01


class Unfitted(Surface):
    """A surface of which only what is set is there."""

    def __init__(self, rows: list[TrialRecord]) -> None:
        self.rows, self.arms = tuple(rows), ("x", "y")
        self.plane = Plane(rows)
        self.processes: list[Any] = [object() for _ in range(24)]
        groups = np.asarray([self.arms.index(row.arm) for row in rows])
        self.trials = self.plane.points(rows)
        self._scored, self._lost = self.trials, self.trials[:0]
        self._regions = regions(self.plane, self.trials, groups)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Which processes were asked about which points of which arm; they say what :func:`judged` does."""
    found: list[Any] = []

    def mixed(
        processes: list[Any], points: Array, groups: NDArray[np.int64]
    ) -> tuple[Array, Array]:
        (group,) = set(groups.tolist())
        assert len(groups) == len(points)
        found.append((processes, points, group))
        return judged(points, group)

    monkeypatch.setattr(module, "mixed", mixed)
    return found


@pytest.mark.parametrize("arms", [2, 7])
def test_the_candidates_are_those_that_may_be_lowest_of_all_that_each_arm_may_try(
    arms: int, asked: list[Any]
) -> None:
    surface = Unfitted(of_two_arms())
    surface.arms = tuple("xyabcde"[:arms])
    good = surface.trials[[9, 2, 15]]
    lost = np.arange(20) % 3 == 1
    surface._scored, surface._lost = surface.trials[~lost], surface.trials[lost]
    surface._choose(surface.trials, good)

    draw = np.random.default_rng(0)
    every = surface.trials.tolist()
    for region in surface._regions:
        beside = np.array([good[i] for i in draw.integers(3, size=512)])
        every += region.sample(1024, draw).tolist()
        every += region.around(beside, 0.06, draw).tolist()

    def to_nearest(point: list[float], trials: Array) -> float:
        return float(((trials - point) ** 2).sum(1).min())

    kept = [
        point
        for point in every
        if to_nearest(point, surface.trials[~lost]) <= to_nearest(point, surface.trials[lost])
    ]
    assert 100 < len(kept) < len(every)
    quota = {2: 60, 7: 20}[arms]
    expected, of, known = [], [], []
    for group, region in enumerate(surface._regions):
        mine = np.array([p for p in kept if region.contains(np.array([p]))[0]])
        processes, points, about = asked[group]
        assert points.tolist() == mine.tolist()
        assert about == group
        assert all(one is two for one, two in zip(processes, surface.processes[::4], strict=True))
        mean, deviation = judged(mine, group)
        hopeful = sorted(range(len(mine)), key=lambda i: float(mean[i] - 2 * deviation[i]))[:quota]
        low = sorted(range(len(mine)), key=lambda i: float(mean[i]))[:quota]
        scored = surface.trials[~lost].tolist()
        trained = [i for i, point in enumerate(mine.tolist()) if point in scored]
        assert trained
        trained.sort(key=lambda i: float(mean[i]))
        chosen = sorted({*hopeful, *low, *trained[:quota]})
        assert quota < len(chosen) < len(mine)
        expected += mine[chosen].tolist()
        of += [group] * len(chosen)
        known += [i in trained for i in chosen]
    assert surface.points.tolist() == expected
    assert surface.of.tolist() == of
    assert surface.known.tolist() == known
    assert 0 < sum(known) < len(known)


def test_where_nothing_diverged_any_candidate_may_be_the_best(asked: list[Any]) -> None:
    surface = Unfitted(of_two_arms())
    surface._choose(surface.trials, surface.trials[[9, 2, 15]])
    assert len(asked) == 2
    assert surface.known.shape == surface.of.shape
    assert surface.known.all()


def test_the_best_is_the_lowest_of_those_that_are_known_to_train() -> None:
    surface = Unfitted(of_two_arms())
    surface.of = np.array([0, 0, 0, 1, 1, 1])
    surface.means = np.array([3.0, 1.0, 2.0, 0.5, 0.9, 0.7])
    surface.known = np.array([True, False, True, False, True, True])
    assert (surface.found("x"), surface.found("y")) == (2, 5)


def test_what_lies_nearest_to_a_trial_that_diverged_is_no_part_of_where_it_is_good(
    asked: list[Any],
) -> None:
    surface = Unfitted(of_two_arms())
    lost = np.arange(20) % 3 == 1
    surface._scored, surface._lost = surface.trials[~lost], surface.trials[lost]
    points, mean = surface.spread("y")
    assert asked
    by_hand = [
        math.inf
        if min(((surface.trials[lost] - point) ** 2).sum(1))
        < min(((surface.trials[~lost] - point) ** 2).sum(1))
        else judged(point[None], 1)[0][0]
        for point in points
    ]
    assert mean.tolist() == by_hand
    assert 100 < sum(map(math.isinf, by_hand)) < len(by_hand) - 100


def test_the_mean_is_told_of_points_that_are_spread_over_an_arms_region(asked: list[Any]) -> None:
    surface = Unfitted(of_two_arms())
    points, mean = surface.spread("y")
    ((processes, about, group),) = asked
    assert group == 1
    assert about is points
    assert points.shape == (1024, 2)
    assert processes == surface.processes[::4]
    assert mean.tolist() == judged(points, 1)[0].tolist()


def test_a_setting_has_the_parameters_of_its_arm() -> None:
    rows = [trial("x", n, 1e-3 * (n + 1), 1e-3) for n in range(3)]
    rows += [trial("y", n, 1e-3, 1e-3 * (n + 1), loss="hinge") for n in range(3)]
    surface = Unfitted(rows)
    assert list(surface.setting_at(surface.trials[0], "x")) == ["b", "a", "d_steps"]
    assert list(surface.setting_at(surface.trials[4], "y")) == ["b", "a", "d_steps", "loss"]
    surface.points, surface.of = surface.trials, np.repeat([0, 1], 3)
    assert surface.setting(4) == {
        "b": pytest.approx(1e-3),
        "a": pytest.approx(2e-3),
        "d_steps": 1,
        "loss": "hinge",
    }


def test_an_arm_without_enough_trials_has_no_part_in_a_surface(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = []
    monkeypatch.setattr(module, "Surface", lambda *given: made.append(given) or "made")
    rows = of_two_arms()
    assert surface_of(rows[:5], ["x", "y"]) is None
    assert surface_of(rows, ["y", "z"]) == "made"  # type: ignore[comparison-overlap]
    assert surface_of(rows, ["y", "z"], rows[:1]) == "made"  # type: ignore[comparison-overlap]
    assert made == [(rows, ["y"], ()), (rows, ["y"], rows[:1])]


@pytest.mark.parametrize("each", [20, 38])
@pytest.mark.parametrize(("factor", "shifted"), [(1.5, False), (1.6, True)])
def test_a_surface_is_fitted_to_the_ended_trials_of_its_arms(
    each: int, factor: float, shifted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scores of 1 to 5, whose logarithms are not pressed, and in each arm one trial without a score."""
    draw = np.random.default_rng(each)
    rows = []
    for arm in ("x", "y"):
        for n, (p, q) in enumerate(draw.uniform(-4, -2, (each, 2)).tolist()):
            score = 1.0 + n % 5
            seen = (Measurement(step=1, score=score, noise=0.1 * n),) if n != 7 else ()
            outcome = Outcome.COMPLETE if n != 7 else Outcome.DIVERGED
            made = replace(trial(arm, n, 10**p, 10**q), measurements=seen, outcome=outcome)
            rows.append(made)
    others = [
        replace(rows[3], number=90, outcome=Outcome.FAILED),
        replace(rows[3], number=91, outcome=None),
        replace(rows[3], arm="z"),
    ]
    caught: dict[str, list[Any]] = {"fit": [], "drawn": [], "regions": [], "chosen": []}

    def posterior(seen: Observations, *, shifted: bool) -> Any:
        caught["fit"].append((seen, shifted))
        return ["shifted" if shifted else "alike"]

    def choose(self: Surface, *given: Array) -> None:
        caught["chosen"].append(given)
        self.points, self.of = given[0][:2], np.array([0, 1])
        self.known = np.array([True, True])

    def drawn(*given: Any) -> Array:
        caught["drawn"].append(given)
        return np.array([[1.0, 2.0], [3.0, 6.0]])

    monkeypatch.setattr(module, "posterior", posterior)
    monkeypatch.setattr(module, "shift_factor", lambda processes: {"alike": factor}[processes[0]])
    monkeypatch.setattr(module, "perhaps_shifted", lambda processes: [*processes, "perhaps"])
    monkeypatch.setattr(module, "regions", lambda *given: caught["regions"].append(given))
    monkeypatch.setattr(module, "drawn", drawn)
    monkeypatch.setattr(Surface, "_choose", choose)
    shuffled = [rows[i] for i in draw.permutation(len(rows))]
    surface = Surface([*others, *shuffled], ["y", "x"])

    ordered = rows[each:] + rows[:each]
    assert surface.rows == tuple(ordered)
    assert surface.shifted is shifted
    assert surface.processes == (["shifted"] if shifted else ["alike", "perhaps"])
    assert [kind for _, kind in caught["fit"]] == [False, True][: 1 + shifted]
    points = Plane(ordered).points(ordered).tolist()
    lost = [row.number == 7 for row in ordered]
    # Without a score: as far above the bend as that lies above the median, twice the lowest tenth's distance.
    values = [5 * math.log(3) if row.number == 7 else math.log(row.objective) for row in ordered]
    vague = 5 * math.log(3) - statistics.median(values)
    for known, _ in caught["fit"]:
        assert known.points.tolist() == points
        assert known.groups.tolist() == [0] * each + [1] * each
        assert known.lengths.tolist() == [0, 1]
        assert known.values == pytest.approx(values)
        assert known.noise == pytest.approx(
            [vague if row.number == 7 else 0.1 * row.number / row.objective for row in ordered]
        )
    ((plane, at, of),) = caught["regions"]
    assert (plane, at.tolist(), of.tolist()) == (surface.plane, points, [0] * each + [1] * each)
    ((trials, good),) = caught["chosen"]
    assert trials.tolist() == points
    assert surface._lost.tolist() == [p for p, none in zip(points, lost, strict=True) if none]
    assert surface._scored.tolist() == [p for p, none in zip(points, lost, strict=True) if not none]
    first = sorted(range(2 * each), key=lambda i: values[i])[: 8 if each == 20 else 9]
    assert good.tolist() == [points[i] for i in first]
    ((processes, at, of, count),) = caught["drawn"]
    assert processes == surface.processes
    assert (at is surface.points, of is surface.of, count) == (True, True, 64)
    assert surface.means.tolist() == [2.0, 4.0]


@pytest.mark.parametrize(("pool", "all_of_them"), [(20, True), (19, False)])
def test_of_more_trials_than_a_pool_holds_only_the_good_are_candidates(
    monkeypatch: pytest.MonkeyPatch, asked: list[Any], pool: int, all_of_them: bool
) -> None:
    monkeypatch.setattr(module, "POOL", pool)
    surface = Unfitted(of_two_arms())
    good = surface.trials[[9, 15]]
    surface._choose(surface.trials, good)
    points = {tuple(point) for point in asked[1][1].tolist()}
    there = [n for n in range(8, 20) if tuple(surface.trials[n].tolist()) in points]
    assert there == (list(range(8, 20)) if all_of_them else [9, 15])
