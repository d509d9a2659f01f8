from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from study.driver.retraining import FRESH_DRAW, confirmation_spec
from study.errors import UserError
from study.ground.confirming import confirmed_by, confirming
from study.record.named import CONFIRMED, FINALISTS, Named, is_confirmed
from study.results.confirmation import confirmation
from study.results.tables import confirmation_table
from study.spec.model import Spec
from study.spec.reader import parse_spec
from study.trial import Outcome, TrialRecord, ranked
from trainables.protocol import Measurement, Parameters

ONE = [3.0, 4.0, 5.5, 4.5]
TWO = [2.0, 2.5, 3.5, 1.0]


def row(arm: str, number: int, score: float | None, outcome: Outcome | None) -> TrialRecord:
    return TrialRecord.from_json(
        {
            "study": "s.confirm",
            "arm": arm,
            "number": number,
            "b": 1e-3,
            "a": 1e-4,
            "d_steps": 2,
            "score": score,
            "score_name": "saddle_norm",
            "step": 100,
            "seed": number,
            "outcome": outcome,
            "mlflow_run_id": f"{arm}{number}",
        }
    )


def rows() -> list[TrialRecord]:
    made = [row("one_timescale-7", i, s, Outcome.COMPLETE) for i, s in enumerate(ONE)]
    return made + [row("two_timescale-3", i, s, Outcome.STOPPED) for i, s in enumerate(TWO)]


def entry(number: int, scores: dict[int, float], outcome: Outcome | None) -> TrialRecord:
    return TrialRecord(
        study="s",
        arm="one_timescale",
        number=number,
        parameters=Parameters(b=1e-3, a=1e-3, d_steps=2),
        outcome=outcome,
        end_step=100,
        measurements=tuple(Measurement(step=n, score=s) for n, s in scores.items()),
        ended=1.0,
    )


def spec(**confirm: object) -> Spec:
    arms = {
        "one_timescale": {"space": "one_timescale", "trials": 4, "b": [1e-4, 1e-2], "d_steps": [2]}
    }
    return parse_spec({"name": "s", "trial": {"kind": "saddle"}, "arms": arms, "confirm": confirm})


def test_the_interval_of_a_mean_is_students_of_its_logarithm() -> None:
    found = confirmation("s", rows())
    assert found is not None
    finalist = found.finalists[0]
    scale = stats.sem(ONE) / np.mean(ONE)
    expected = np.exp(stats.t.interval(0.95, 3, loc=np.log(np.mean(ONE)), scale=scale))
    assert (finalist.arm, finalist.number) == ("one_timescale", 7)
    assert finalist.interval == pytest.approx(tuple(expected))


def test_the_interval_of_the_difference_is_welchs() -> None:
    found = confirmation("s", rows())
    assert found is not None
    one, two = np.var(ONE, ddof=1) / 4, np.var(TWO, ddof=1) / 4
    freedom = (one + two) ** 2 / (one**2 / 3 + two**2 / 3)  # Welch-Satterthwaite
    half = stats.t.ppf(0.98, freedom) * math.sqrt(one + two)
    difference = np.mean(TWO) - np.mean(ONE)
    assert found.difference.absolute == pytest.approx(difference)
    assert found.difference.interval == pytest.approx((difference - half, difference + half))
    assert "the two differ" in confirmation_table(found)


def test_runs_without_a_score_are_counted_and_left_out() -> None:
    diverged = row("two_timescale-3", 4, None, Outcome.DIVERGED)
    running = row("two_timescale-3", 5, 0.1, None)
    found = confirmation("s", [*rows(), diverged, running])
    assert found is not None
    assert found.finalists[1].scores == tuple(sorted(TWO))
    assert found.finalists[1].without == 1
    assert confirmation("s", [running]) is None


def test_one_arm_has_nothing_to_be_compared_with() -> None:
    found = confirmation("s", rows()[:1])
    assert found is not None
    assert found.difference.absolute is None
    assert found.finalists[0].interval is None
    assert found.to_json()["difference"]["arms"] is None


def test_each_later_arm_is_compared_with_the_first_of_the_spec() -> None:
    several = [
        row(f"{arm}-0", number, score, Outcome.COMPLETE)
        for arm, scores in {"new": (1.0, 1.2), "alt": (3.0, 3.4), "zz_base": (2.0, 2.1)}.items()
        for number, score in enumerate(scores)
    ]
    found = confirmation("s", several, ["zz_base", "new", "alt", "none_of_it"])
    assert found is not None
    assert [difference.arms for difference in found.differences] == [
        ("zz_base", "new"),
        ("zz_base", "alt"),
    ]
    assert found.difference.absolute == pytest.approx(1.1 - 2.05)
    assert confirmation_table(found).count("zz_base's #0") == 2


def test_finalists_are_the_lowest_scores_of_trials_that_count() -> None:
    entries = [
        entry(0, {50: 3.0, 100: 2.0}, Outcome.COMPLETE),
        entry(1, {50: 1.0, 100: 9.0}, Outcome.DIVERGED),
        entry(2, {50: 0.5}, Outcome.FAILED),
        entry(3, {50: 0.1}, None),
        entry(4, {}, Outcome.DIVERGED),
    ]
    assert [e.number for e in ranked(entries)[:5]] == [1, 0]
    assert [e.number for e in ranked(entries)[:1]] == [1]


def test_the_confirming_study_fixes_the_parameters_and_changes_the_seeds() -> None:
    chosen = {"one_timescale": [entry(3, {100: 1.0}, Outcome.COMPLETE)]}
    made = confirmation_spec(spec(seeds=5), chosen)
    arm = made.arms["one_timescale-3"]
    space = arm.build()
    assert made.name == "s.confirm"
    assert arm.trials == 5
    assert {name: space.bounds(name) for name in ("b", "a", "d_steps")} == {
        "b": pytest.approx((1e-3, 1e-3)),
        "a": pytest.approx((1e-3, 1e-3)),
        "d_steps": (2, 2),
    }
    assert made.search.seed != spec().search.seed


def test_earlier_finalists_stay() -> None:
    first = confirmation_spec(spec(), {"one_timescale": [entry(3, {1: 1.0}, Outcome.COMPLETE)]})
    second = confirmation_spec(
        spec(), {"one_timescale": [entry(8, {1: 0.5}, Outcome.COMPLETE)]}, before=first
    )
    assert list(second.arms) == ["one_timescale-3", "one_timescale-8"]


def test_what_cannot_be_confirmed_is_said() -> None:
    with pytest.raises(UserError, match="no trial of s has a score"):
        confirmation_spec(spec(), {"one_timescale": []})
    chosen = {"one_timescale": [entry(3, {1: 1.0}, Outcome.COMPLETE)]}
    with pytest.raises(UserError, match="saddle draws no samples"):
        confirmation_spec(spec(samples=100), chosen)


def gan(**confirm: object) -> Spec:
    trial = {
        "kind": "gan",
        "data": "digits",
        "networks": {"name": "dcgan", "width": 2},
        "steps": 6,
        "evaluate_every": 2,
        "score": {"samples": 16},
    }
    arms = {"one_timescale": {"space": "one_timescale", "trials": 4, "b": [1e-4, 1e-2]}}
    return parse_spec({"name": "g", "trial": trial, "arms": arms, "confirm": confirm})


CHOSEN = {"one_timescale": [entry(3, {100: 1.0}, Outcome.COMPLETE)]}


def test_a_confirmation_has_other_z_and_ends_no_run_early() -> None:
    searched = gan()
    made = confirmation_spec(searched, CHOSEN)
    assert searched.trial["score"]["draw"] == 0
    assert made.trial["score"]["draw"] == FRESH_DRAW
    assert made.score_name == searched.score_name
    assert (made.stopping.rule, made.stopping.pruner) == ("none", None)
    assert made.confirm.when == "never"
    more = confirmation_spec(gan(samples=64), CHOSEN)
    assert more.trial["score"]["samples"] == 64


def test_one_that_began_with_the_z_of_the_search_goes_on_with_them() -> None:
    before = confirmation_spec(gan(), CHOSEN)
    score = {**before.trial["score"], "draw": 0}
    data = before.model_dump(mode="json")
    before = parse_spec({**data, "trial": {**data["trial"], "score": score}})
    assert confirmation_spec(gan(), CHOSEN, before=before).trial["score"]["draw"] == 0


def test_seeds_only_grow_and_longer_trials_have_others() -> None:
    first = confirmation_spec(spec(), CHOSEN, {"one_timescale-3": 6})
    assert first.arms["one_timescale-3"].trials == 6
    assert (
        confirmation_spec(spec(seeds=4), CHOSEN, before=first).arms["one_timescale-3"].trials == 6
    )
    longer = confirmation_spec(spec(), CHOSEN, steps=500)
    assert (longer.name, longer.settings.steps) == ("s.confirm-500", 500)
    assert longer.search.seed != first.search.seed


def test_what_is_due_is_told_from_what_was_noted() -> None:
    named = Named(after={"one": 8}, count=2, numbers={"one": [3, 5]})
    noted = {FINALISTS: named.to_json()}
    assert not is_confirmed({}, {"one": 8})
    assert not is_confirmed(noted, {"one": 8})
    assert is_confirmed({**noted, CONFIRMED: named.to_json()}, {"one": 8})
    assert not is_confirmed({**noted, CONFIRMED: named.to_json()}, {"one": 9})  # extended since
    nobody = Named(after={"one": 3}, count=2, numbers={})
    assert is_confirmed({FINALISTS: nobody.to_json()}, {"one": 3})


@pytest.mark.parametrize(
    ("name", "confirms"),
    [
        ("faces.confirm", ("faces", None)),
        ("faces.confirm-500", ("faces", 500)),
        ("faces", None),
        (".confirm", None),
        ("faces.confirm-05", None),
        ("faces.confirmed", None),
    ],
)
def test_the_name_of_a_confirmation_says_of_what(
    name: str, confirms: tuple[str, int | None] | None
) -> None:
    assert confirmed_by(name) == confirms
    if confirms is not None:
        assert confirming(*confirms) == name
