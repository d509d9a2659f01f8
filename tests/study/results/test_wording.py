"""Numbers in words, at the ends of each way of saying them, and the sentences on fresh seeds."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from study.results.difference import Finding
from study.results.seed_difference import SeedDifference
from study.results.seed_wording import after_seeds, by_seeds, kept, of_arms
from study.results.wording import ordinal, percent, scored, span, sure

NAMES = ("one's #7", "two's #3")
FOUND = SeedDifference(
    arms=("one", "two"),
    finding=Finding.LOWER,
    numbers=(7, 3),
    seeds=(4, 4),
    means=(8.0, 6.0),
    absolute=-2.0,
    interval=(-4.0, -1.0),
)


@pytest.mark.parametrize(
    ("part", "text"),
    [
        (0.0995, "10 %"),
        (0.09949999999999999, "10 %"),  # times 100 it is 9.95 to the last bit
        (0.0994, "9.9 %"),
        (0.00095, "0.1 %"),
        (0.0009, "0.09 %"),
        (5e-5, "0.005 %"),
        (4.9e-5, "under 0.01 %"),
        (0.01, "1.0 %"),
        (0.0, "0 %"),
    ],
)
def test_percent_at_the_ends_of_its_ways(part: float, text: str) -> None:
    assert percent(part) == text


def test_spans_that_begin_or_end_at_nothing_or_at_ten_times() -> None:
    assert span((0.0, 0.3)) == "0 to 30 % higher"
    assert span((-0.3, 0.0)) == "0 to 30 % lower"
    assert span((0.3, 10.0)) == "30 % to 10 times higher"
    assert span((10.0, 12.0)) == "10 times to 12 times higher"
    assert span((0.3, 9.9)) == "30 to 990 % higher"
    assert span((0.3, math.inf)) == "30 % to any number of times higher"


def test_scores_have_four_digits() -> None:
    assert [scored(s) for s in (7.0, 0.5, 3239.4, 12345.0)] == [
        "7.000",
        "0.5000",
        "3239",
        "1.234e+04",
    ]


def test_nothing_is_certain() -> None:
    assert [sure(p) for p in (1.0, 0.995, 0.9949)] == ["over 99 %", "over 99 %", "99 %"]
    assert [sure(p) for p in (0.0, 0.005, 0.0051)] == ["under 1 %", "under 1 %", "1 %"]


def test_places_in_a_row() -> None:
    places = (1, 2, 3, 4, 10, 11, 12, 13, 14, 21, 22, 23, 101, 111, 112, 113)
    assert " ".join(map(ordinal, places)) == (
        "1st 2nd 3rd 4th 10th 11th 12th 13th 14th 21st 22nd 23rd 101st 111th 112th 113th"
    )


def test_two_finalists_in_words() -> None:
    said = "two's #3 scores 25 % lower than one's #7 (mean 6.000 against 8.000"
    assert by_seeds(FOUND, NAMES) == f"{said}, 4 runs each; 96 % interval 12 to 50 % lower)"
    apart = replace(FOUND, steps=(500, 400), seeds=(4, 3))
    assert by_seeds(apart, NAMES) == (
        f"{said} at steps 400 and 500, 3 and 4 runs; 96 % interval 12 to 50 % lower)"
    )
    same = replace(FOUND, steps=(500, 500), look=2)
    assert by_seeds(same, NAMES) == (
        f"{said} at step 500, 4 runs each; 99.5 % interval 12 to 50 % lower, this being the 2nd look)"
    )
    higher = replace(FOUND, means=(8.0, 9.0), absolute=1.0, interval=None)
    assert by_seeds(higher, NAMES) == (
        "two's #3 scores 12 % higher than one's #7 (mean 9.000 against 8.000, 4 runs each)"
    )
    equal = replace(FOUND, means=(8.0, 8.0), absolute=0.0, interval=None)
    assert by_seeds(equal, NAMES).startswith("two's #3 scores 0 % higher than one's #7")


def test_no_score_above_nothing_is_lower_by_more_than_all_of_it() -> None:
    wide = replace(FOUND, interval=(-12.5, 6.5))
    assert by_seeds(wide, NAMES).endswith("; 96 % interval 100 % lower to 81 % higher)")
    small = replace(wide, means=(8.0, 0.5), absolute=-7.5)
    assert by_seeds(small, NAMES).endswith("; 96 % interval 100 % lower to 81 % higher)")
    nothing = replace(wide, means=(8.0, 0.0), absolute=-8.0)
    assert by_seeds(nothing, NAMES).endswith("; 96 % interval 156 % lower to 81 % higher)")
    below = replace(wide, means=(8.0, -1.0), absolute=-9.0)
    assert by_seeds(below, NAMES).endswith("; 96 % interval 156 % lower to 81 % higher)")
    told = kept(replace(FOUND, kept=replace(FOUND, interval=(-12.5, -1.0))))
    assert "96 % interval 12 to 100 % lower" in told
    told = kept(replace(FOUND, kept=replace(below, interval=(-12.5, -1.0))))
    assert "96 % interval 12 to 156 % lower" in told


def test_one_setting_is_called_so() -> None:
    one = replace(FOUND, same=True, steps=(500, 400), seeds=(4, 3), means=(8.0, 7.5))
    assert by_seeds(one, NAMES) == (
        "two's #3 and one's #7 are one setting (mean 7.500 and 8.000 at steps 400 and 500, 3 and 4 runs)"
    )
    for means in ((None, 6.0), (8.0, None)):
        assert by_seeds(replace(one, means=means), NAMES) == "an arm has no run that counts"


def test_scores_below_nothing_have_no_percent() -> None:
    below = replace(FOUND, means=(-2.0, -3.5), absolute=-1.5, interval=(-2.5, 0.25))
    assert by_seeds(below, NAMES) == (
        "two's #3 scores 1.5 lower than one's #7 (mean -3.500 against -2.000, 4 runs each; 96 % interval "
        "-2.5 to +0.25)"
    )


def test_the_lowest_evaluations_are_told_beside() -> None:
    lower = replace(FOUND, lowest=replace(FOUND, means=(4.0, 3.0), absolute=-1.0))
    assert by_seeds(lower, NAMES).endswith("lower; at their lowest evaluations 25 % lower)")
    higher = replace(FOUND, lowest=replace(FOUND, means=(4.0, 4.5), absolute=0.5))
    assert by_seeds(higher, NAMES).endswith("lower; at their lowest evaluations 12 % higher)")
    equal = replace(FOUND, lowest=replace(FOUND, means=(4.0, 4.0), absolute=0.0))
    assert by_seeds(equal, NAMES).endswith("lower; at their lowest evaluations 0 % higher)")
    below = replace(FOUND, lowest=replace(FOUND, means=(-4.0, -5.25), absolute=-1.25))
    assert by_seeds(below, NAMES).endswith("lower; at their lowest evaluations 1.25 lower)")
    unknown = replace(FOUND, lowest=replace(FOUND, absolute=None))
    assert "lowest" not in by_seeds(unknown, NAMES)


def test_runs_without_a_score_are_counted() -> None:
    lost = replace(FOUND, without=(0, 2), lower=0.25, p_value=0.0321, interval=None)
    counted = "one's #7 had no score in 0 of 4 runs and two's #3 had no score in 2 of 4 runs"
    assert by_seeds(lost, NAMES) == (
        f"two's #3 is lower in 25 % of pairs of runs (rank test, p = 0.032); {counted}"
    )
    assert by_seeds(replace(lost, lower=None, p_value=None), NAMES) == f"; {counted}"
    for means in ((None, 6.0), (8.0, None)):
        assert by_seeds(replace(FOUND, means=means), NAMES) == "an arm has no run that counts"


def test_what_an_earlier_look_found() -> None:
    assert kept(FOUND) == ""
    shared = "; all looks share one error of 5 %"
    assert kept(replace(FOUND, look=2, kept=FOUND)) == (
        f", as the 1st look found (96 % interval 12 to 50 % lower){shared}"
    )
    unsure = replace(FOUND, interval=None)
    assert kept(replace(FOUND, look=2, kept=unsure)) == f", as the 1st look found{shared}"


def test_what_two_settings_say_of_their_arms() -> None:
    assert of_arms(FOUND) == []  # the search does not tell
    (both,) = of_arms(FOUND.with_room((0.0, 0.0)))
    assert (
        both
        == "So do the arms, whatever the search has left untried (96 % interval 12 to 50 % lower)."
    )
    unsure = FOUND.with_room((0.5, 0.25))
    assert of_arms(unsure) == [
        "Whether the arms differ cannot be told yet: by the search another setting may score lower still, "
        "by up to 50 % in one and 25 % in two."
    ]
    assert of_arms(replace(unsure, finding=Finding.OPEN)) == []
    assert of_arms(replace(unsure, arms=None)) == []
    assert of_arms(replace(unsure, interval=None)) == []


def test_what_to_do_after_fresh_seeds() -> None:
    said = {
        Finding.LOWER: "Next: take two's #3.",
        Finding.HIGHER: "Next: take one's #7.",
        Finding.EQUAL: "Next: take either, the simpler one first.",
        Finding.NONE: "Next: confirm with more seeds (--seeds +2); two for each finalist are the least.",
    }
    for finding, sentence in said.items():
        assert after_seeds(replace(FOUND, finding=finding), NAMES) == sentence
    unsure = FOUND.with_room((0.5, 0.25))
    assert after_seeds(unsure, NAMES) == (
        "Next: take two's #3, or give the arms more trials (ttur extend) to know."
    )
    open_ = after_seeds(replace(FOUND, finding=Finding.OPEN, trained=90), NAMES)
    assert open_.startswith("Next: ")
    assert open_.endswith(
        " more seeds for each (confirm with --steps 90 --seeds +17) would about halve the interval."
    )
    ranks = after_seeds(replace(FOUND, finding=Finding.OPEN, without=(1, 0)), NAMES)
    assert ranks == "Next: 17 more seeds for each (confirm with --seeds +17) may tell."
    lost = replace(FOUND, finding=Finding.OPEN, without=(4, 4))
    assert after_seeds(lost, NAMES) == (
        "Next: give the arms more trials (ttur extend): no run of either setting had a score."
    )
