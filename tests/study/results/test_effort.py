from __future__ import annotations

from dataclasses import replace

import pytest

from study.results.comparison import compare
from study.results.effort import Reached, effort
from study.results.tables import comparison_table
from study.trial import Outcome, TrialRecord

ONE, TWO = "one_timescale", "two_timescale"


def trial(
    arm: str, number: int, score: float | None, seconds: float, outcome: str = "complete"
) -> TrialRecord:
    known = {
        "study": "s",
        "arm": arm,
        "number": number,
        "b": 1e-3,
        "a": 1e-3,
        "d_steps": 1,
        "score_name": "x",
    }
    return TrialRecord.from_json(known | {"score": score, "seconds": seconds, "outcome": outcome})


def arms() -> tuple[list[TrialRecord], list[TrialRecord]]:
    one = [trial(ONE, 2, 6.0, 30.0), trial(ONE, 0, 9.0, 10.0), trial(ONE, 1, 8.0, 20.0)]
    two = [trial(TWO, 0, 9.0, 12.0, "stopped"), trial(TWO, 1, 5.0, 40.0), trial(TWO, 2, 4.0, 60.0)]
    return one, two


def test_what_two_arms_cost() -> None:
    one, two = arms()
    found = effort((ONE, TWO), one, two)
    assert found.equal
    assert found.seconds == (60.0, 112.0)
    assert found.stopped == (0, 1)
    assert found.saved == (0.0, pytest.approx(50.0 - 12.0))
    # By number, not in the order given: the third of one is at 6, the second of two at 5.
    assert found.reached == (None, Reached(trials=2, seconds=52.0))
    assert str(found) == (
        "Both arms had 3 trials (60 s and 112 s of training). Stopping early ended 1 of 6 trials and saved "
        "about 38 s. one_timescale never reached two_timescale's lowest score. two_timescale reached "
        "one_timescale's lowest score after 2 trials (52 s)."
    )


def test_unequal_budgets_are_said_and_shown() -> None:
    one, two = arms()
    rows = [*one[:2], *two, trial(ONE, 5, None, 0.0, "failed"), trial(ONE, 6, 1.0, 5.0)]
    unfinished = TrialRecord.from_json(trial(TWO, 9, 1.0, 5.0).to_json() | {"outcome": None})
    text = comparison_table(compare("s", [*rows, unfinished]))
    assert "The budgets are not equal: one_timescale had 4 trials, two_timescale 3" in text
    data = compare("s", rows).to_json()["efforts"][0]
    assert (data["equal"], data["trials"]) == (False, [4, 3])
    assert data["reached"][0]["trials"] == 4


def test_where_an_arm_has_no_score_nobody_is_said_to_have_reached_it() -> None:
    one = [trial(ONE, 0, 1.0, 5.0)]
    two = [trial(TWO, 0, None, 0.0, Outcome.DIVERGED)]
    assert str(effort((ONE, TWO), one, two)) == "Both arms had 1 trial (5 s and 0 s of training)."


def test_a_failed_trial_reaches_nothing() -> None:
    one = [trial(ONE, 0, 1.0, 5.0, Outcome.FAILED)]
    two = [trial(TWO, 0, 2.0, 5.0)]
    found = effort((ONE, TWO), one, two)
    assert found.reached == (None, None)
    assert found.saved == (None, 0.0)


def test_the_steps_until_a_score_are_those_of_all_trials_before() -> None:
    def until(arm: str, number: int, score: float, end_step: int | None) -> TrialRecord:
        return replace(trial(arm, number, score, 10.0), end_step=end_step)

    one = [until("one", 0, 5.0, 1000), until("one", 1, 3.0, 400), until("one", 2, 1.0, 1000)]
    two = [until("two", 0, 3.5, 700)]
    found = effort(("one", "two"), one, two)
    assert found.reached[0] is not None
    assert (found.reached[0].trials, found.reached[0].steps) == (2, 1400)
    assert "one reached two's lowest score after 2 trials (1,400 steps, 20 s)." in str(found)
    assert found.to_json()["reached"] == [{"trials": 2, "seconds": 20.0, "steps": 1400}, None]
    unknown = effort(("one", "two"), [until("one", 0, 1.0, None)], two)
    assert unknown.reached[0] is not None
    assert unknown.reached[0].steps is None


def test_an_effort_as_json() -> None:
    one, two = arms()
    assert effort((ONE, TWO), one, two).to_json() == {
        "arms": [ONE, TWO],
        "equal": True,
        "trials": [3, 3],
        "seconds": [60.0, 112.0],
        "stopped": [0, 1],
        "saved_seconds": [0.0, 38.0],
        "reached": [None, {"trials": 2, "seconds": 52.0, "steps": None}],
    }


def test_a_stopped_trial_that_took_longer_than_whole_ones_saved_nothing_and_costs_nothing() -> None:
    one = [trial(ONE, 0, 9.0, 10.0), trial(ONE, 1, 8.0, 20.0)]
    one += [trial(ONE, 2, 7.0, 99.0, "stopped"), trial(ONE, 3, 7.0, 11.0, "stopped")]
    found = effort((ONE, TWO), one, [trial(TWO, 0, 9.0, 12.0, "stopped")])
    assert (found.stopped, found.saved) == ((2, 1), (4.0, None))
    assert "Stopping early ended 3 of 5 trials and saved about 4 s." in str(found)


def test_less_than_a_second_saved_is_not_said() -> None:
    def said(seconds: float) -> str:
        one = [trial(ONE, 0, 9.0, 10.0), trial(ONE, 1, 8.0, seconds, "stopped")]
        return str(effort((ONE, TWO), one, [trial(TWO, 0, 9.0, 12.0)]))

    assert "Stopping early ended 1 of 3 trials and saved about 1 s. " in said(9.0)
    assert "Stopping early ended 1 of 3 trials. " in said(9.1)
    none = [trial(ONE, 0, 9.0, 10.0, "stopped")]
    assert "ended 2 of 2 trials. " in str(effort((ONE, TWO), none, [replace(none[0], arm=TWO)]))
    assert "Stopping" not in str(effort((ONE, TWO), [trial(ONE, 0, 9.0, 1.0)], []))


def test_an_equal_score_is_reached_and_of_no_score_nothing_is() -> None:
    one, two = [trial(ONE, 0, 5.0, 1.0)], [trial(TWO, 0, 5.0, 2.0), trial(TWO, 1, 4.0, 3.0)]
    found = effort((ONE, TWO), one, two)
    assert found.reached == (None, Reached(trials=1, seconds=2.0))
    assert effort((ONE, TWO), one, []).reached == (None, None)
    assert effort((ONE, TWO), one, [trial(TWO, 0, None, 2.0, "diverged")]).reached == (None, None)
    unended = replace(trial(TWO, 0, 5.0, 2.0), outcome=None)
    assert effort((ONE, TWO), one, [unended]).reached == (None, None)
