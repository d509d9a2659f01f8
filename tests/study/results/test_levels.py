from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from support.mlflow import changed, row

import study
from study.results.comparison import compare
from study.results.confirmation import confirmation
from study.results.frame import to_frame
from study.results.levels import Judged, longer, nothing_learnt
from study.results.tables import answer, best_table, comparison_table
from study.results.verdict import concluded
from study.trial import TrialRecord
from trainables.levels import Levels

ONE, TWO = "one_timescale", "two_timescale"
FACES: dict[str, Any] = {"floor": 540.0, "ceiling": 3493.0, "noise": 20.0}


def trials(arm: str, scores: list[float], **known: Any) -> list[TrialRecord]:
    return [changed(row(arm, n, score), **FACES | known) for n, score in enumerate(scores)]


def issue() -> list[TrialRecord]:
    """Three trials an arm on faces: the best of one arm is grey noise, a little above the mean face."""
    return trials(ONE, [4096.0, 3533.0, 3900.0]) + trials(TWO, [3239.0, 4490.0, 3700.0])


def test_arms_are_not_compared_where_the_best_of_one_is_noise() -> None:
    found = compare("s", issue())
    assert answer(found) == (
        "Nothing was learnt yet, so nothing is compared: one_timescale's #1 scores 3533: not "
        "clearly below 3493, the lowest that noise, the mean of the data or an untrained generator scores. "
        "Next: train longer in a new study, e.g. twice as long (trial.steps)."
    )
    (verdict,) = found.verdicts
    assert (verdict.finding, verdict.source) == ("none", "nothing")
    assert found.difference is not None
    assert found.difference.absolute is None
    assert found.difference.interval is None
    data = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert data["levels"] == {"floor": 540.0, "ceiling": 3493.0}
    assert data["difference"]["unlearnt"] == [ONE]
    best = data["arms"][TWO]["best"]
    assert (best["floor"], best["ceiling"]) == (540.0, 3493.0)
    assert best["share"] == pytest.approx((3493 - 3239) / (3493 - 540))


def test_more_trials_do_not_make_an_answer_of_noise() -> None:
    random = np.random.default_rng(0)
    noise = [
        trials(arm, list(random.uniform(3500, 4000, size=30)), noise=5.0) for arm in (ONE, TWO)
    ]
    found = compare("s", noise[0] + noise[1])
    assert found.difference is not None
    assert found.difference.nothing is not None
    assert found.difference.nothing.arms == (ONE, TWO)
    assert found.difference.interval is None


def test_trials_that_have_learnt_are_compared_as_ever() -> None:
    scores = [[900.0, 800, 1000, 950, 870, 990], [700.0, 600, 800, 650, 770, 690]]
    with_levels = trials(ONE, scores[0]) + trials(TWO, scores[1])
    without = [changed(r, floor=None, ceiling=None) for r in with_levels]
    one, other = compare("s", with_levels), compare("s", without)
    assert one.differences == other.differences
    assert one.verdicts == other.verdicts
    assert one.difference is not None
    assert one.difference.interval is not None


def test_a_study_of_before_ceilings_is_compared_as_it_was() -> None:
    found = compare("s", [changed(r, floor=None, ceiling=None) for r in issue()])
    assert found.difference is not None
    assert found.difference.absolute == 3239.0 - 3533.0
    assert "too few" in answer(found)


def test_three_trials_an_arm_are_too_few_whatever_fresh_seeds_say() -> None:
    search = compare("s", trials(ONE, [900.0, 950, 1000]) + trials(TWO, [500.0, 550, 600]))
    assert search.difference is not None
    assert "needs 6 an arm" in search.difference.few
    runs = trials(f"{ONE}-0", [900.0, 910, 890, 905]) + trials(f"{TWO}-0", [500.0, 510, 490, 505])
    fresh = confirmation("s", runs)
    assert fresh is not None
    assert fresh.difference.finding == "lower"
    (verdict,) = concluded(search.differences, fresh.differences)
    assert (verdict.finding, verdict.source) == ("none", "nothing")
    assert verdict.sentence.startswith(
        "The study is too small for an answer: one_timescale has 3 ended trials, which is too few"
    )
    assert "44 % lower" in verdict.sentence
    assert "ttur extend" in verdict.next


def test_fresh_seeds_of_noise_compare_nothing() -> None:
    """Four runs whose mean is below the ceiling, but not by as much as they differ."""
    search = compare("s", trials(ONE, [3200.0] * 6) + trials(TWO, [2000.0 + n for n in range(6)]))
    runs = trials(f"{ONE}-1", [3000.0, 3700, 3000, 3700]) + trials(f"{TWO}-0", [2000.0, 2010] * 2)
    fresh = confirmation("s", runs)
    assert fresh is not None
    assert fresh.difference.finding == "none"
    assert json.loads(json.dumps(fresh.to_json()))["difference"]["unlearnt"] == [ONE]
    (verdict,) = concluded(search.differences, fresh.differences)
    assert "Nothing was learnt yet" in verdict.sentence
    assert "one_timescale's #1 scores 3350" in verdict.sentence
    assert TWO not in verdict.sentence


def test_how_much_longer_is_read_off_the_curve() -> None:
    """A straight line, and numpy's own fit of it: 4000 - 2 n needs 3200 at 400 updates, of 100 so far."""
    line = [(step, 4000.0 - 2 * step) for step in range(10, 101, 10)]
    assert longer(line, 3200.0) == pytest.approx(4.0)
    assert longer(line, 3790.0) == 2.0  # the least
    assert longer(line, 1000.0) is None  # 15 times: too far ahead
    assert longer([(step, 4000.0 + step) for step in range(10, 101, 10)], 3000.0) is None
    assert longer(line[:2], 3200.0) is None
    bent = [(step, 4000.0 - 20 * step) for step in range(10, 60, 10)]
    bent += [(step, 3050.0 - step) for step in range(60, 101, 10)]
    assert longer(bent, 2750.0) == pytest.approx(3.0)  # the last half alone
    slow = Judged("one", row("one", 3, 3533.0), [3533.0], [(n, 3700.0 - n) for n in (80, 90, 100)])
    assert (slow.name, slow.score, slow.spread) == ("one's #3", 3533.0, 0.0)
    found = nothing_learnt([slow], Levels(floor=2500.0, ceiling=3493.0))
    assert found is not None
    assert found.next.startswith("Next: train longer in a new study, about 3 times as long")


def test_a_curve_is_looked_up_only_for_a_trial_that_has_learnt_nothing() -> None:
    asked = []

    def curve(trial: TrialRecord) -> list[tuple[int, float]]:
        asked.append(trial.identity)
        return [(step, 3733.0 - 2 * step) for step in (80, 90, 100)]

    found = compare("s", issue(), curves=curve)
    assert asked == ["study/one_timescale/1"]
    assert "about twice as long (trial.steps) at the rate" in answer(found)


def test_a_table_of_any_source_gives_the_same() -> None:
    rows = issue()
    again = study.compare_table(to_frame(rows))
    assert again.to_json() | {"study": "s"} == compare("s", rows).to_json()


def test_tables_show_the_share_and_say_what_is_above_the_ceiling() -> None:
    rows = issue()
    table = comparison_table(compare("s", rows))
    assert "8.6 %" in table
    assert "-1.4 %" in table
    assert "from 3493 (noise) to 540 (real data)" in table
    shown = best_table(sorted(rows, key=lambda r: r.objective))
    assert "8.6 %" in shown
    assert "5 of these trials have learnt nothing yet" in shown
    assert "learnt" not in best_table([changed(r, ceiling=None) for r in rows])
