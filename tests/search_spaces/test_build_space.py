"""What a spec says about a space is built, or refused in one sentence that names field and value."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from search_spaces import SearchSpace, build_space, points, two_timescale
from search_spaces.published import TABLE_1

RATES = {"b": [1e-5, 1e-2], "d_steps": [1, 2]}


def with_further(value: object) -> dict[str, object]:
    return {**RATES, "further": {"w": value}}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"b": [1e-2, 1e-4]}, "b runs from 0.01 down to 0.0001; write the smaller number first"),
        ({"b": [0, 1e-2]}, "b contains 0; it must be > 0"),
        ({"b": [-1e-3, 1e-2]}, "b contains -0.001; it must be > 0"),
        ({"b": [float("nan"), 1.0]}, "b contains nan; write a finite number"),
        ({"b": [1e-4, float("inf")]}, "b contains inf; write a finite number"),
        ({"b": [True, 2]}, "b contains True; write a number"),
        ({"b": ["1e-4", 1]}, "b contains '1e-4'; write a number without quotes"),
        ({"b": 1e-3}, "b is 0.001; write a range [low, high]"),
        ({"b": [1e-3]}, "b is [0.001]; write a range"),
        ({"b": "12"}, "b is '12'; write a range"),
        ({**RATES, "d_steps": []}, "d_steps is empty; write at least one choice"),
        ({**RATES, "d_steps": 3}, "d_steps is 3; write a list"),
        ({**RATES, "d_steps": [1, 1]}, "d_steps contains 1 twice"),
        ({**RATES, "d_steps": [True]}, "d_steps contains True; write whole numbers >= 1"),
        ({**RATES, "d_steps": [0]}, "d_steps contains 0; write whole numbers >= 1"),
        ({**RATES, "d_steps": [1.5]}, "d_steps contains 1.5; write whole numbers >= 1"),
        (
            {**RATES, "speed": 1},
            "speed is not a field of the space one_timescale; it takes b, d_st",
        ),
        ({}, "the space one_timescale needs b; it takes b, d_steps, further"),
        ({**RATES, "further": 3}, "further is 3; write a mapping"),
        ({**RATES, "further": {"a": {"low": 1, "high": 2}}}, "further has a, which has a place"),
        ({**RATES, "further": {"b": {"low": 1, "high": 2}}}, "further has b, which has a place"),
        ({**RATES, "further": {"x..y": {"choices": [1]}}}, "further has 'x..y'; write a dotted"),
        ({**RATES, "further": {3: {"choices": [1]}}}, "further has 3; write a dotted path"),
        (with_further(3), "further.w is 3; write {low"),
        (with_further({"low": 1}), "further.w has no high"),
        (with_further({"low": 1, "hihg": 2}), "further.w has an unknown field 'hihg'; allowed"),
        (with_further({"choices": [1], "low": 1}), "further.w has an unknown field 'low'"),
        (with_further({"choices": []}), "further.w.choices is empty"),
        (with_further({"choices": "xy"}), "further.w.choices is 'xy'; write a list"),
        (with_further({"choices": [1, 1.0]}), "further.w.choices contains 1.0 twice"),
        (with_further({"choices": [1, True]}), "further.w.choices contains True twice"),
        (with_further({"choices": [[0, 0.9]]}), "further.w.choices contains [0, 0.9]; a choice"),
        (with_further({"choices": [float("nan")]}), "further.w.choices contains nan"),
        (with_further({"low": 2, "high": 1}), "further.w runs from 2 down to 1"),
        (with_further({"low": 0, "high": 1, "log": True}), "further.w.low is 0; with log: true"),
        (with_further({"low": 0, "high": 1, "log": "yes"}), "further.w.log is 'yes'; write true"),
        (with_further({"low": 1, "high": 2, "log": True, "step": 1}), "either a step or log"),
        (with_further({"low": 1, "high": 2, "step": 0}), "further.w.step is 0; it must be > 0"),
        (with_further({"low": 0, "high": 1, "step": 0.3}), "and 1 is not"),
        (with_further({"low": 0, "high": 1.5, "int": True}), "further.w.high is 1.5; with int"),
    ],
)
def test_a_wrong_value_gives_one_sentence(arguments: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=r".+") as error:
        build_space("one_timescale", arguments)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_ranges_become_the_distributions_that_optuna_samples() -> None:
    further = {
        "loss": {"choices": ["hinge", None, False, 2]},
        "regulariser.weight": {"low": 0.1, "high": 10, "log": True},
        "momentum": {"low": 0, "high": 1, "step": 0.25},
        "networks.width": {"low": 8, "high": 64, "int": True, "step": 8},
    }
    arguments = {**RATES, "a": [1e-4, 1e-4], "d_steps": [5, 1], "further": further}
    assert build_space("two_timescale", arguments).distributions == {
        "b": FloatDistribution(1e-5, 1e-2, log=True),
        "a": FloatDistribution(1e-4, 1e-4, log=True),
        "d_steps": CategoricalDistribution([1, 5]),
        "loss": CategoricalDistribution(["hinge", None, False, 2]),
        "regulariser.weight": FloatDistribution(0.1, 10, log=True),
        "momentum": FloatDistribution(0, 1, step=0.25),
        "networks.width": IntDistribution(8, 64, step=8),
    }


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("ttur", "write one of one_timescale, two_timescale, rate_and_ratio, or your own"),
        ("os:getcwd", "os:getcwd returned a str; it must return a SearchSpace"),
        ("no_such_module:space", "cannot be imported: No module named 'no_such_module'"),
        ("os:no_such_name", "cannot be imported: module 'os' has no attribute 'no_such_name'"),
        ("os:curdir", "which is not a function"),
        ("../x:y", "write your own as package.module:function"),
        ("os:", "write your own as package.module:function"),
    ],
)
def test_a_reference_that_names_no_space_gives_one_sentence(reference: str, words: str) -> None:
    with pytest.raises(ValueError, match=r".+") as error:
        build_space(reference, {})
    assert words in str(error.value)


@pytest.fixture
def own_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    lines = [
        "from search_spaces import two_timescale",
        "def faster_critic(b, times=4):",
        "    return two_timescale(b, [b[0] / times, b[1] / times])",
        "def anything(**values):",
        "    return two_timescale(values['b'], values['b'])",
        "def broken(b):",
        "    raise ValueError('b is of no use here; write another')",
    ]
    (tmp_path / "my_own_spaces.py").write_text("\n".join(lines))
    (tmp_path / "my_torn_spaces.py").write_text("def space(:")
    monkeypatch.syspath_prepend(tmp_path)
    return "my_own_spaces"


def test_a_users_own_function_builds_the_space(own_space: str) -> None:
    space = build_space(f"{own_space}:faster_critic", {"b": [4e-4, 4e-2]})
    assert space == two_timescale([4e-4, 4e-2], [1e-4, 1e-2])
    assert build_space(f"{own_space}:anything", {"b": [1e-4, 1e-2]}).bounds("a") == (1e-4, 1e-2)


def test_a_users_own_function_is_held_to_the_same_rules(own_space: str) -> None:
    with pytest.raises(ValueError, match=r"ratio is not a field of the space .* it takes b, times"):
        build_space(f"{own_space}:faster_critic", {"b": [1e-4, 1e-2], "ratio": [1, 2]})
    with pytest.raises(ValueError, match=r"needs b; it takes b, times"):
        build_space(f"{own_space}:faster_critic", {})
    with pytest.raises(ValueError, match="b is of no use here"):
        build_space(f"{own_space}:broken", {"b": 1})
    with pytest.raises(ValueError, match="cannot be imported"):
        build_space("my_torn_spaces:space", {})


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("return {}['b']", "my_failing:space cannot be built: KeyError: 'b'"),
        ("return 1 + 'x'", "my_failing:space cannot be built: TypeError: unsupported operand"),
        ("raise RuntimeError('one\\ntwo')", "my_failing:space cannot be built: RuntimeError: one"),
        ("raise SystemExit(3)", "my_failing:space cannot be built: SystemExit: 3"),
        ("raise RuntimeError", "my_failing:space cannot be built: RuntimeError"),
    ],
)
def test_what_a_users_function_raises_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, words: str
) -> None:
    (tmp_path / "my_failing.py").write_text(f"def space():\n    {body}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "my_failing", raising=False)
    with pytest.raises(ValueError, match=r".+") as error:
        build_space("my_failing:space", {})
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_what_a_users_module_raises_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_module.py").write_text("undefined\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ValueError, match="cannot be imported: NameError: name 'undefined' is not"):
        build_space("my_module:space", {})


def test_a_users_module_is_imported_when_its_space_is_built_and_not_before(own_space: str) -> None:
    del own_space
    probe = (
        "import sys, search_spaces\n"
        "assert 'wave' not in sys.modules\n"
        "try: search_spaces.build_space('wave:open', {'f': 'no such file'})\n"
        "except ValueError: pass\n"
        "assert 'wave' in sys.modules\n"
    )
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", probe], check=True, cwd=root)


def test_table_1_is_ordered_as_the_paper_says() -> None:
    for point in TABLE_1:
        if point.arm == "one_timescale":
            assert point.b == point.a
        elif point.model == "dcgan":
            assert point.b < point.a
        else:
            assert point.b > point.a
    for one in (point for point in TABLE_1 if point.arm == "one_timescale"):
        (two,) = (
            point
            for point in TABLE_1
            if point.arm == "two_timescale"
            and (point.model, point.data, point.score_name) == (one.model, one.data, one.score_name)
        )
        assert two.score < one.score


def test_published_points_are_samples_of_a_space_that_spans_them() -> None:
    ranges = {"b": [1e-5, 1e-2], "d_steps": [1, 5, 10]}
    one = build_space("one_timescale", ranges)
    two = build_space("two_timescale", {**ranges, "a": [1e-5, 1e-2]})
    for point in TABLE_1:
        samples = points(point.model, point.data)
        assert point.sample() in samples[point.arm]
        assert all(one.contains(sample) for sample in samples["one_timescale"])
        assert all(two.contains(sample) for sample in samples["two_timescale"])
    narrow = build_space("two_timescale", {**ranges, "a": [1e-5, 4e-4]})
    assert not narrow.contains(points("dcgan", "celeba")["two_timescale"][0])


def test_points_of_one_row_are_not_repeated_and_unknown_rows_are_refused() -> None:
    assert points("wgan-gp", "billion-words") == {
        "one_timescale": [{"b": 1e-4, "d_steps": 10}],
        "two_timescale": [{"b": 3e-4, "a": 1e-4, "d_steps": 1}],
    }
    assert [len(samples) for samples in points("saddle", "saddle").values()] == [2, 2]
    with pytest.raises(
        ValueError, match="nothing is published for dcgan on mnist; known: dcgan on"
    ):
        points("dcgan", "mnist")


def test_the_built_space_is_what_the_recipe_function_returns() -> None:
    assert isinstance(build_space("one_timescale", RATES), SearchSpace)
    expected = two_timescale([1e-5, 1e-2], [1e-4, 1e-3], [1, 2])
    assert build_space("two_timescale", {**RATES, "a": [1e-4, 1e-3]}) == expected
