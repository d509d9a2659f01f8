from __future__ import annotations

import math

import pytest

from trainables.levels import Levels, lowest


def test_the_share_of_the_way_runs_from_the_ceiling_to_the_floor() -> None:
    """The issue's own numbers: faces at 32 pixels by efficientnet_lite0."""
    faces = Levels(floor=540.0, ceiling=3493.0)
    for score, share in (
        (3493, 0.0),
        (540, 1.0),
        (2016.5, 0.5),
        (3239, 254 / 2953),
        (4969.5, -0.5),
    ):
        assert faces.share(score) == pytest.approx(share)
    assert faces.share(None) is None


@pytest.mark.parametrize(
    ("floor", "ceiling", "told"),
    [
        (540.0, 3493.0, True),
        (None, 3493.0, True),
        (540.0, None, False),
        (None, None, False),
        (3493.0, 540.0, False),  # a score of a user's own by which real data are worse than noise
        (540.0, 540.0, False),
    ],
)
def test_only_a_score_that_tells_real_from_nothing_says_what_was_learnt(
    floor: float | None, ceiling: float | None, told: bool
) -> None:
    levels = Levels(floor=floor, ceiling=ceiling)
    assert levels.tell is told
    assert levels.learnt(1e9) is not told
    assert math.isfinite(levels.needed()) is told
    assert (levels.share(600.0) is not None) is (told and floor is not None)


def test_clearly_below_is_three_times_the_noise_the_spread_and_a_twentieth_of_the_way() -> None:
    levels = Levels(floor=0.0, ceiling=100.0)
    assert (levels.learnt(95.1), levels.learnt(94.9)) == (False, True)
    assert (levels.learnt(88.1, noise=4.0), levels.learnt(87.9, noise=4.0)) == (False, True)
    assert (levels.learnt(90.1, spread=10.0), levels.learnt(89.9, spread=10.0)) == (False, True)
    assert levels.needed(noise=1.0, spread=4.0) == pytest.approx(95.0)
    assert levels.needed(noise=4.0, spread=5.0) == pytest.approx(87.0)
    assert Levels(ceiling=100.0).needed(noise=1.0) == pytest.approx(97.0)


def test_levels_are_read_from_the_metrics_of_an_evaluation() -> None:
    metrics = {"score_floor": 1.0, "score_floor_noise": 0.1, "score_ceiling": 9.0, "d_loss": 2.0}
    assert Levels.of(metrics) == Levels(floor=1.0, ceiling=9.0)
    assert Levels.of({}) == Levels()


def test_a_study_has_the_lowest_levels_of_its_trials() -> None:
    some = [Levels(), Levels(floor=2.0, ceiling=9.0), Levels(floor=1.0, ceiling=8.0)]
    assert lowest(some) == Levels(floor=1.0, ceiling=8.0)
    assert lowest([]) == Levels()
