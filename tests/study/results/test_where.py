"""Conditions on trials: what they hold for, what they are refused for, and that nothing of them is run."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from study.errors import UserError
from study.results.where import check_names, condition

TRIAL: dict[str, Any] = {
    "b": 5e-4,
    "a": 1e-3,
    "d_steps": 1,
    "number": 10,
    "outcome": None,
    "arm": "two_timescale",
    "reason": "the score rose, and rose",
    "optimiser.beta1": 0.5,
    "metrics.first_step_within_0.1": 90.0,
    "in": 1,
    "d loss/x": 2.0,
    "flag": True,
    "part": "rose",
    "half": 2.5e-4,
    "nothing": float("nan"),
}


@pytest.mark.parametrize(
    "text",
    [
        "d_steps = 1 and b < 1e-3",
        "d_steps == 1 AND NOT b >= 1e-3",
        "b <= 5e-4 and b >= 5e-4 and b = 5e-4 and b = 0.0005",
        "1e-4 < b < 1e-2",
        "not 6e-4 < b < 1e-2",
        "b = 1 or d_steps = 1 and a = 1e-3",
        "(b = 1 or d_steps = 1) and a = 1e-3",
        "a / b > 1.9 and a - b < 1e-3 and a * 2 = b + b + b + b",
        "-b < 0 and b > -1",
        "number > 9",  # not as texts
        "arm = 'two_timescale' and arm != \"one_timescale\" and arm <> 'x'",
        "arm in ('one_timescale', 'two_timescale') and arm in ('two_timescale')",
        "arm not in ('one_timescale') and d_steps in (1, 2)",
        "'rose' in reason and 'fell' not in reason",
        "outcome is null and outcome = null and arm is not null and arm != null",
        "not outcome = 'failed'",
        "optimiser.beta1 = 0.5 and metrics.first_step_within_0.1 < 100",
        "`in` = 1 and `d loss/x` = 2 and `b` < 1",
        "flag = true and flag != false",
        "nothing is null",
        "d_steps = 1\n  and b < 1",
        "-b = -0.0005 and +b = 0.0005 and -(-b) = b and b = -(-0.0005)",
        "half = b / 2 and half != b and 2 * half = b and b != half * 3",
        "null = outcome and null != arm and not null = arm",
        "b in (a, 2 * half) and b in (half, b) and b not in (a, half)",
        "part in reason and part not in arm",
    ],
)
def test_a_condition_that_holds(text: str) -> None:
    assert condition(text).holds(TRIAL)


@pytest.mark.parametrize(
    "text",
    [
        "d_steps = 1 and b < 5e-4",
        "b > 5e-4 or a < 1e-3",
        "1e-3 < b < 1e-2",
        "b = 1 or d_steps = 1 and a = 2",
        "outcome = 'failed'",
        "outcome != 'failed'",
        "outcome not in ('failed', 'diverged')",
        "'rose' not in outcome",
        "nothing = 1 or nothing != 1 or nothing < 1 or nothing >= 1",
        "b / (d_steps - 1) > 0 or b / (d_steps - 1) < 0",
        "nothing + 1 > 0",
        "arm in ('two')",
        "'ROSE' in reason",
        "b != outcome or outcome != b",
        "half != b / 2",
        "null = arm or null != outcome",
        "+b = -0.0005 or -b = 0.0005",
        "b in (a, half)",
        "b in (outcome, nothing) or outcome in (outcome, 1)",
        "arm in part or outcome in reason or part in outcome",
        "part not in outcome",
    ],
)
def test_a_condition_that_does_not_hold(text: str) -> None:
    assert not condition(text).holds(TRIAL)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "b",
        "b <",
        "b < 1 and",
        "b < 1; a < 1",
        "b = 1) or (a = 1",
        "b < 'text'",
        "arm + 1 = 2",
        "b is 1",
        "'x' in 'xy'",
        "b # 1",
        "b if a else d_steps",
        "b < 1 if a else 2",
        "[b for b in (1, 2)]",
        "__import__('os').system('true') = 0",
        "().__class__ = 1",
        "arm.upper() = 'X'",
        "(lambda: 1)() = 1",
        "b := 1",
        "f'{b}' = 'x'",
        "b ** 999999 > 1",
        "arm[0] = 't'",
        "(" * 500 + "b = 1" + ")" * 500,
        "b = 1" + " or b = 1" * 5 + " or",
    ],
)
def test_what_is_not_a_condition_is_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(UserError, match="the condition") as caught:
        condition(text).holds(TRIAL)
    assert "\n" not in str(caught.value).replace(text, "")
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(("length", "kept"), [(199, 199), (200, 200), (201, 200), (300, 200)])
def test_a_long_text_is_cut_in_the_sentence(length: int, kept: int) -> None:
    text = "b" * length
    shown = text if kept == length else "b" * kept + "…"
    with pytest.raises(UserError) as caught:
        condition(text)
    assert str(caught.value) == (
        f"the condition {shown!r} compares nothing where it must; write one such as "
        '"d_steps = 1 and b < 1e-3" (texts in quotes, fields bare)'
    )


@given(st.text(max_size=30))
def test_any_text_is_a_condition_or_refused(text: str) -> None:
    try:
        found = condition(text).holds(TRIAL)
    except UserError:
        return
    assert found in (True, False)


def test_a_condition_says_which_fields_and_constants_it_names() -> None:
    read = condition("arm = 'x' and (loss in ('a', 3) or 1e-3 > b) and `d loss/x` is null")
    assert read.names == {"arm", "loss", "b", "d loss/x"}
    assert read.constants == {"arm": {"x"}, "loss": {"a", 3}, "b": {1e-3}}


def test_an_unknown_field_is_named_with_those_that_there_are() -> None:
    check_names(["b"], ["a", "b"], "the condition", "")
    with pytest.raises(UserError) as caught:
        check_names(["b", "d_step"], ["b", "d_steps"], "the condition", "!")
    assert str(caught.value) == (
        "the condition names 'd_step', which is not a field of these trials; did you mean d_steps? "
        "The fields are b, d_steps!"
    )
    with pytest.raises(UserError, match=r"these trials; the fields are b, a$"):
        check_names(["elsewhere"], ["b", "a"], "the condition", "")
