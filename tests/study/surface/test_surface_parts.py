"""The parts that a surface is made of, worked out by hand: scores, cells, candidates, what is lacking."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from study.surface import gathered
from study.surface import surface as module
from study.surface.gathered import distinct, pressed, repeated, thinned
from study.surface.observations import Array, Observations
from study.surface.plane import Plane, Region, beyond
from study.surface.surface import Surface, lacking, too_few
from study.trial import Outcome, TrialRecord
from trainables.levels import Score
from trainables.protocol import Measurement, Parameters


def trial(
    arm: str,
    number: int,
    score: float | None,
    rates: tuple[float, float] = (1e-3, 1e-3),
    outcome: Outcome | None = Outcome.COMPLETE,
    noise: float = 0.0,
) -> TrialRecord:
    seen = () if score is None else (Measurement(step=1, score=score, noise=noise),)
    return TrialRecord(
        study="s",
        arm=arm,
        number=number,
        parameters=Parameters(b=rates[0], a=rates[1], d_steps=1),
        outcome=outcome,
        measurements=seen,
    )


def test_pressed_scores_near_a_bound_that_is_twice_the_lower_spread_away_twice() -> None:
    """11 values from 0 to 10: a tenth lies below 1, the middle is 5, so they bend at 13 and end at 21."""
    values = np.append(np.arange(11.0), [])
    assert pressed(values).tolist() == values.tolist()
    high = np.array([0.0, 1, 2, 3, 4, 5, 6, 13, 13.5, 15, 1e9])
    expected = [*high[:8], *(13 + 8 * (1 - math.exp(-x / 8)) for x in (0.5, 2)), 21]
    assert pressed(high) == pytest.approx(expected, rel=1e-12)
    lost = pressed(np.append(high, [math.inf, math.inf]))
    assert lost[:11] == pytest.approx(expected, rel=1e-12)
    assert lost[11:].tolist() == [21.0, 21.0]


def test_equal_scores_bend_all_the_same() -> None:
    assert pressed(np.array([2.0, 2.0, 2.0, math.inf])) == pytest.approx([2, 2, 2, 2.002])


def test_scores_are_pressed_as_others_are_that_say_what_is_high() -> None:
    among = np.append(np.arange(11.0), math.inf)  # as above: they bend at 13 and end at 21
    found = pressed(np.array([15.0, 12.0, math.inf]), among)
    assert found == pytest.approx([13 + 8 * (1 - math.exp(-2 / 8)), 12.0, 21.0], rel=1e-12)


def test_further_runs_are_one_observation_a_setting_those_without_a_score_apart() -> None:
    low, high = (1e-3, 1e-3), (1e-2, 1e-3)
    plane = Plane([trial("x", 0, 1.0, low), trial("y", 0, 1.0, high)])
    scores = [math.e**2, math.e**4, math.e**20]
    runs = [
        trial("y", 1, scores[0], high, noise=0.5),
        trial("x", 7, scores[1], low, noise=2.0),
        trial("x", 7, None, low),
        trial("x", 3, scores[2], high),
        trial("y", 1, scores[1], high),
        trial("x", 7, None, low),
    ]
    searched = np.arange(11.0)
    found = repeated(plane, ["x", "y"], runs, searched, 3.25)
    # By arm and number: x 3, x 7 with a score, x 7 without one twice, y 1 twice.
    assert found.counts.tolist() == [1, 1, 2, 2]
    assert found.groups.tolist() == [0, 0, 0, 1]
    assert found.points.tolist() == [[1.0], [0.0], [0.0], [1.0]]
    assert found.lengths.tolist() == plane.lengths.tolist() == [0]
    assert found.values == pytest.approx([21 - 8 * math.exp(-7 / 8), 4, 21, 3])
    assert found.within == pytest.approx([0, 0, 0, 2])
    small = 0.5 / scores[0] / math.sqrt(2)  # the mean square of that and of 0
    assert found.noise == pytest.approx([0, 2 / scores[1], 3.25, small])


@pytest.mark.parametrize(("ended", "said"), [(1, "1 ended trial, "), (5, "5 ended trials, ")])
def test_too_few_trials_are_counted_in_words(ended: int, said: str) -> None:
    rows = [trial("x", n, 1.0) for n in range(ended)]
    rows += [trial("x", 10 + n, 1.0, outcome=Outcome.FAILED) for n in range(3)]
    rows += [trial("x", 20, None, outcome=None), *(trial("y", n, 1.0) for n in range(9))]
    expected = f"x has {said}which is too few: an answer needs 6 an arm"
    assert too_few(rows, "x") == lacking(rows, "x") == expected
    assert too_few([*rows, *(trial("x", 30 + n, 1.0) for n in range(6 - ended))], "x") is None


def test_what_an_arm_lacks() -> None:
    none = [trial("x", n, None) for n in range(9)]
    assert lacking(none, "x") == "no trial of x has ended with a score"
    two = [*none[2:], trial("x", 0, 1.0), trial("x", 1, 1.0)]
    assert lacking(two, "x") == "x has 2 trials with a score, and an answer needs 3 an arm"
    three = [*two, trial("x", 9, 1.0)]
    assert lacking(three, "x") is None
    zero = [*three, trial("x", 10, 0.0)]
    expected = (
        "x has a score that is not positive, so its logarithm, which is compared, is not there"
    )
    assert lacking(zero, "x") == expected
    assert lacking([*three, trial("y", 0, -1.0)], "x") is None


def test_few_trials_are_taken_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathered, "MOST", 3)
    points, values = np.array([[0.0], [0.5], [0.5]]), np.array([3.0, 1.0, 2.0])
    found = thinned(points, np.arange(1), np.array([0, 1, 1]), values, np.array([0.1, 0.2, 0.3]))
    assert found.points.tolist() == points.tolist()
    assert (found.values.tolist(), found.noise.tolist()) == ([3.0, 1.0, 2.0], [0.1, 0.2, 0.3])
    assert (found.counts.tolist(), found.within.tolist()) == ([1.0] * 3, [0.0] * 3)
    assert (found.groups.tolist(), found.lengths.tolist()) == ([0, 1, 1], [0])


def test_of_too_many_trials_the_far_ones_are_averaged_by_arm(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """6 cells for the numbers 0 to 39 of two arms, odd and even.

    Of 5 the median of its 10 neighbours is 5, of 0 to 4 it is 5.5 (they do not count themselves), of the
    others more: so 5, 0 and 1 stay alone. The even ones of the rest are more than the odd ones over the same
    range, so that they are halved.
    """
    monkeypatch.setattr(gathered, "MOST", 6)
    x = np.arange(40.0)
    noise = np.where(x % 2, 0.3, 0.1) + 0.01 * x
    found = thinned(x[:, None], np.arange(1), (x % 2).astype(int), x.copy(), noise)
    odd, low, high = [3.0, *x[7::2]], x[2:21:2].tolist(), x[22::2].tolist()
    cells = dict(zip(found.values, zip(found.counts, found.within, strict=True), strict=True))
    assert cells == {
        np.mean(cell): (len(cell), pytest.approx(np.var(cell) * len(cell)))
        for cell in ([5.0], [0.0], [1.0], odd, low, high)
    }
    assert found.points[:, 0].tolist() == found.values.tolist()
    of = dict(zip(found.values, zip(found.groups, found.noise, strict=True), strict=True))
    for cell in (odd, low, high):
        root_mean = math.sqrt(np.mean([noise[int(one)] ** 2 for one in cell]))
        assert of[np.mean(cell)] == (cell[0] % 2, pytest.approx(root_mean))


def test_a_cell_is_halved_along_its_widest_side(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second coordinate spans 39, the first 0.9: the halves are the lower and the upper ones of it."""
    monkeypatch.setattr(gathered, "MOST", 4)
    y = np.arange(40.0)
    points = np.column_stack([(y % 10) / 10, y])
    values = np.where(y < 2, -9.0, y)
    found = thinned(points, np.arange(2), np.zeros(40, int), values, np.zeros(40))
    averaged = found.counts > 1
    assert sorted(found.counts) == [1, 1, 19, 19]
    alone = set(found.points[~averaged, 1])
    rest = [one for one in y if one not in alone]
    halves = sorted(found.points[averaged, 1])
    assert halves == [pytest.approx(np.mean(rest[:19])), pytest.approx(np.mean(rest[19:]))]


def test_the_widest_cell_is_halved_until_there_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """5, 0, 1 and 2 stay alone; of the others two times 18 are wider than any 9."""
    monkeypatch.setattr(gathered, "MOST", 8)
    x = np.arange(40.0)
    cells = gathered._cells(x[:, None], np.zeros(40, dtype=int), x)
    alone = [[5], [0], [1], [2]]
    low, high = [[3, 4, *range(6, 13)], [*range(13, 22)]], [[*range(22, 31)], [*range(31, 40)]]
    assert [cell.tolist() for cell in cells] == [*alone, *low, *high]


def test_of_a_cell_s_equals_the_first_trials_are_in_the_first_half(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gathered, "MOST", 3)
    x = np.array([1.0 if i % 3 else 0.0 for i in range(41)])
    cells = gathered._cells(x[:, None], np.zeros(41, dtype=int), np.ones(41))
    low = list(range(3, 41, 3))
    high = [i for i in range(1, 41) if i % 3]
    assert [cell.tolist() for cell in cells] == [[0], low + high[:7], high[7:]]


def test_the_extent_of_a_cell_is_its_widest_side_times_the_root_of_its_number() -> None:
    points = np.array([[30.0, 0.0], [31.0, 5.0], [32.0, 1.0], [30.5, 9.0]])
    assert gathered._extent(points, np.array([0, 1, 2])) == pytest.approx(5 * math.sqrt(3))
    assert gathered._extent(points, np.array([0, 1, 2, 3])) == pytest.approx(9 * 2)
    assert gathered._extent(points, np.array([1])) == 0.0


def test_at_one_place_a_cell_is_an_arm() -> None:
    cells = gathered._cells(np.zeros((5, 0)), np.array([0, 1, 0, 0, 1]), np.arange(5.0))
    assert [cell.tolist() for cell in cells] == [[0, 2, 3], [1, 4]]


def test_what_is_nearer_to_a_lost_trial_is_beyond() -> None:
    points = np.array([[0.0], [0.4], [0.5], [0.6], [1.0]])
    scored, lost = np.array([[0.0]]), np.array([[1.0]])
    assert beyond(points, scored, lost).tolist() == [False, False, False, True, True]
    assert not beyond(points, scored, lost[:0]).any()
    nowhere = np.zeros((3, 0))  # of no coordinate: all are equally near
    assert beyond(nowhere, nowhere, nowhere).tolist() == [False] * 3


def studied() -> list[TrialRecord]:
    """Two arms on a square of two decades; x knows the diagonal only. The lowest is at (-3.5, -2.5)."""
    generator = np.random.default_rng(0)
    rows = []
    for n in range(12):
        for arm in ("x", "y"):
            p, q = generator.uniform(-4, -2, 2)
            q = p if arm == "x" else q
            score = 5 * math.exp((p + 3.5) ** 2 + (q + 2.5) ** 2)
            rows.append(trial(arm, n, score, (10**p, 10**q)))
    return rows


@pytest.fixture(scope="module")
def made() -> Surface:
    rows = studied()
    rows += [
        trial("x", 90, 1.0, outcome=Outcome.FAILED),
        trial("x", 91, 1.0, outcome=None),
        trial("z", 0, 1.0),
    ]
    return Surface(rows, ["y", "x"])


def test_a_surface_has_the_trials_of_its_arms_in_order(made: Surface) -> None:
    expected = [(arm, n) for arm in ("y", "x") for n in range(12)]
    assert [(row.arm, row.number) for row in made.rows] == expected
    assert made.arms == ("y", "x")
    assert made.common
    assert not made.shifted


def test_what_a_surface_says_is_of_its_draws(made: Surface) -> None:
    count = len(made.points)
    assert made.draws.shape == (64 * len(made.processes), count)
    assert made.of.shape == made.means.shape == (count,)
    for group, arm in enumerate(made.arms):
        mine = [i for i in range(count) if made.of[i] == group]
        assert 60 <= len(mine) <= 120  # the 60 lowest and the 60 that may be lowest
        lowest = min(mine, key=lambda i: made.draws[:, i].mean())
        assert made.found(arm) == lowest
        optima = [min(draw[i] for i in mine) for draw in made.draws[:50]]
        assert made.optima(arm)[:50].tolist() == optima
    noises = sorted(process.noise for process in made.processes)
    assert made.noise == (noises[11] + noises[12]) / 2


def test_the_candidates_are_of_each_arms_region_and_the_lowest_is_at_the_optimum(
    made: Surface,
) -> None:
    for candidate in np.flatnonzero(made.of == 1):
        on = made.setting(int(candidate))
        assert on["b"] == pytest.approx(on["a"], rel=1e-4)
    where = made.setting(made.found("y"))
    assert list(where) == ["b", "a", "d_steps"]
    assert math.log10(float(where["b"])) == pytest.approx(-3.5, abs=0.25)  # type: ignore[arg-type]
    assert math.log10(float(where["a"])) == pytest.approx(-2.5, abs=0.25)  # type: ignore[arg-type]
    assert where["d_steps"] == 1
    on_line = made.setting(made.found("x"))
    assert math.log10(float(on_line["b"])) == pytest.approx(-3.0, abs=0.15)  # type: ignore[arg-type]
    points, mean = made.spread("y")
    assert points.shape == (1024, 2)
    best = points[mean.argmin()]
    assert best == pytest.approx([0.25, 0.75], abs=0.1)
    assert points.mean(0) == pytest.approx([0.5, 0.5], abs=0.05)
    line, _ = made.spread("x")
    middle = made.setting_at(line[0], "x")
    assert middle["b"] == pytest.approx(middle["a"])


@pytest.mark.parametrize(("place", "group"), [(3, 0), (17, 1)])
def test_the_room_below_a_trial_is_what_most_draws_leave_at_its_arms_candidates(
    made: Surface, place: int, group: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = made.rows[place]
    count = 1 + int((made.of == group).sum())
    known = np.random.default_rng(place).normal(size=(41, count)) / 3

    def draws(processes: object, points: Array, of: Array, each: int) -> Array:
        assert processes is made.processes
        assert points[0].tolist() == made.plane.points([row])[0].tolist()
        assert points[1:].tolist() == [
            point for point, arm in zip(made.points.tolist(), made.of, strict=True) if arm == group
        ]
        assert (of.tolist(), each) == ([group] * count, 64)
        return known

    monkeypatch.setattr(module, "drawn", draws)
    # Of 41 shares in order the 40th is their 97.5 % quantile.
    shares = sorted(1 - math.exp(min(draw) - draw[0]) for draw in known.tolist())
    assert made.room_below(row) == pytest.approx(shares[39], rel=1e-12)


def test_candidates_are_looked_for_beside_the_best_eighth_but_at_least_eight(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    beside = []

    def around(self: Region, points: Array, size: float, generator: object) -> Array:
        assert size == module.BESIDE == 0.06
        beside.append(points)
        raise LookupError

    monkeypatch.setattr(Region, "around", around)
    rows = studied()
    with pytest.raises(LookupError):
        Surface(rows, ["x", "y"])
    best = sorted(rows, key=lambda row: row.objective)[:8]
    places = {tuple(point) for point in Plane([*rows]).points(best)}
    assert {tuple(point) for point in beside[0]} == places
    assert len(beside[0]) == module.POOL // 2 == 512


def test_a_trial_without_a_score_is_high_and_says_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """Known noise is that of the logarithm, noise / score; of a lost trial the upper half."""
    caught = []

    def catch(
        points: object, lengths: object, groups: object, values: object, noise: object
    ) -> None:
        caught.append((values, noise))
        raise LookupError

    monkeypatch.setattr(module, "thinned", catch)
    rows = [trial("x", n, math.exp(n), noise=0.1 * math.exp(n)) for n in range(11)]
    rows.append(trial("x", 11, None, outcome=Outcome.DIVERGED))
    with pytest.raises(LookupError):
        Surface(rows, ["x"])
    values, noise = caught[0]
    assert values == pytest.approx([*range(11), 21.0])
    assert noise == pytest.approx([0.1] * 11 + [21.0 - 5.5])


def test_a_surface_is_told_of_further_runs_that_count_and_are_of_its_arms(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fitted: list[Observations] = []

    def catch(seen: Observations, shifted: bool) -> None:
        fitted.append(seen)
        raise LookupError

    monkeypatch.setattr(module, "posterior", catch)
    runs = [
        trial("x", 3, math.exp(15)),
        trial("x", 4, math.exp(15), outcome=Outcome.FAILED),
        trial("x", 5, math.exp(15), outcome=None),
        trial("z", 3, math.exp(15)),
    ]
    with pytest.raises(LookupError):
        Surface([trial("x", n, math.exp(n)) for n in range(11)], ["x"], runs)
    (seen,) = fitted
    # What is high is said by the search: its scores bend at 13 and end at 21.
    assert seen.values == pytest.approx([*range(11), 13 + 8 * (1 - math.exp(-2 / 8))])


def test_a_run_of_another_arm_over_again_is_seen_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trials of one number have one seed: where two arms try one setting their scores are the same."""
    one = [trial("x", n, 2.0 + n) for n in range(6)]
    two = [replace(row, arm="y") for row in one]
    two[1] = replace(two[1], seed=7)
    two[2] = replace(two[2], parameters=Parameters(b=1e-3, a=2e-3, d_steps=1))
    two[3] = replace(two[3], parameters=Parameters(b=1e-3, a=1e-3, d_steps=1, further={"l": 1}))
    two[4] = trial("y", 4, 6.5)
    lost = [trial(arm, 6, None, outcome=Outcome.DIVERGED) for arm in ("x", "y")]
    again = [trial("x", 7, 2.0), trial("y", 7, 9.0), trial("y", 8, 9.0)]  # within an arm all count
    rows = [*one, lost[0], again[0], *two, lost[1], *again[1:]]
    left = [place for place in range(len(rows)) if place not in (8, 13, 14)]
    assert distinct(rows) == left

    fitted: list[Observations] = []

    def catch(seen: Observations, shifted: bool) -> None:
        fitted.append(seen)
        raise LookupError

    monkeypatch.setattr(module, "posterior", catch)
    runs = [trial("x", 1, 3.5), trial("x", 1, 4.5), trial("y", 2, 3.5), trial("y", 2, 4.5)]
    with pytest.raises(LookupError):
        Surface([*one, *(trial("y", n, 2.0 + n) for n in range(6))], ["x", "y"], runs)
    (seen,) = fitted
    assert seen.groups.tolist() == [0] * 7
    assert seen.counts.tolist() == [1.0] * 6 + [2.0]


def test_arms_of_which_one_is_worse_everywhere_are_shifted() -> None:
    rows = [
        replace(row, measurements=(Measurement(step=1, score=row.objective * 1.5),))
        if row.arm == "y"
        else row
        for row in studied()
    ]
    diagonal = [replace(row, parameters=Parameters(b=row.b, a=row.b, d_steps=1)) for row in rows]
    scores = [5 * math.exp((math.log10(row.b) + 3) ** 2) for row in diagonal]
    equal = [
        replace(row, measurements=(Measurement(step=1, score=s * (1.5 if row.arm == "y" else 1)),))
        for row, s in zip(diagonal, scores, strict=True)
    ]
    equal = [row for row in equal if row.number < 8]
    surface = Surface(equal, ["x", "y"])
    assert surface.shifted
    assert all(process._shift > 0 for process in surface.processes)
    found = surface.means[surface.found("y")] - surface.means[surface.found("x")]
    assert found == pytest.approx(math.log(1.5), abs=0.1)
    assert not Surface([row for row in equal if row.arm == "y"], ["y"]).shifted


def test_a_score_is_moved_by_what_is_still_to_come(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = [2.0 + (i - 4) ** 2 / 8 for i in range(9)]
    rates = np.geomspace(1e-4, 1e-2, 9).tolist()
    rows = [trial("x", i, scores[i], (rates[i], rates[i])) for i in range(9)]
    seen = list[Observations]()
    value = scores[3] * math.exp(-0.25)
    moved = [
        replace(row, forecast=Score(value, value / 8)) if row is rows[3] else row for row in rows
    ]
    monkeypatch.setattr(module, "forecast", lambda _rows: moved)
    law = module.posterior
    monkeypatch.setattr(
        module, "posterior", lambda found, **named: seen.append(found) or law(found, **named)
    )
    assert Surface(rows, ["x"]).forecast == (moved[3],)
    logs = np.log(scores)
    assert sorted(seen[0].values) == pytest.approx(sorted([*logs[:3], logs[3] - 0.25, *logs[4:]]))
    assert sorted(seen[0].noise) == [0.0] * 8 + [0.125]


def test_one_arm_alone_is_not_shifted(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[int]()
    law = module.perhaps_shifted
    monkeypatch.setattr(
        module, "perhaps_shifted", lambda found: asked.append(len(found)) or law(found)
    )
    rows = studied()
    Surface([row for row in rows if row.arm == "x"], ["x"])
    assert asked == []
    Surface(rows, ["x", "y"])
    assert len(asked) == 1
