"""The surface on studies whose truth is known, and the parts it is made of."""

from __future__ import annotations

import math

import numpy as np
import pytest

from study.results.comparison import compare
from study.results.difference import MARGIN, Finding, finding
from study.surface.gathered import MOST, pressed, thinned
from study.surface.plane import Plane, regions
from study.surface.surface import Surface, lacking
from study.trial import TrialRecord

ONE, TWO = "one_timescale", "two_timescale"


def trial(
    arm: str, number: int, rates: tuple[float, float], score: float | None, **more: object
) -> TrialRecord:
    known = {"study": "s", "arm": arm, "number": number, "b": rates[0], "a": rates[1], "d_steps": 1}
    known |= {
        "score": score,
        "score_name": "x",
        "outcome": "diverged" if score is None else "complete",
    }
    return TrialRecord.from_json(known | more)


def searched(
    n: int, best: tuple[float, float], *, sd: float = 0.05, seed: int = 0
) -> list[TrialRecord]:
    """Random trials of both arms on a bowl in the decades of the rates that is 5 at its lowest."""
    generator = np.random.default_rng(seed)
    rows = []
    for arm in (ONE, TWO):
        for number in range(n):
            x, y = generator.uniform(-4, -2, 2)
            y = x if arm == ONE else y
            height = (x - best[0]) ** 2 + (y - best[1]) ** 2 + sd * generator.normal()
            rows.append(trial(arm, number, (10**x, 10**y), 5 * math.exp(height)))
    return rows


def test_an_optimum_off_the_diagonal_is_found_with_its_difference() -> None:
    rows = searched(40, (-3.4, -2.6))
    found = compare("s", rows)
    difference = found.difference
    assert difference is not None
    # The diagonal's lowest is at (-3, -3): two squares of 0.4.
    truth = 5 - 5 * math.exp(0.32)
    assert difference.finding == Finding.LOWER
    assert difference.interval is not None
    assert difference.interval[0] <= truth <= difference.interval[1] < 0
    assert difference.absolute == pytest.approx(truth, abs=0.4)
    assert difference.gains["10"] > 0.95
    assert difference.probability is not None
    assert difference.probability > 0.99
    where = found.arms[TWO].optimum
    assert where is not None
    assert math.log10(float(where.setting["b"])) == pytest.approx(-3.4, abs=0.15)  # type: ignore[arg-type]
    assert math.log10(float(where.setting["a"])) == pytest.approx(-2.6, abs=0.15)  # type: ignore[arg-type]
    # Within 10 % of a bowl of curvature 1: a circle of radius sqrt(log 1.1), of a square of side 2.
    assert where.share == pytest.approx(math.pi * math.log(1.1) / 4, abs=0.03)
    low, high = where.ranges["b"]
    assert math.log10(high / low) == pytest.approx(2 * math.sqrt(math.log(1.1)), abs=0.2)
    assert "lower than one_timescale's" in str(found.verdicts[0])


def test_an_optimum_on_the_diagonal_is_no_difference() -> None:
    found = compare("s", searched(40, (-3.0, -3.0)))
    assert found.difference is not None
    assert found.difference.finding in (Finding.OPEN, Finding.EQUAL)
    assert found.difference.interval is not None
    assert found.difference.interval[0] <= 0 <= found.difference.interval[1]
    assert str(found.verdicts[0]).startswith("No difference")


def test_exchanging_the_arms_mirrors_the_difference() -> None:
    rows = searched(20, (-3.4, -2.6))
    there = compare(
        "s", [changed_arm(row, {ONE: "x", TWO: "y"}) for row in rows], ["x", "y"]
    ).difference
    back = compare(
        "s", [changed_arm(row, {ONE: "x", TWO: "y"}) for row in rows], ["y", "x"]
    ).difference
    assert there is not None
    assert back is not None
    assert there.interval is not None
    assert back.interval is not None
    assert back.absolute == pytest.approx(-(there.absolute or 0), abs=0.15)
    assert back.interval == pytest.approx((-there.interval[1], -there.interval[0]), abs=0.4)


def changed_arm(row: TrialRecord, names: dict[str, str]) -> TrialRecord:
    return TrialRecord.from_json(row.to_json() | {"arm": names[row.arm]})


def test_the_order_of_the_rows_does_not_matter() -> None:
    rows = searched(8, (-3.4, -2.6))
    assert compare("s", rows[::-1]).to_json() == compare("s", rows).to_json()


def test_divergence_keeps_the_optimum_away() -> None:
    """The lowest scores lie at a cliff beyond which every trial diverges: beyond it is nothing."""
    generator = np.random.default_rng(1)
    rows = []
    for arm in (ONE, TWO):
        for number in range(40):
            x, y = generator.uniform(-4, -2, 2)
            y = x if arm == ONE else y
            score = None if x > -3 else 5 * math.exp(-(x + 3) + 0.05 * generator.normal())
            rows.append(trial(arm, number, (10**x, 10**y), score))
    found = compare("s", rows)
    for arm in (ONE, TWO):
        where = found.arms[arm].optimum
        assert where is not None
        assert -3.4 < math.log10(float(where.setting["b"])) < -2.9  # type: ignore[arg-type]
        assert where.score == pytest.approx(5, rel=0.25)


def test_nothing_is_promised_that_lies_nearest_to_a_trial_that_diverged() -> None:
    generator = np.random.default_rng(4)
    rows = []
    for number in range(20):
        x, y = generator.uniform(-4, -2, 2)
        score = None if x > -3 else 5 * math.exp(-(x + 3))
        rows.append(trial(TWO, number, (10**x, 10**y), score))
    surface = Surface(rows, [TWO])
    places = surface.plane.points(rows)
    lost = np.asarray([row.score is None for row in rows])
    apart = ((surface.points[:, None] - places[None]) ** 2).sum(2)
    assert not lost[apart.argmin(1)].any()


@pytest.mark.parametrize("seed", [6, 11])
def test_the_best_of_an_arm_is_no_setting_that_diverges(seed: int) -> None:
    """Scores fall up to the edge b a = 10^-5.6, and on beyond it for all that a smooth surface knows."""
    generator = np.random.default_rng(seed)
    rows = []
    for arm in (ONE, TWO):
        for number in range(30):
            x, y = generator.uniform(-4, -2, 2)
            y = x if arm == ONE else y
            score = None if x + y > -5.6 else math.exp(-(x + y) + 0.1 * generator.normal())
            rows.append(trial(arm, number, (10**x, 10**y), score))
    surface = Surface(rows, [ONE, TWO])

    def product(candidate: int) -> float:
        setting = surface.setting(candidate)
        return math.log10(float(setting["b"]) * float(setting["a"]))  # type: ignore[arg-type]

    for arm in (ONE, TWO):
        trained = [
            math.log10(row.b * row.a)
            for row in rows
            if row.score is not None and (arm == TWO or row.a == row.b)
        ]
        # One of the five nearest to the edge that were tried.
        nearest = sorted(trained, reverse=True)[:5]
        assert min(abs(product(surface.found(arm)) - each) for each in nearest) < 1e-9
    # Where the surface is lowest lies beyond the edge, in one arm at least.
    lowest = [int(np.argmin(np.where(surface.of == arm, surface.means, np.inf))) for arm in (0, 1)]
    assert any(product(place) > -5.6 for place in lowest)


def test_arms_with_other_parameters_are_told_apart() -> None:
    """A parameter that one arm alone has lowers all its scores by a third: the rates are not to blame."""
    rows = [
        trial(r.arm, r.number, (r.b, r.a), r.objective * (2 / 3 if r.arm == TWO else 1), further=f)
        for r in searched(30, (-3.0, -3.0))
        for f in [{"loss": "hinge"} if r.arm == TWO else {}]
    ]
    difference = compare("s", rows).difference
    assert difference is not None
    assert difference.finding == Finding.LOWER
    assert difference.relative == pytest.approx(-1 / 3, abs=0.08)
    assert "told apart" in difference.method


def test_a_searched_choice_is_a_coordinate() -> None:
    generator = np.random.default_rng(2)
    rows = []
    for row in searched(30, (-3.0, -3.0)):
        loss = str(generator.choice(["hinge", "wasserstein"]))
        worse = 1.0 if loss == "hinge" else 1.5
        rows.append(
            trial(
                row.arm, row.number, (row.b, row.a), row.objective * worse, further={"loss": loss}
            )
        )
    found = compare("s", rows)
    where = found.arms[ONE].optimum
    assert where is not None
    assert where.setting["loss"] == "hinge"
    assert found.difference is not None
    assert "loss" in found.difference.method
    assert list(where.setting)[:3] == ["b", "a", "d_steps"]


def test_trials_at_one_setting_alone_make_a_surface_of_no_parameter() -> None:
    rows = [trial(arm, i, (1e-3, 1e-3), 5.0 + 0.1 * i) for arm in (ONE, TWO) for i in range(8)]
    difference = compare("s", rows).difference
    assert difference is not None
    assert difference.relative == pytest.approx(0, abs=1e-6)


def test_at_one_setting_a_trial_may_diverge_and_there_may_be_many() -> None:
    """No coordinate tells where: neither what lies near the lost trial, nor whom to average with whom."""
    for count in (8, MOST):
        rows = [
            trial(arm, i, (1e-3, 1e-3), 5.0 + i / count) for arm in (ONE, TWO) for i in range(count)
        ]
        rows.append(trial(TWO, count, (1e-3, 1e-3), None))
        difference = compare("s", rows).difference
        assert difference is not None
        assert difference.relative == pytest.approx(0, abs=1e-6)
        assert difference.trials == 2 * count + 1


def test_high_scores_are_pressed_and_the_order_is_kept() -> None:
    values = np.log(np.array([4.0, 5.0, 5.5, 6.0, 7.0, 8.0, 100.0, 1e9, math.inf]))
    found = pressed(values)
    assert found[:5] == pytest.approx(values[:5])
    assert (np.diff(found) >= 0).all()
    assert np.isfinite(found).all()
    assert found[-1] == found.max()
    assert found[-1] - np.log(7.0) < 2


def test_of_many_trials_those_near_the_optimum_are_kept_and_all_count() -> None:
    generator = np.random.default_rng(0)
    points = generator.uniform(size=(3000, 2))
    values = 10 * ((points - 0.5) ** 2).sum(1) + 0.1 * generator.normal(size=3000)
    groups = (np.arange(3000) % 2).astype(np.int64)
    found = thinned(points, np.arange(2), groups, values, np.zeros(3000))
    assert len(found.values) == MOST
    assert found.counts.sum() == 3000
    assert found.values @ found.counts == pytest.approx(values.sum())
    near = ((points - 0.5) ** 2).sum(1) < 0.002
    alone = {
        tuple(point) for point, count in zip(found.points, found.counts, strict=True) if count == 1
    }
    kept = [tuple(point) in alone for point in points[near]]
    assert np.mean(kept) > 0.9
    # Who is kept was not chosen by its own luck: their noise is not low on average.
    own = values - 10 * ((points - 0.5) ** 2).sum(1)
    chosen = np.array([tuple(point) in alone for point in points])
    assert abs(own[chosen].mean()) < 0.03


def test_regions_are_what_the_arms_may_search() -> None:
    rows = searched(20, (-3, -3))
    plane = Plane(rows)
    points = plane.points(rows)
    groups = np.array([0 if row.arm == ONE else 1 for row in rows])
    line, square = regions(plane, points, groups)
    generator = np.random.default_rng(0)
    on_line = line.sample(200, generator)
    assert len(on_line) == 200
    assert square.contains(on_line).all()
    assert line.contains(points[groups == 0]).all()
    assert not line.contains(points[groups == 1]).any()
    for point in on_line[:20]:
        known = plane.setting(point, ("b", "a", "d_steps"))
        assert known["b"] == pytest.approx(known["a"])
        assert known["d_steps"] == 1
    spread = square.sample(1000, generator)
    assert np.histogram(spread[:, 0], bins=4, range=(0, 1))[0].min() > 180


def test_a_range_of_another_arm_is_not_taken_for_ones_own() -> None:
    low = [trial("low", i, (10 ** (-5 + i / 9), 1e-3), 5.0) for i in range(10)]
    high = [trial("high", i, (10 ** (-4 + i / 9), 1e-3), 5.0) for i in range(10)]
    plane = Plane([*low, *high])
    points = plane.points([*low, *high])
    one, two = regions(plane, points, np.repeat([0, 1], 10))
    assert one.sample(100, np.random.default_rng(0))[:, 0].max() <= 0.5 + 1e-9
    assert two.sample(100, np.random.default_rng(0))[:, 0].min() >= 0.5 - 1e-9


def test_what_is_lacking_is_said() -> None:
    few = [trial(ONE, i, (1e-3, 1e-3), 5.0) for i in range(5)]
    assert "5 ended trials, which is too few" in str(lacking(few, ONE))
    lost = [trial(ONE, i, (1e-3, 1e-3), 5.0 if i < 2 else None) for i in range(8)]
    assert "2 trials with a score" in str(lacking(lost, ONE))
    zero = [trial(ONE, i, (1e-3, 1e-3), float(i)) for i in range(8)]
    assert "not positive" in str(lacking(zero, ONE))
    with pytest.raises(ValueError, match="too few"):
        Surface(few, [ONE])


@pytest.mark.parametrize(
    ("relative", "interval", "expected"),
    [
        (-0.2, (-0.3, -0.1), Finding.LOWER),
        (0.2, (0.1, 0.3), Finding.HIGHER),
        (-0.2, (-0.3, 0.01), Finding.OPEN),
        (-0.2, (-0.3, 0.0), Finding.OPEN),
        (0.001, (-MARGIN, MARGIN), Finding.EQUAL),
        (-0.01, (-0.015, -0.005), Finding.EQUAL),
        (-0.015, (-0.03, -0.001), Finding.OPEN),
    ],
)
def test_a_finding_is_what_its_interval_allows(
    relative: float, interval: tuple[float, float], expected: Finding
) -> None:
    assert finding(relative, interval) is expected


@pytest.mark.slow
def test_ten_thousand_trials_are_answered() -> None:
    found = compare("s", searched(5000, (-3.4, -2.6), sd=0.2)).difference
    assert found is not None
    assert found.finding == Finding.LOWER
    assert found.relative == pytest.approx(math.exp(-0.32) - 1, abs=0.04)
