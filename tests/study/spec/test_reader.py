"""Bad input is one sentence that names the field, the value and what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from support.study import saddle_spec

from study.errors import UserError
from study.ground.confirming import confirming
from study.spec import model
from study.spec.model import Spec
from study.spec.reader import dump_yaml, mapping, parse_spec, parse_yaml, read_spec_file, set_fields
from study.spec.recipes import recipe_text


def refused(data: dict[str, Any], *assignments: str) -> str:
    with pytest.raises(UserError) as caught:
        parse_spec(set_fields(data, assignments))
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert "Error" not in sentence
    return sentence


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("serch.seed=1", "serch is not a field (did you mean search?)"),
        ("search.sampelr=tpe", "search.sampelr is not a field"),
        ("trial.stepz=10", "stepz"),
        ("trial.kind=gna", "kind is 'gna'; it must be one of"),
        ("trial.steps=many", "steps"),
        ("trial.steps=0", "steps"),
        ("search.sampler=best", "search.sampler is 'best'"),
        ("search.seed=-1", "search.seed is -1"),
        ("arms.one_timescale.b=[1.0e-2, 1.0e-4]", "arms.one_timescale: b"),
        ("arms.one_timescale.b=[0, 1.0e-2]", "arms.one_timescale: b"),
        ("arms.one_timescale.b=[1.0e-4]", "arms.one_timescale: b"),
        ("arms.one_timescale.b=[.nan, 1]", "arms.one_timescale"),
        ("arms.one_timescale.d_steps=[0]", "arms.one_timescale: d_steps"),
        ("arms.one_timescale.d_steps=[1.5]", "arms.one_timescale: d_steps"),
        ("arms.one_timescale.trials=-1", "arms.one_timescale.trials is -1"),
        ("arms.one_timescale.trials=ten", "arms.one_timescale.trials is 'ten'"),
        ("arms.one_timescale.a=[1.0e-4, 1.0e-2]", "arms.one_timescale"),
        ("arms.one_timescale.space=two", "arms.one_timescale"),
        ("arms.one_timescale.further={loss: [1, 2]}", "arms.one_timescale"),
        ("arms.one_timescale.points=[{b: 5}]", "arms.one_timescale: points[0] is {'b': 5}"),
        ("arms.one_timescale.grid={b: [1.0e-3]}", "search.sampler is not grid"),
        ("search.sampler=grid", "grid must list values for b, d_steps"),
        ("arms={}", "arms"),
        ("name=../escape", "name is '../escape'"),
        ("name=a/b", "name is 'a/b'"),
        ("name=.hidden", "name is '.hidden'"),
        ("name=", "name"),
        ("resources.cpu=0", "resources.cpu is 0"),
        ("resources.cpu=1.0e-5", "resources.cpu is 1e-05"),
        ("resources.gpu=-0.5", "resources.gpu: gpu is -0.5; it must be 0, a share of one GPU"),
        ("resources.gpu=1.5", "gpu is 1.5, but a trial computes on one GPU; set it to 1"),
        ("resources.gpu=1.0e-5", "gpu is 1e-05; it must be 0, a share of one GPU"),
        ("stopping.patience=0", "stopping.patience is 0"),
        ("stopping.collapse=0.5", "stopping.collapse is 0.5"),
        ("stopping.pruner={name: halving}", "stopping.pruner.name is 'halving'"),
        ("search.seed=true", "search.seed is True: input should be a valid integer"),
        ("search.seed='3'", "search.seed is '3'"),
        ("search.seed=3.0", "search.seed is 3.0"),
        ("arms.one_timescale.trials=true", "arms.one_timescale.trials is True"),
        ("arms.one_timescale.trials='3'", "arms.one_timescale.trials is '3'"),
        ("stopping.chance=1", "stopping.chance is 1"),
        ("stopping.chance=0", "stopping.chance is 0"),
        ("stopping.rule=looks", "stopping.rule is 'looks'"),
        ("stopping.patience=true", "stopping.patience is True"),
        ("stopping.collapse='3'", "stopping.collapse is '3'"),
        ("resources.gpu=true", "resources.gpu"),
        (
            "stopping.pruner={name: asha, min_evaluations: 5}",
            "stopping.pruner.min_evaluations is 5, but before its end a trial has only 4 evaluations",
        ),
        (
            "confirm.samples=100",
            "confirm.samples is 100, but a trial of kind saddle draws no samples",
        ),
        ("name=little.confirm", "name is 'little.confirm', but `ttur confirm` calls its own"),
        ("trial.kind=[saddle]", "kind is ['saddle']; it must be one of"),
        (
            "arms.one_timescale.further.steps={choices: [40, 80]}",
            "further has steps, which says what",
        ),
        ("arms.one_timescale.further.evaluate_every={choices: [10]}", "further has evaluate_every"),
        (
            "arms.one_timescale.further.kind={choices: [bilinear]}",
            "further has kind, which says what",
        ),
        ("arms.one_timescale.further.score.samples={choices: [9]}", "further has score.samples"),
        ("arms.one_timescale.further.data.name={choices: [digits]}", "further has data.name"),
        ("arms.one_timescale.further.minutes={choices: [1]}", "further has minutes"),
        ("storage.record=postgresql://me:secret@host/db", "must not hold a password"),
    ],
)
def test_a_bad_field_is_named_with_its_value(assignment: str, words: str) -> None:
    sentence = refused(saddle_spec(), assignment)
    assert words in sentence
    if "secret" in assignment:
        assert "secret" not in sentence


def test_an_arm_cannot_leave_its_folder() -> None:
    data = saddle_spec()
    data["arms"] = {"../x": data["arms"]["one_timescale"]}
    assert "arms.../x" in refused(data)


@pytest.mark.parametrize("part", ["name", "trial", "arms"])
def test_what_must_be_there_is_asked_for(part: str) -> None:
    data = saddle_spec()
    del data[part]
    assert f"{part} is missing; add it" in refused(data)


def test_of_several_problems_the_unknown_field_comes_first() -> None:
    data = saddle_spec(resources={"cpu": 0, "cpuz": 3})
    assert refused(data).startswith("resources.cpuz is not a field")
    assert "(and 1 more like it)" in refused(data)


def test_a_grid_must_be_in_the_space_and_large_enough() -> None:
    data = saddle_spec(trials=3, search={"sampler": "grid"})
    grid = {"b": [1e-4, 1e-3], "d_steps": [1]}
    data["arms"] = {"one": {**data["arms"]["one_timescale"], "grid": grid}}
    assert "trials is 3, but the grid has only 2 points" in refused(data)
    assert "grid.b is 7" in refused(data, "arms.one.grid.b=[7.0]")
    assert "grid.b is empty" in refused(data, "arms.one.grid.b=[]")
    assert parse_spec(set_fields(data, ["arms.one.trials=2"])).arms["one"].trials == 2


def test_a_point_of_a_grid_must_be_whole() -> None:
    data = saddle_spec(trials=2, search={"sampler": "grid"})
    grid = {"b": [1e-4, 1e-3], "d_steps": [1]}
    data["arms"] = {"one": {**data["arms"]["one_timescale"], "grid": grid}}
    assert "with search.sampler grid it must also give d_steps" in refused(
        data, "arms.one.points=[{b: 1e-3}]"
    )
    parse_spec(set_fields(data, ["arms.one.points=[{b: 1e-3, d_steps: 1}]"]))


def test_whole_numbers_are_numbers() -> None:
    spec = parse_spec(set_fields(saddle_spec(), ["stopping.collapse=3", "resources.cpu=2"]))
    assert (spec.stopping.collapse, spec.resources.cpu) == (3.0, 2.0)


def test_a_confirmation_may_have_its_name() -> None:
    data = saddle_spec(confirming("little"))
    data["arms"] = {"one-3": data["arms"]["one_timescale"]}
    assert parse_spec(data).name == "little.confirm"


@pytest.mark.parametrize(
    ("assignments", "further"),
    [
        (["optimiser.beta1={choices: [0.5]}"], {"optimiser.beta1": {"choices": [0.5]}}),
        (["optimiser.beta1.choices=[0.5]"], {"optimiser.beta1": {"choices": [0.5]}}),
        (["loss={choices: [hinge]}"], {"loss": {"choices": ["hinge"]}}),
        (["loss.choices=[hinge]"], {"loss": {"choices": ["hinge"]}}),
        (
            ["optimiser.beta1={low: 0, high: 1}", "optimiser.beta1.high=0.9"],
            {"optimiser.beta1": {"low": 0, "high": 0.9}},
        ),
        (
            ["optimiser.beta1.low=0", "optimiser.beta1.high=1"],
            {"optimiser.beta1": {"low": 0, "high": 1}},
        ),
    ],
)
def test_set_reaches_a_searched_setting_by_its_path(
    assignments: list[str], further: dict[str, Any]
) -> None:
    found = set_fields({}, [f"arms.one.further.{text}" for text in assignments])
    assert found == {"arms": {"one": {"further": further}}}


def test_a_searched_setting_must_be_one_of_the_trial() -> None:
    data = saddle_spec()
    data["arms"]["one_timescale"]["further"] = {"nose": {"choices": [1.0]}}
    assert "nose names no setting of a trial of kind saddle" in refused(data)
    data["arms"]["one_timescale"]["further"] = {"noise": {"choices": [-1.0]}}
    assert "noise" in refused(data)


def test_a_number_in_scientific_notation_is_a_number() -> None:
    read = parse_yaml("[1e-4, 1E5, -2e3, .5e1, 1.e2, 1.0e-2, e4, 1e]", "here")
    assert read == [1e-4, 1e5, -2e3, 5.0, 100.0, 1e-2, "e4", "1e"]
    assert [type(value) for value in read[:6]] == [float] * 6


def test_what_yaml_1_1_would_guess_stays_text() -> None:
    texts = ["2020-99-99", "2020-01-01", "1:30", "1:30.5", "010", "0o10", "="]
    assert parse_yaml(f"[{', '.join(texts)}]", "here") == texts
    numbers = parse_yaml("[0, -3, 0x1F, 1_000, 5., .inf]", "here")
    assert numbers == [0, -3, 31, 1000, 5.0, float("inf")]


def test_what_is_written_reads_the_same() -> None:
    texts = ["1e-4", ".5e1", "010", "1:30", "2020-01-01", "yes", "null", "ä: #\n", "0x1f", ""]
    data = {"texts": texts, "numbers": [1e-5, 1e300, 3, -0.5], "none": None, "true": True}
    assert parse_yaml(dump_yaml(data), "here") == data


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("? [1, 2]\n: 3", r"\[1, 2\] is not the name of a field \(line 1\)"),
        ("? {a: 1}\n: 3", r"is not the name of a field \(line 1\)"),
        ("a: " + "[" * 5000, "here is nested too deeply"),
        ("a\0b", "here is not valid YAML: unacceptable character #x0000"),
        ("a: !!int x", "does not suit its tag"),
        ("a: !!timestamp x", "does not suit its tag"),
    ],
)
def test_yaml_that_no_spec_needs_is_one_sentence(text: str, words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        parse_yaml(text, "here")
    assert "\n" not in str(caught.value)


def test_a_key_that_stands_twice_is_refused() -> None:
    with pytest.raises(UserError, match=r"steps stands twice \(line 4\)"):
        parse_yaml("name: x\ntrial:\n  steps: 1\n  steps: 2\n", "here")


def test_merged_fields_are_refused_in_a_sentence() -> None:
    with pytest.raises(UserError, match=r"<< is not read here \(line 3\)"):
        parse_yaml("a: &a {b: 1}\nc:\n  <<: *a\n", "here")


@pytest.mark.parametrize(
    "text", ["!!python/object/apply:os.system ['true']", "!!python/name:os.system"]
)
def test_yaml_cannot_run_code(text: str) -> None:
    with pytest.raises(UserError, match="not valid YAML"):
        parse_yaml(text, "here")


@pytest.mark.parametrize("text", ["a: [1", "a: b: c", "\t- x", "{"])
def test_what_is_no_yaml_is_refused_with_its_line(text: str) -> None:
    with pytest.raises(UserError, match=r"spec.yaml is not valid YAML \(line 1|2\)"):
        parse_yaml(text, "spec.yaml")


@pytest.mark.parametrize("data", [None, [], "text", 3, {1: 2}])
def test_what_is_no_mapping_is_refused(data: Any) -> None:
    with pytest.raises(UserError, match="is not a mapping of fields"):
        mapping(data, "spec.yaml")


def test_set_changes_fields_and_makes_parts() -> None:
    data = set_fields(
        {"name": "x", "trial": {"steps": 1}},
        ["trial.steps=20", "search.seed=3", "arms.one.b=[1e-4, 1e-2]", "name=y=z"],
    )
    assert data == {
        "name": "y=z",
        "trial": {"steps": 20},
        "search": {"seed": 3},
        "arms": {"one": {"b": [1e-4, 1e-2]}},
    }


@pytest.mark.parametrize("assignment", ["steps", "=3", ""])
def test_set_without_a_path_and_a_value_is_refused(assignment: str) -> None:
    with pytest.raises(UserError, match=r"not of the form path\.to\.field=value"):
        set_fields({}, [assignment])


def test_set_does_not_lead_through_a_value() -> None:
    with pytest.raises(UserError, match=r"name\.first"):
        set_fields({"name": "x"}, ["name.first=3"])


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(yaml.safe_dump(saddle_spec("from-file")))
    assert parse_spec(read_spec_file(path)).name == "from-file"


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.yaml does not exist"):
        read_spec_file(tmp_path / "none.yaml")
    with pytest.raises(UserError, match="cannot be read"):
        read_spec_file(tmp_path)
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="cannot be read"):
        read_spec_file(binary)


def test_a_spec_survives_being_stored() -> None:
    spec = parse_spec(saddle_spec())
    stored = spec.model_dump(mode="json")
    assert parse_spec(stored) == spec
    assert parse_spec(stored).model_dump(mode="json") == stored


def test_defaults_are_filled_in_so_that_a_later_version_means_the_same() -> None:
    assert parse_spec(saddle_spec()).trial["noise"] == 1.0


def test_the_fingerprint_is_of_what_gives_a_score_its_meaning() -> None:
    base = Spec.model_validate(saddle_spec())
    same = Spec.model_validate(
        saddle_spec(trials=9, resources={"cpus": 1}, stopping={"patience": 1})
    )
    other = Spec.model_validate(saddle_spec(trial={"steps": 50}))
    assert base.fingerprint == same.fingerprint != other.fingerprint
    assert base.with_budgets({"one_timescale": 7}).arms["one_timescale"].trials == 7


@pytest.mark.parametrize(
    ("recipe", "fingerprint"),
    [
        ("quickstart", "338b672867b4f5ae"),
        ("wgan-gp-billion-words", "7e0e408d997e5095"),
        ("ttur-stylegan-style", "d3ca28837c8f5eed"),
        ("saddle", "302c7d0847b58afb"),
    ],
)
def test_the_fingerprint_of_a_study_is_that_of_the_version_before(
    recipe: str, fingerprint: str
) -> None:
    """Settings that were added since count only where they are set. The default sampler was another one."""
    data = mapping(parse_yaml(recipe_text(recipe), recipe), recipe)
    spec = parse_spec({**data, "search": {"sampler": "tpe", **data.get("search", {})}})
    assert spec.fingerprint == fingerprint
    if recipe != "saddle":
        changed = {**spec.model_dump(mode="json"), "trial": {**spec.trial, "precision": "bf16"}}
        assert parse_spec(changed).fingerprint != fingerprint
        slower = {**spec.model_dump(mode="json"), "trial": {**spec.trial, "cuda_graphs": False}}
        assert parse_spec(slower).fingerprint == fingerprint


def test_the_settings_of_a_trial_are_validated_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    real = model.parse_settings
    monkeypatch.setattr(model, "parse_settings", lambda data: calls.append(1) or real(data))
    spec = parse_spec(saddle_spec())
    assert spec.settings is spec.settings
    assert spec.score_name == spec.settings.score_name
    assert len(calls) == 1
    changed = spec.model_copy(update={"trial": {**spec.trial, "steps": 80}})
    assert (spec.settings.steps, changed.settings.steps) == (40, 80)


@pytest.mark.parametrize("field", ["arms", "arms.one_timescale", "trial.optimiser", "trial.score"])
def test_a_number_in_the_place_of_a_group_is_said_without_names_of_classes(field: str) -> None:
    fields = {
        "name": "s",
        "trial": {"kind": "gan", "data": "digits", "steps": 9, "evaluate_every": 3},
    }
    fields["arms"] = {"one_timescale": {"space": "one_timescale", "trials": 1, "b": [1e-4, 1e-2]}}
    changed = set_fields(fields, [f"{field}=5"])
    with pytest.raises(UserError) as refusal:
        parse_spec(changed)
    said = str(refusal.value)
    assert said.startswith(f"{field} is 5; make it a group of fields, {{name: value}}")
