"""A kind of trial of a user's own: run like the product's, searched, resumed, or refused in a sentence."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import study
from study.cli.verbs import cli
from study.errors import UserError
from study.spec.reader import parse_stored
from trainables.kinds import as_stored, build_trial, parse_settings, uses_accelerator
from trainables.protocol import Context, Measurement, Parameters

CODE = """
from trainables.protocol import Measurement
from trainables.settings.base import TrialSettings

class Settings(TrialSettings):
    accelerated = False
    paths = ("table",)
    kind: str
    power: float = 1.0
    table: str | None = None
    data: dict = {}

    @property
    def score_name(self):
        return "distance"

class Falling:
    def __init__(self, settings, parameters, context):
        self.settings, self.rate, self.step, self.x = settings, parameters.b, 0, 1.0
        self.score_name = settings.score_name
    @property
    def finished(self):
        return self.step >= self.settings.steps
    def advance(self, pause=lambda: False):
        self.x -= self.rate * self.x
        self.step += 1
        return Measurement(step=self.step, score=abs(self.x) ** self.settings.power)
    def save(self):
        return {"step": self.step, "x": self.x}
    def load(self, state):
        self.step, self.x = state["step"], state["x"]
    def artifacts(self):
        return {}

class Short:
    def __init__(self, *given): pass
    advance = save = load = artifacts = None

class Nothing: pass

class Two(Falling):
    def __init__(self, settings, parameters): pass

class Deaf(Falling):
    def advance(self): pass

class Asking(Falling):
    def save(self, step): pass

class Forgetful(Falling):
    def load(self): pass

class Nameless(TrialSettings):
    kind: str

class Kindless(Settings):
    pass
del Kindless.model_fields["kind"]

def falling(): return Settings, Falling
def short(): return Settings, Short
def two(): return Settings, Two
def deaf(): return Settings, Deaf
def asking(): return Settings, Asking
def forgetful(): return Settings, Forgetful
def made(): return Settings, lambda settings, parameters: Falling(settings, parameters, None)
def alone(): return Settings
def swapped(): return Falling, Settings
def nothing(): return Settings, Nothing
def nameless(): return Nameless, Falling
def kindless(): return Kindless, Falling
def no_trial(): return Settings, 3
def raises(): raise RuntimeError("no")
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "own_kinds.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "own_kinds", raising=False)
    return tmp_path


def spec(function: str = "falling", **trial: object) -> dict[str, object]:
    settings = {"kind": f"own_kinds:{function}", "steps": 4, "evaluate_every": 1}
    arm = {"space": "one_timescale", "trials": 2, "b": [1e-3, 1e-1]}
    further = {"power": {"low": 1.0, "high": 2.0}}
    return {
        "name": "own",
        "trial": settings | trial,
        "arms": {"one": {**arm, "further": further}},
    }


def test_it_is_a_study_like_any_other(here: Path) -> None:
    found = study.read_spec(spec(table="t.csv"))
    assert found.score_name == "distance"
    assert found.trial["table"] == str(here / "t.csv")  # paths are resolved, as it says
    assert not uses_accelerator(found.trial)
    (here / "own.yaml").write_text(json.dumps(spec()))
    said = CliRunner().invoke(cli, ["launch", "own.yaml", "--dry-run"])
    assert said.exit_code == 0, said.output
    assert "# score: distance" in said.output
    with pytest.raises(UserError, match=r"trial\.powr is not a field"):
        study.read_spec(spec(powr=1))
    with pytest.raises(UserError, match=r"trial\.steps"):
        study.read_spec(spec(steps=0))


def test_its_trials_run_with_what_is_searched_and_go_on() -> None:
    data = dict(study.read_spec(spec()).trial)
    parameters = Parameters(b=0.5, a=0.5, d_steps=1, further={"power": 2.0})
    whole = build_trial(data, parameters, Context(seed=0))
    scores = []
    while not whole.finished:
        made = whole.advance()
        assert isinstance(made, Measurement)
        scores.append(made.score)
    assert scores == [0.5**2, 0.25**2, 0.125**2, 0.0625**2]
    first = build_trial(data, parameters, Context(seed=0))
    first.advance()
    second = build_trial(data, parameters, Context(seed=0))
    second.load(first.save())
    again = second.advance()
    assert isinstance(again, Measurement)
    assert again.score == scores[1]


def test_a_record_gives_it_back_as_it_was_and_runs_no_code_to_be_read(here: Path) -> None:
    stored = study.read_spec(spec(data={"mine": 1})).model_dump(mode="json")
    assert parse_stored(stored).trial == stored["trial"]
    sys.modules.pop("own_kinds")
    assert as_stored(stored["trial"]) == stored["trial"]
    assert "own_kinds" not in sys.modules


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        ("alone", r"returned a ModelMetaclass; it must return a tuple of two, \(settings, trial\)"),
        ("swapped", "returned a type as settings; they must be a subclass of trainables.settings"),
        ("nothing", "has no advance and no save and no load and no artifacts; see trainables.prot"),
        ("nameless", "have no property score_name"),
        (
            "two",
            r"take what it is called with, \(settings, parameters, context\): too many positional",
        ),
        (
            "made",
            r"take what it is called with, \(settings, parameters, context\): too many positional",
        ),
        ("deaf", r"take what advance is called with, \(self, pause\): too many positional"),
        ("asking", r"take what save is called with, \(self\): missing a required argument: 'step'"),
        ("forgetful", r"take what load is called with, \(self, state\): too many positional"),
        ("kindless", "have no field for its name; add: kind: str"),
        ("no_trial", "returned an int as trial; it must be a class"),
        ("raises", "called without arguments, raised RuntimeError: no"),
        ("missing", "cannot be imported: module 'own_kinds' has no attribute 'missing'"),
    ],
)
def test_what_breaks_the_contract_is_refused_when_the_spec_is_read(
    function: str, sentence: str
) -> None:
    with pytest.raises(UserError, match=sentence) as caught:
        study.read_spec(spec(function))
    assert f"own_kinds:{function}" in str(caught.value)


def test_what_only_a_built_trial_shows_is_said_when_it_is_built() -> None:
    data = {"kind": "own_kinds:short", "steps": 1, "evaluate_every": 1}
    sys.path.insert(0, str(Path.cwd()))
    with pytest.raises(ValueError, match="has no score_name and no step and no finished"):
        build_trial(data, Parameters(b=1e-3, a=1e-3, d_steps=1), Context(seed=0))


def test_a_name_that_is_neither_is_told_of_both() -> None:
    with pytest.raises(ValueError, match=r"saddle, or your own as package.module:function"):
        parse_settings({"kind": "gna"})


def test_the_schema_allows_it() -> None:
    *_, own = study.schema()["properties"]["trial"]["anyOf"]
    assert own["required"] == ["kind"]


def test_the_kind_that_the_documentation_shows_runs(here: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "own-code.md").read_text(encoding="utf-8")
    (code,) = [
        block
        for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL)
        if "Rotation" in block
    ]
    (here / "shown.py").write_text(code)
    data = study.read_spec(
        spec()
        | {"trial": {"kind": "shown:rotation", "steps": 6, "evaluate_every": 3}}
        | {"arms": {"one": {"space": "one_timescale", "trials": 1, "b": [1e-3, 1e-1]}}}
    ).trial
    trial = build_trial(data, Parameters(b=0.1, a=0.1, d_steps=1), Context(seed=0))
    made = trial.advance()
    assert isinstance(made, Measurement)
    assert (made.step, trial.finished) == (3, False)
    assert 0 < made.score < 2**0.5
