"""When nothing was learnt yet, and how much longer to train, by straight lines."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.mlflow import row

from study.results.levels import Curve, Judged, longer, nothing_learnt, of_trial
from study.trial import TrialRecord
from trainables.levels import Levels
from trainables.protocol import Measurement

LEVELS = Levels(floor=100.0, ceiling=300.0)


def line(count: int, start: float = 1000.0, fall: float = 1.0) -> Curve:
    return [(10 * i, start - fall * 10 * i) for i in range(1, count + 1)]


def trial(score: float = 299.0, noise: float = 0.0, number: int = 4) -> TrialRecord:
    metrics = {"score_floor": 100.0, "score_ceiling": 300.0}
    seen = tuple(
        Measurement(step=step, score=score + off, noise=noise, metrics=metrics)
        for step, off in ((10, 20.0), (20, 10.0), (30, 0.0))
    )
    return replace(row("one", number, score), measurements=seen)


@pytest.mark.parametrize(
    ("needed", "times"),
    [
        (1000.0 - 300.0, 3.0),
        (1000.0 - 999.0, 9.99),  # nearly the most
        (1000.0 - 1001.0, None),
        (1000.0 - 201.0, 2.01),
        (1000.0 - 199.0, 2.0),
        (1000.0 - 50.0, 2.0),  # reached long ago
    ],
)
def test_times_as_long_by_a_line_until_step_100(needed: float, times: float | None) -> None:
    found = longer(line(10), needed)
    assert found == (times if times is None else pytest.approx(times))


def test_of_a_curve_its_second_half_counts_and_three_evaluations_at_least() -> None:
    steep = [(step, 5000.0 - 30 * step) for step in range(10, 60, 10)]
    flat = [(step, 1000.0 - step) for step in range(60, 110, 10)]
    assert longer([*steep, *flat], 1000.0 - 400.0) == pytest.approx(4.0)
    # Of eleven the last five again, and of five or six the last three.
    assert longer([(5, 9e3), *steep, *flat], 1000.0 - 400.0) == pytest.approx(4.0)
    assert longer([*steep[-2:], *flat[-3:]], 1000.0 - 400.0) == pytest.approx(4.0)
    assert longer([*steep[-3:], *flat[-3:]], 1000.0 - 400.0) == pytest.approx(4.0)
    # Of eight the last four: one of the steep ones is none of them.
    assert longer([*steep[-4:], *flat[-4:]], 1000.0 - 400.0) == pytest.approx(4.0)
    # Least squares by hand: the mean 80 at step 65, a slope of -700 / 500.
    bent = [(50, 100.0), (60, 90.0), (70, 70.0), (80, 60.0)]
    assert longer([*steep[:4], *bent], 80.0 - 1.4 * (240 - 65)) == pytest.approx(3.0)
    assert longer(line(3), 1000.0 - 90.0) == pytest.approx(3.0)
    assert longer(line(2), 1000.0 - 90.0) is None
    assert longer([], 1.0) is None


def test_what_does_not_fall_tells_nothing() -> None:
    assert longer([(10, 5.0), (20, 5.0), (30, 5.0)], 4.0) is None
    assert longer([(10, 5.0), (20, 6.0), (30, 7.0)], 4.0) is None


def test_a_finalist_is_its_runs_mean_and_their_spread() -> None:
    one = Judged("x", trial(noise=7.0), [4.0, 6.0, 11.0])
    assert (one.name, one.score, one.spread) == ("x's #4", 7.0, pytest.approx(13**0.5))
    assert (Judged("x", trial(), [4.0]).score, Judged("x", trial(), [4.0]).spread) == (4.0, 0.0)
    # Clearly below the ceiling by the noise, or by how far the runs lie apart.
    assert Judged("x", trial(), [280.0]).learnt(LEVELS)
    assert not Judged("x", trial(noise=100.0), [280.0]).learnt(LEVELS)
    assert not Judged("x", trial(), [80.0, 480.0]).learnt(LEVELS)
    assert Judged("x", trial(), [279.0, 281.0]).learnt(LEVELS)


def test_what_is_said_of_one_and_of_several() -> None:
    one, two = Judged("one", trial(), [299.5]), Judged("two", trial(number=7), [412.34567])
    good = Judged("three", trial(), [150.0])
    assert nothing_learnt([good], LEVELS) is None
    assert nothing_learnt([], LEVELS) is None
    found = nothing_learnt([good, one], LEVELS)
    assert found is not None
    assert found.arms == ("one",)
    assert found.sentence == (
        "Nothing was learnt yet, so nothing is compared: one's #4 scores 299.5: not clearly below 300, "
        "the lowest that noise, the mean of the data or an untrained generator scores."
    )
    assert found.next == "Next: train longer in a new study, e.g. twice as long (trial.steps)."
    both = nothing_learnt([one, good, two], LEVELS)
    assert both is not None
    assert both.arms == ("one", "two")
    assert "one's #4 scores 299.5 and two's #7 scores 412.3: not" in both.sentence


@pytest.mark.parametrize(
    ("reached", "words"),
    [(50.0, "twice as long"), (250.0, "3 times as long"), (300.0, "3 times as long")],
)
def test_how_much_longer_is_said_for_the_one_that_needs_most(reached: float, words: str) -> None:
    """Lines that are as low as is needed at a step: of 100 so far."""

    def judged(at: float) -> Judged:
        needed = LEVELS.needed(0.0, 0.0)
        return Judged("x", trial(), [299.9], [(n, needed + at - n) for n in (80, 90, 100)])

    found = nothing_learnt([judged(reached), judged(50.0)], LEVELS)
    assert found is not None
    assert found.next == (
        f"Next: train longer in a new study, about {words} (trial.steps) at the rate at which the "
        "score falls now."
    )
    for unknown in (replace(judged(50.0), curve=()), judged(2000.0)):
        said = nothing_learnt([judged(reached), unknown], LEVELS)
        assert said is not None
        assert "e.g. twice as long" in said.next


def test_what_is_needed_minds_the_noise_and_the_spread() -> None:
    """A line that falls by 1 an update from 400 at step 100."""
    curve = [(n, 500.0 - n) for n in (80, 90, 100)]
    for scores, noise in (([400.0], 0.0), ([400.0], 60.0), ([230.0, 570.0], 0.0)):
        one = Judged("x", trial(noise=noise), scores, curve)
        needed = LEVELS.needed(noise, one.spread)
        found = nothing_learnt([one], LEVELS)
        assert found is not None
        times = -(-(500.0 - needed) // 100)
        assert f"about {times:.0f} times as long" in found.next
    assert LEVELS.needed(60.0, 0.0) < LEVELS.needed(0.0, 0.0) - 50


def test_a_trial_s_curve_is_looked_up_where_it_is_of_use() -> None:
    own = ((10, 319.0), (20, 309.0), (30, 299.0))
    bad, good = trial(299.0), trial(150.0)
    assert of_trial(bad) == Judged("one", bad, [299.0], own)
    asked: list[TrialRecord] = []

    def curve(of: TrialRecord) -> Curve:
        asked.append(of)
        return [(1, 2.0)]

    assert of_trial(bad, curve).curve == ((1, 2.0),)
    assert of_trial(good, curve).curve == ((10, 170.0), (20, 160.0), (30, 150.0))
    assert asked == [bad]
