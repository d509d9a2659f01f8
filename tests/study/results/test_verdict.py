from __future__ import annotations

from typing import Any

import pytest

from study.results.difference import ArmDifference, Finding
from study.results.levels import NothingLearnt
from study.results.looks import seeds_to_halve
from study.results.seed_difference import SeedDifference
from study.results.verdict import concluded, of_search, of_seeds
from study.results.wording import percent, span


def found(finding: Finding, **known: Any) -> ArmDifference:
    return ArmDifference(
        **{
            "arms": ("one", "two"),
            "method": "m",
            "finding": finding,
            "absolute": -1.0,
            "relative": -0.2,
            "interval": (-1.5, -0.5),
            "relative_interval": (-0.3, -0.1),
            "probability": 0.97,
            "gains": {"0": 0.97, "5": 0.9, "10": 0.8},
            "scores": (5.0, 4.0),
            "seen": -1.2,
            "trials": 80,
        }
        | known
    )


def test_a_difference_is_said_with_what_it_rests_on_and_how_sure_it_is() -> None:
    verdict = of_search(found(Finding.LOWER))
    assert (verdict.source, verdict.arms) == ("search", ("one", "two"))
    assert (verdict.finding, verdict.settings) == (Finding.LOWER, None)
    assert verdict.sentence == (
        "two's best setting scores 20 % lower than one's (4.000 against 5.000; 95 % interval 10 to 30 % "
        "lower), by the search's 80 trials, with a probability of 97 %."
    )
    assert verdict.next.startswith("Next: confirm it from fresh seeds")
    assert str(verdict) == f"{verdict.sentence} {verdict.next}"


def test_a_higher_one_is_as_sure_as_it_is_not_lower() -> None:
    worse = found(
        Finding.HIGHER,
        relative=0.2,
        relative_interval=(0.1, 0.3),
        probability=0.02,
        scores=(4.0, 5.0),
    )
    assert "20 % higher" in str(of_search(worse))
    assert "10 to 30 % higher" in str(of_search(worse))
    assert "a probability of 98 %" in str(of_search(worse))


def test_what_cannot_be_told_says_what_more_trials_would_do() -> None:
    verdict = of_search(found(Finding.OPEN, relative_interval=(-0.3, 0.05)))
    assert verdict.sentence.startswith(
        "No difference can be told yet: two's best setting scores 20 % lower"
    )
    assert "95 % interval 30 % lower to 5.0 % higher" in verdict.sentence
    assert "below the margin of 2.0 % counts as none" in verdict.sentence
    assert "lower by more than 5 % with a probability of 90 %" in verdict.sentence
    assert verdict.next == (
        "Next: confirm the finalists from fresh seeds, or give the arms more trials (ttur extend): in "
        "simulated studies twice as many made the interval narrower by about a quarter."
    )
    assert "by the search's 80 trials and 8 runs of its finalists; what is below" in str(
        of_search(found(Finding.OPEN, repeats=8))
    )


def test_equality_states_its_margin() -> None:
    verdict = of_search(found(Finding.EQUAL, relative=0.001, relative_interval=(-0.01, 0.012)))
    assert verdict.sentence == (
        "No difference above the margin of 2.0 %: two's best setting scores 0.1 % higher than one's (4.000 "
        "against 5.000; 95 % interval 1.0 % lower to 1.2 % higher), by the search's 80 trials."
    )
    assert verdict.next == "Next: take either, the simpler one first."


def test_what_is_not_known_counts_as_nought() -> None:
    """None of it happens beside an interval."""
    bare = {"relative": None, "relative_interval": None, "scores": None, "probability": None}
    start = "two's best setting scores 0 % higher than one's "
    start += "(0.000 against 0.000; 95 % interval 0 to 0 % lower), "
    told = "by the search's 80 trials"
    lower = of_search(found(Finding.LOWER, **bare)).sentence
    assert lower == f"{start}{told}, with a probability of under 1 %."
    unsure = of_search(found(Finding.OPEN, gains={}, **bare)).sentence
    assert unsure.startswith(f"No difference can be told yet: {start}{told};")
    assert unsure.endswith("with a probability of under 1 %.")


def test_no_draw_makes_certain() -> None:
    assert "over 99 %" in str(of_search(found(Finding.LOWER, probability=1.0)))
    assert "under 1 %" in str(of_search(found(Finding.OPEN, gains={"5": 0.0})))


def test_every_verdict_is_plain_json() -> None:
    data = of_search(found(Finding.NONE, interval=None, method="too few")).to_json()
    assert data == {
        "arms": ["one", "two"],
        "finding": "none",
        "source": "nothing",
        "sentence": "No answer yet: too few (lowest score of two minus that of one: -1.2).",
        "next": "Next: confirm the finalists from fresh seeds to know.",
        "settings": None,
    }
    more = "Next: let the arms have more trials (ttur extend)."
    assert of_search(found(Finding.NONE, interval=None, few="3 trials an arm")).next == more
    unseen = of_search(found(Finding.NONE, interval=None, seen=None))
    assert (unseen.next, unseen.sentence) == (more, "No answer yet: m.")
    assert of_seeds(seeds(finding=Finding.EQUAL)).to_json()["settings"] == "equal"


@pytest.mark.parametrize(
    ("part", "text"),
    [
        (0.2, "20 %"),
        (0.0996, "10 %"),
        (0.054, "5.4 %"),
        (0.0004, "0.04 %"),
        (8e-10, "under 0.01 %"),
        (1.5, "150 %"),
        (9.99, "999 %"),
        (10.0, "10 times"),
        (1.52e16, "1.5e+16 times"),
        (0.0, "0 %"),
    ],
)
def test_percent_has_two_digits(part: float, text: str) -> None:
    assert percent(part) == text


@pytest.mark.parametrize(
    ("interval", "text"),
    [
        ((-0.3, -0.05), "5.0 to 30 % lower"),
        ((-0.3, 12.0), "30 % lower to 12 times higher"),
        ((0.3, 12.0), "30 % to 12 times higher"),
        ((11.0, 12.0), "11 times to 12 times higher"),
        ((0.3, 0.4), "30 to 40 % higher"),
    ],
)
def test_an_interval_in_words(interval: tuple[float, float], text: str) -> None:
    assert span(interval) == text


def seeds(**known: Any) -> SeedDifference:
    return SeedDifference(
        **{
            "arms": ("one", "two"),
            "finding": Finding.LOWER,
            "numbers": (7, 3),
            "seeds": (8, 8),
            "means": (7.5, 5.0),
            "absolute": -2.5,
            "interval": (-4.5, -1.5),
            "p_value": 0.001,
            "lower": 0.9,
        }
        | known
    )


def test_fresh_seeds_say_who_is_to_be_taken() -> None:
    verdict = of_seeds(seeds())
    assert (verdict.source, verdict.arms) == ("fresh seeds", ("one", "two"))
    assert (verdict.finding, verdict.settings) == (Finding.LOWER, Finding.LOWER)
    assert str(verdict) == (
        "Over fresh seeds two's #3 scores 33 % lower than one's #7 (mean 5.000 against 7.500, 8 runs each; "
        "96 % interval 20 to 60 % lower): the two differ. Next: take two's #3."
    )
    assert of_seeds(seeds(finding=Finding.HIGHER)).next == "Next: take one's #7."
    assert of_seeds(seeds(finding=Finding.OPEN)).next.startswith(
        f"Next: {seeds_to_halve(8, 1)} more seeds"
    )
    longer = of_seeds(seeds(finding=Finding.OPEN, trained=700)).next
    assert f"(confirm with --steps 700 --seeds +{seeds_to_halve(8, 1)})" in longer
    nothing = of_seeds(
        seeds(finding=Finding.NONE, means=(None, None), interval=None, absolute=None)
    )
    assert (nothing.source, nothing.finding) == ("nothing", Finding.NONE)


def test_two_settings_may_differ_where_the_arms_cannot_be_told() -> None:
    verdict = of_seeds(seeds(room=(0.02, 0.3)))
    assert verdict.sentence == (
        "Over fresh seeds two's #3 scores 33 % lower than one's #7 (mean 5.000 against 7.500, 8 runs each; "
        "96 % interval 20 to 60 % lower): the two differ. So do the arms, whatever the search has left "
        "untried (96 % interval 18 to 72 % lower)."  # 0.8 / 0.98 and 0.4 times 0.7 of one's
    )
    wide = of_seeds(seeds(room=(0.3, 0.1)))
    assert wide.sentence.endswith(
        "lower): these two settings differ. Whether the arms differ cannot be told yet: by the search "
        "another setting may score lower still, by up to 30 % in one and 10 % in two."
    )
    assert (wide.finding, wide.settings) == (Finding.OPEN, Finding.LOWER)
    nobody = of_seeds(seeds(arms=None, numbers=None))
    assert nobody.arms == ("", "")
    assert nobody.sentence.startswith("Over fresh seeds  scores 33 % lower than  (mean")


def test_of_finalists_that_have_learnt_nothing_and_of_small_studies_the_arms_are_named() -> None:
    nothing = NothingLearnt(arms=("two",), sentence="Nothing.", next="Next: train.")
    for verdict in (
        of_seeds(seeds(nothing=nothing)),
        of_search(found(Finding.OPEN, nothing=nothing)),
    ):
        assert (verdict.arms, verdict.finding, verdict.source) == (
            ("one", "two"),
            Finding.NONE,
            "nothing",
        )
        assert str(verdict) == "Nothing. Next: train."
    (small,) = concluded([found(Finding.OPEN, few="three trials an arm")], [seeds()])
    assert (small.arms, small.finding, small.source) == (("one", "two"), Finding.NONE, "nothing")
    assert small.sentence.startswith(
        "The study is too small for an answer: three trials an arm. Of these two settings alone: Over fresh"
    )


def test_how_often_each_had_no_score_is_said() -> None:
    verdict = of_seeds(
        seeds(finding=Finding.OPEN, without=(0, 5), interval=None, p_value=0.4, lower=0.375)
    )
    assert "two's #3 is lower in 38 % of pairs of runs (rank test, p = 0.4)" in verdict.sentence
    assert (
        "one's #7 had no score in 0 of 8 runs and two's #3 had no score in 5 of 8"
        in verdict.sentence
    )


def test_fresh_seeds_count_before_the_search() -> None:
    search = [found(Finding.OPEN), found(Finding.LOWER, arms=("one", "three"))]
    said = concluded(search, [seeds(), seeds(arms=("one", "three"), finding=Finding.NONE)])
    assert [verdict.source for verdict in said] == ["fresh seeds", "search"]
    assert [verdict.source for verdict in concluded(search)] == ["search", "search"]
