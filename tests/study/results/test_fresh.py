"""What a surface makes of a confirmation: its runs are further scores of the settings that were searched."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import study
from study.errors import UserError
from study.results.comparison import Comparison, compare
from study.results.confirmation import confirmation
from study.results.fresh import repeats, told_apart
from study.trial import ONE, TWO, Outcome, TrialRecord
from trainables.protocol import Measurement, Parameters

LOUD = 6.1
"""The one score of which a noise is known."""


def trial(arm: str, number: int, score: float | None, *, b: float, name: str = "s") -> TrialRecord:
    return TrialRecord(
        study=name,
        arm=arm,
        number=number,
        parameters=Parameters(b=b, a=b if arm.startswith(ONE) else b / 3, d_steps=1),
        score_name="fd_1k",
        outcome=Outcome.DIVERGED if score is None else Outcome.COMPLETE,
        measurements=()
        if score is None
        else (Measurement(step=1, score=score, noise=0.06 * (score == LOUD), time=0.0),),
    )


def rate(number: int) -> float:
    return float(10 ** (-4 + number / 4))


def searched() -> list[TrialRecord]:
    """Two arms of eight: low in the middle, but for trial 1 of the first, which was lucky."""
    noise = [0.03, 0, -0.02, 0.01, -0.03, 0.02, 0, -0.01]
    rows = []
    for arm, low in ((ONE, 5.0), (TWO, 4.5)):
        for i in range(8):
            score = low * math.exp(0.1 * (i - 4) ** 2 / 4 + noise[i])
            rows.append(trial(arm, i, 3.0 if (arm, i) == (ONE, 1) else score, b=rate(i)))
    return rows


def seeds(arm: str, number: int, scores: Sequence[float | None]) -> list[TrialRecord]:
    return [
        trial(f"{arm}-{number}", seed, score, b=rate(number), name="s.confirm")
        for seed, score in enumerate(scores)
    ]


def fresh() -> list[TrialRecord]:
    return [
        *seeds(ONE, 1, [LOUD] * 4),
        *seeds(ONE, 4, [5.1, 4.9, 5.0, 5.2, 5.0, 4.9]),
        *seeds(TWO, 4, [4.4, 4.6, 4.5, 4.5, 4.6, 4.4]),
        *seeds(TWO, 6, [None, 5.5]),
    ]


@pytest.fixture(scope="module")
def alone() -> Comparison:
    """By the search alone."""
    return compare("s", searched())


@pytest.fixture(scope="module")
def known() -> Comparison:
    """By the search and its finalists' fresh seeds, one of which diverged."""
    return compare("s", searched(), confirmation=confirmation("s", fresh()))


def test_a_run_counts_for_the_trial_that_it_repeats_if_the_two_are_comparable() -> None:
    rows, (run, *_) = searched(), seeds(ONE, 1, [6.2])
    (found,) = repeats(rows, [run])
    assert (found.arm, found.number, found.objective) == (ONE, 1, 6.2)
    assert found.parameters == rows[1].parameters
    # A sampler may give a fixed rate back with another last digit.
    nearly = replace(run, parameters=replace(run.parameters, b=run.b * (1 + 1e-12)))
    assert repeats(rows, [nearly])[0].b == rows[1].b
    # One that is left out leaves out none after it.
    other = replace(run, score_name="fd_10k")
    assert repeats(rows, [other, run]) == [found]
    (diverged,) = repeats(rows, seeds(ONE, 1, [None]))
    assert math.isinf(diverged.objective)
    for other in (
        replace(run, score_name="fd_10k"),
        replace(run, outcome=Outcome.FAILED),
        replace(run, outcome=None),
        replace(run, arm=f"{ONE}-8"),
        replace(run, arm="three-1"),
        replace(run, parameters=replace(run.parameters, b=run.b * 1.001)),
        replace(run, parameters=replace(run.parameters, a=run.a * 1.001)),
        replace(run, parameters=replace(run.parameters, d_steps=2)),
        replace(run, parameters=replace(run.parameters, further={"loss": "hinge"})),
    ):
        assert repeats(rows, [other]) == []


def test_fresh_seeds_take_back_what_luck_has_promised(alone: Comparison, known: Comparison) -> None:
    lucky, honest = (each.arms[ONE].optimum for each in (alone, known))
    assert lucky is not None
    assert honest is not None
    assert lucky.setting["b"] < rate(2)
    assert rate(3) < honest.setting["b"] < rate(5)
    assert honest.score == pytest.approx(5.0, rel=0.04)
    assert honest.interval[1] - honest.interval[0] < (lucky.interval[1] - lucky.interval[0]) / 2
    # What the search alone had upside down is the right way round.
    assert alone.difference.relative is not None
    assert known.difference.relative is not None
    assert alone.difference.relative > 0
    assert -0.12 < known.difference.relative < -0.02
    assert (alone.difference.repeats, known.difference.repeats) == (0, 18)


def test_a_surface_is_told_of_each_setting_what_all_its_runs_say(known: Comparison) -> None:
    surface = known.surface
    assert surface is not None
    seen = surface.processes[0]._seen
    assert seen.counts.tolist() == [1.0] * 16 + [4, 6, 6, 1, 1]
    assert seen.groups[16:].tolist() == [0, 0, 1, 1, 1]
    assert seen.points[16:] == pytest.approx(seen.points[[1, 4, 12, 14, 14]])
    assert seen.noise[16:19].tolist() == [0.06 / 6.1, 0, 0]
    # Low scores are taken as they are; of one without a score it is only known that it is high.
    logs = np.log([run.objective for run in fresh() if run.arm == f"{TWO}-4"])
    assert seen.values[18] == pytest.approx(logs.mean())
    assert seen.within[18] == pytest.approx(((logs - logs.mean()) ** 2).sum())
    lost = 16 + int(np.argmax(seen.values[16:]))
    assert lost in (19, 20)
    low, middle = np.quantile(np.log([row.objective for row in searched()]), (0.1, 0.5))
    assert seen.values[lost] == pytest.approx(middle + 4 * (middle - low))
    assert seen.noise[lost] > 0.1


def test_repeats_make_no_arm_large_enough_and_nothing_more_to_search(
    alone: Comparison, known: Comparison
) -> None:
    assert alone.surface is not None
    assert known.surface is not None
    assert known.surface.rows == alone.surface.rows
    for arm in (ONE, TWO):
        assert np.array_equal(known.surface.spread(arm)[0], alone.surface.spread(arm)[0])
    rows = [row for row in searched() if row.number < 5]
    few = compare("s", rows, confirmation=confirmation("s", fresh()))
    assert few.surface is None
    assert few.difference.few


def test_runs_with_other_samples_are_not_told_to_the_surface(known: Comparison) -> None:
    finer = [replace(run, score_name="fd_10k") for run in fresh()]
    assert repeats(searched(), finer) == []
    assert known.surface is not None
    assert len(known.surface.repeats) == len(fresh())


def test_a_table_with_the_confirming_runs_is_answered_as_the_study(known: Comparison) -> None:
    # Runs of another length are a study of their own, and have no part in it.
    longer = [replace(run, study="s.confirm-900", number=run.number + 50) for run in fresh()]
    frame = pd.concat([study.to_frame(part) for part in (longer, fresh(), searched())])
    assert study.compare_table(frame).to_json() == known.to_json()


def test_of_a_table_only_runs_that_confirm_others_of_it_are_told_apart() -> None:
    assert told_apart(searched()) == (searched(), [])
    assert told_apart(fresh()) == (fresh(), [])
    strangers = [replace(run, study="t.confirm") for run in fresh()]
    assert told_apart([*searched(), *strangers]) == ([*searched(), *strangers], [])
    assert told_apart([*fresh(), *searched()]) == (searched(), fresh())


def test_a_table_says_which_run_repeats_no_trial() -> None:
    wrong = [replace(run, arm="two") for run in seeds(TWO, 1, [4.0])]
    with pytest.raises(UserError, match=r"'two' for the study 's.confirm'.*ARM-NUMBER"):
        study.compare_table(study.to_frame([*searched(), *wrong]))


def test_the_search_says_that_it_knows_the_runs() -> None:
    single = [*seeds(ONE, 4, [5.0]), *seeds(TWO, 4, [4.5])]  # too few for a verdict of their own
    (verdict,) = compare("s", searched(), confirmation=confirmation("s", single)).verdicts
    assert verdict.source == "search"
    assert "by the search's 16 trials and 2 runs of its finalists" in verdict.sentence


def test_a_comparison_has_its_confirmation_with_the_room_that_its_surface_leaves(
    alone: Comparison,
) -> None:
    # Not by the fixture: the mutation run asks only the tests that call a function themselves.
    known = compare("s", searched(), confirmation=confirmation("s", fresh()))
    assert alone.confirmation is None
    assert alone.to_json()["confirmation"] is None
    found, surface = known.confirmation, known.surface
    assert found is not None
    assert surface is not None
    assert found.rows == tuple(fresh())
    (difference,) = found.differences
    assert difference.numbers == (4, 4)
    rows = {(row.arm, row.number): row for row in searched()}
    room = tuple(surface.room_below(rows[arm, 4]) for arm in (ONE, TWO))
    assert difference.room == room
    assert known.to_json()["confirmation"] == found.to_json()
    assert found.to_json()["difference"]["room"] == pytest.approx(list(room))
