"""What stopped trials would have come to, against gains taken by hand."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from study.surface import stopped as module
from study.surface import surface as surface_module
from study.surface.stopped import still_to_come
from study.surface.surface import Surface
from study.trial import Outcome, TrialRecord
from trainables.protocol import Measurement, Parameters

WHOLE: list[dict[int, float]] = [
    {10: 90.0, 20: 40.0, 30: 12.0, 40: 15.0},
    {10: 55.0, 20: 60.0, 30: 20.0, 40: 9.0},
    {10: 30.0, 20: 21.0, 30: 8.0, 40: 7.5},
    {10: 200.0, 20: 90.0, 30: 70.0, 40: 31.0},
    {10: 16.0, 20: 5.0, 30: 6.0, 40: 7.0},
    {10: 44.0, 20: 41.0, 30: 39.0, 40: 11.0},
]


def trial(
    number: int, curve: Mapping[int, float], outcome: Outcome = Outcome.COMPLETE, arm: str = "x"
) -> TrialRecord:
    rate = 10 ** (-4 + 0.1 * number)
    return TrialRecord(
        study="s",
        arm=arm,
        number=number,
        parameters=Parameters(b=rate, a=rate, d_steps=1),
        outcome=outcome,
        measurements=tuple(Measurement(step=s, score=v) for s, v in curve.items()),
    )


def cut(number: int, curve: Mapping[int, float]) -> TrialRecord:
    return trial(number, curve, Outcome.STOPPED)


def searched() -> list[TrialRecord]:
    return [trial(n, curve) for n, curve in enumerate(WHOLE)]


def doubt(gained: list[float], left: float) -> float:
    """How far off a gain may be: the t distribution's deviation, and the gain itself."""
    n, centre = len(gained), float(np.mean(gained))
    freedom = 2 + n - 1
    squares = 2 * (0.5 * left) ** 2 + n * float(np.var(gained))
    scale = math.sqrt(squares / freedom * (1 + 1 / n))
    return math.sqrt(float(stats.t(freedom, scale=scale).var()) + centre**2)


def gained(step: int) -> list[float]:
    """What each whole trial's lowest score fell by after a step, in the logarithm."""
    found = []
    for curve in WHOLE:
        so_far = [score for at, score in curve.items() if at <= step]
        found.append(math.log(sorted(curve.values())[0] / sorted(so_far)[0]))
    return found


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_a_trial_that_fell_until_it_was_stopped_gains_what_whole_ones_gained(steps: int) -> None:
    curve = {10 * (i + 1): 100.0 - 20 * i for i in range(steps)}
    added, spread = still_to_come([*searched(), cut(6, curve)])
    known = gained(10 * steps)
    assert added[-1] == pytest.approx(float(np.mean(known)), rel=1e-12)
    assert spread[-1] == pytest.approx(doubt(known, 1 - steps / 4), rel=1e-12)
    assert -1.7 < added[-1] < -0.1
    assert added[:-1].tolist() == spread[:-1].tolist() == [0.0] * 6


@pytest.mark.parametrize("newest", [50.0, 80.0, 4000.0])
def test_one_that_rose_gains_from_its_newest_score(newest: float) -> None:
    """Of one that rose far above its lowest score that remains the lowest, though it is not sure to."""
    added, spread = still_to_come([*searched(), cut(6, {10: 40.0, 20: newest})])
    known = gained(20)
    end = math.log(newest) + float(np.mean(known))
    assert added[-1] == pytest.approx(min(end, math.log(40.0)) - math.log(40.0), abs=1e-12)
    assert (added[-1] == 0.0) == (newest == 4000.0)
    assert spread[-1] == pytest.approx(doubt(known, 0.5), rel=1e-12)


def test_only_stopped_trials_are_moved() -> None:
    rows = searched()
    short = {10: 90.0, 20: 50.0}
    rows += [
        trial(6, short, Outcome.DIVERGED),
        trial(7, {}, Outcome.DIVERGED),
        trial(8, {}, Outcome.STOPPED),
    ]
    added, spread = still_to_come(rows)
    assert not added.any()
    assert not spread.any()


def test_all_arms_whole_trials_are_asked() -> None:
    others = [trial(n, curve, arm="y") for n, curve in enumerate(WHOLE)]
    one = still_to_come([cut(6, {10: 50.0}), *others])
    two = still_to_come([cut(6, {10: 50.0}), *searched()])
    assert np.array_equal(one, two)
    assert one[0][0] < 0


@pytest.mark.parametrize(
    "whole",
    [
        [],
        # A table has the lowest score of a trial alone: it tells of no gain.
        [trial(0, {40: 5.0}), trial(1, {10: 5.0})],
        # Evaluated later than the stopped one was.
        [trial(0, {20: 5.0, 40: 4.0})],
        # Trials that were stopped themselves tell nothing of the end.
        [cut(0, {10: 20.0, 20: 5.0})],
    ],
)
def test_where_nothing_is_known_of_later_scores_nothing_is_added(whole: list[TrialRecord]) -> None:
    added, spread = still_to_come([*whole, cut(6, {10: 50.0})])
    assert added[-1] == spread[-1] == 0.0


def test_a_lowest_score_without_its_curve_is_no_gain_of_zero() -> None:
    """Trials of a table, which have one score each, beside whole curves."""
    tables = [trial(20 + n, {10: 5.0 + n}) for n in range(4)]
    added, spread = still_to_come([*searched(), *tables, cut(6, {10: 50.0})])
    known = gained(10)
    assert added[-1] == pytest.approx(float(np.mean(known)), rel=1e-12)
    assert spread[-1] == pytest.approx(doubt(known, 0.75), rel=1e-12)


def test_at_the_last_step_there_is_nothing_to_come() -> None:
    """A rule that fired at the end, of whole trials that all end there: no spread at all."""
    added, spread = still_to_come([*searched(), cut(6, {10: 50.0, 20: 49.0, 40: 48.0})])
    assert added[-1] == spread[-1] == 0.0


def test_of_very_many_whole_trials_some_of_all_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def catch(step: int, whole: list[Mapping[int, float]]) -> None:
        asked.append((step, whole))
        raise LookupError

    monkeypatch.setattr(module, "gains", catch)
    rows = [trial(n, {10: 2.0 + n, 20: 1.0}) for n in range(2 * module.MOST + 1)]
    with pytest.raises(LookupError):
        still_to_come([*rows, cut(900, {10: 5.0})])
    ((step, whole),) = asked
    assert step == 10
    assert [curve[10] for curve in whole] == [2.0 + n for n in range(0, len(rows), 3)]


def test_the_surface_stands_on_what_stopped_trials_would_have_come_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The logarithm of the score is moved; the noise is the score's own and that of the forecast."""
    caught = []

    def catch(*seen: object) -> None:
        caught.append(seen[3:])
        raise LookupError

    monkeypatch.setattr(surface_module, "thinned", catch)
    halved = [trial(n, {10: 2.0 + n / 10, 20: (2.0 + n / 10) / 2}) for n in range(11)]
    noisy = Measurement(step=10, score=2.0, noise=0.2)
    stopped = trial(11, {10: 2.0}, Outcome.STOPPED)
    stopped = replace(stopped, measurements=(noisy,))
    added, spread = still_to_come([*halved, stopped])
    with pytest.raises(LookupError):
        Surface([*halved, stopped], ["x"])
    values, noise = caught[0]
    assert values[-1] == pytest.approx(math.log(2.0) + added[-1])
    assert values[:-1] == pytest.approx([math.log((2.0 + n / 10) / 2) for n in range(11)])
    assert noise[-1] == pytest.approx(math.hypot(0.1, spread[-1]))
    assert noise[:-1].tolist() == [0.0] * 11
    assert added[-1] == pytest.approx(-math.log(2))
    assert 0.69 < spread[-1] < 0.72


def test_a_surface_says_which_trials_are_forecast() -> None:
    halved = [trial(n, {10: 2.0 + n / 10, 20: (2.0 + n / 10) / 2}) for n in range(7)]
    alone = trial(7, {10: 2.0}, Outcome.STOPPED)
    surface = Surface([*halved, alone], ["x"])
    assert [row.identity for row in surface.forecast] == [alone.identity]
    assert Surface(halved, ["x"]).forecast == ()


def test_one_whole_trial_tells_a_gain_with_the_prior_as_its_doubt() -> None:
    added, spread = still_to_come([trial(0, WHOLE[0]), cut(6, {10: 50.0})])
    assert added[-1] == pytest.approx(math.log(12 / 90))
    # The prior for 3/4 of the steps, as much again for the mean of one, and the gain itself.
    prior = 0.5 * 0.75 * math.sqrt(2)
    assert spread[-1] == pytest.approx(math.hypot(prior, math.log(12 / 90)))
