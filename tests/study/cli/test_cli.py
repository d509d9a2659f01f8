"""Exit codes and sentences of the command line: 0 done, 2 bad input, 130 interrupted, 1 anything else."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.study import empty_record, saddle_spec

from study.api import read_spec
from study.cli import main
from study.driver import launch
from study.driver.beginning import publication_of
from study.driver.ending import LaunchResult
from study.errors import Interrupted, StudyBusy, TrialsFail, Unreachable, UserError
from study.places.home import Home
from study.places.locations import Options, typed
from study.record import opening
from study.record import status as state
from study.record.database import Ledger
from study.spec.continuation import extended
from study.spec.reader import parse_spec
from study.spec.recipes import load_recipe, recipe_names
from study.tracking.store import TrackingError
from study.trial import Outcome


class Line:
    """Types command lines in a folder of its own."""

    def __init__(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.folder = folder
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(self, *words: str) -> tuple[int, str, str]:
        self._monkeypatch.setattr(sys, "argv", ["ttur", *words])
        with pytest.raises(SystemExit) as exit_:
            main()
        said = self._capsys.readouterr()
        assert isinstance(exit_.value.code, int)
        return exit_.value.code, said.out, said.err

    def refused(self, *words: str) -> str:
        """Types a line that must be bad input, and returns the one sentence."""
        code, _, err = self(*words)
        assert code == 2, err
        assert "Traceback" not in err
        assert len(err.strip().splitlines()) == 1
        return err


@pytest.fixture
def ttur(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Line:
    monkeypatch.chdir(tmp_path)
    home = tmp_path / "home"
    home.mkdir()
    empty_record(home)
    monkeypatch.setenv("TTUR_HOME", str(home))
    for name in ("TTUR_RECORD", "MLFLOW_TRACKING_URI", "TTUR_CHECKPOINTS"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "little.yaml").write_text(yaml.safe_dump(saddle_spec()))
    return Line(tmp_path, monkeypatch, capsys)


@pytest.mark.parametrize("words", [["--help"], ["launch", "--help"], ["--version"]])
def test_help_is_no_error(ttur: Line, words: list[str]) -> None:
    code, out, _ = ttur(*words)
    assert code == 0
    assert out


@pytest.mark.parametrize("words", [["lunch"], ["best"], ["best", "x", "--top", "0"], ["--what"]])
def test_what_is_no_command_line_is_bad_input(ttur: Line, words: list[str]) -> None:
    code, _, err = ttur(*words)
    assert code == 2
    assert "Error" in err


def test_bad_specs_are_one_sentence(ttur: Line) -> None:
    assert "none.yaml does not exist" in ttur.refused("launch", "none.yaml")
    assert "did you mean quickstart?" in ttur.refused("launch", "quikstart")
    dry = ("launch", "little.yaml", "--dry-run")
    assert "trial.stepz" in ttur.refused(*dry, "--set", "trial.stepz=1")
    assert "arms.one_timescale: b" in ttur.refused(*dry, "--set", "arms.one_timescale.b=[1, 0.1]")
    assert "name is '../x'" in ttur.refused(*dry, "--name", "../x")
    assert "--set 'steps'" in ttur.refused(*dry, "--set", "steps")


@pytest.mark.parametrize("address", ["ray://head:10001", "head", ""])
def test_an_address_has_one_of_three_forms(ttur: Line, address: str) -> None:
    said = ttur.refused("launch", "saddle", "--address", address)
    assert f"--address {address}: write auto, host:port" in said


@pytest.mark.parametrize("verb", ["resume", "status", "stop", "sync"])
def test_a_study_that_is_not_there_is_bad_input(ttur: Line, verb: str) -> None:
    assert "nothing is not a study in this record (it has none)" in ttur.refused(verb, "nothing")


@pytest.mark.parametrize("verb", ["best", "compare"])
def test_a_study_that_mlflow_does_not_have_is_bad_input(ttur: Line, verb: str) -> None:
    assert "there is no study 'nothing'" in ttur.refused(verb, "nothing")


def test_a_name_cannot_leave_its_folder(ttur: Line) -> None:
    for verb in ("resume", "status", "best", "stop"):
        assert "'../x' is not the name of a study" in ttur.refused(verb, "../x")


def stored(ttur: Line) -> None:
    ledger = Ledger(f"sqlite:///{ttur.folder}/home/record.db")
    ledger.store_spec("little", parse_spec(saddle_spec()).model_dump(mode="json"))
    ledger.close()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--trials", "many"], "--trials 'many' is not a budget"),
        (["--trials", "+-3"], "is not a budget"),
        (["--trials", "2"], "has a budget of 3 already; a budget can only grow"),
        (
            ["--trials", "9", "--arm", "three"],
            "the study has the arms one_timescale, two_timescale",
        ),
    ],
)
def test_a_budget_only_grows(ttur: Line, words: list[str], sentence: str) -> None:
    stored(ttur)
    assert sentence in ttur.refused("extend", "little", *words)


def test_extended_budgets() -> None:
    spec = parse_spec(saddle_spec(trials=4))
    budgets = [
        {name: arm.trials for name, arm in extended(spec, *words).arms.items()}
        for words in (("7",), ("+3",), ("+1", "two_timescale"))
    ]
    both = {"one_timescale": 7, "two_timescale": 7}
    assert budgets == [both, both, {"one_timescale": 4, "two_timescale": 5}]


def test_a_stored_study_is_not_changed_into_another(ttur: Line) -> None:
    stored(ttur)
    sentence = ttur.refused("launch", "little.yaml", "--set", "trial.steps=80")
    assert "trial.steps was 40 and is 80" in sentence
    assert "give the study a new name (--name)" in sentence


def test_a_dry_run_says_what_would_run_and_makes_nothing(ttur: Line) -> None:
    before = sorted(ttur.folder.rglob("*"))
    code, out, _ = ttur("launch", "little.yaml", "--dry-run", "--name", "other")
    assert code == 0
    assert yaml.safe_load(out)["name"] == "other"
    assert "# one_timescale: 3 trials to run, 0 there already" in out
    assert "# score: saddle_norm" in out
    assert sorted(ttur.folder.rglob("*")) == before


def test_a_dry_run_refuses_what_a_launch_would_after_a_deletion_that_was_cut_off(
    ttur: Line,
) -> None:
    stored(ttur)
    ledger = Ledger(f"sqlite:///{ttur.folder}/home/record.db")
    publication_of(ledger, "little").intend_deletion()
    ledger.close()
    assert "finish it with `ttur delete little`" in ttur.refused(
        "launch", "little.yaml", "--dry-run"
    )
    # A record that was removed leaves the trials' folders.
    (ttur.folder / "home" / "checkpoints" / "other" / "one_timescale" / "00000").mkdir(parents=True)
    dry = ("launch", "little.yaml", "--dry-run", "--name", "other")
    assert "holds trials of an earlier study other" in ttur.refused(*dry)
    (ttur.folder / "home" / "record.db").unlink()
    assert "holds trials of an earlier study other" in ttur.refused(*dry)


def test_a_dry_run_prints_the_whole_spec(ttur: Line) -> None:
    words = ["launch", "little.yaml", "--dry-run"]
    words += ["--set", "stopping.collapse=null", "--set", "card.question='1e-4'"]
    code, out, _ = ttur(*words)
    assert code == 0
    (ttur.folder / "again.yaml").write_text(out)
    assert read_spec("again.yaml") == read_spec("little.yaml", words[4::2])
    assert read_spec("again.yaml").stopping.collapse is None


def test_a_dry_run_says_that_a_budget_only_grows(ttur: Line) -> None:
    stored(ttur)
    code, out, _ = ttur(
        "launch", "little.yaml", "--dry-run", "--set", "arms.one_timescale.trials=1"
    )
    assert code == 0
    assert "# note: arms.one_timescale.trials is 1 here and 3 in the record" in out
    assert "# one_timescale: 3 trials to run" in out


@pytest.mark.parametrize("data", ["./nowhere", "./empty"])
def test_data_that_cannot_be_used_is_bad_input(ttur: Line, data: str) -> None:
    (ttur.folder / "empty").mkdir()
    words = ["launch", "quickstart", "--set", f"trial.data={{path: {data}}}"]
    assert "the study quickstart cannot run here: " in ttur.refused(*words, "--dry-run")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--tracking", "./mlruns"], "tracking is './mlruns', which is not a place of this kind"),
        (["--record", "foo"], "record is 'foo', which is not a place of this kind"),
        (["--home", "little.yaml"], "little.yaml is not a folder; give another --home"),
        (["--set", "trial.kind=[saddle]"], "kind is ['saddle']; it must be one of"),
        (["--set", "? [1]"], "not of the form path.to.field=value"),
    ],
)
def test_bad_input_of_a_dry_run(ttur: Line, words: list[str], sentence: str) -> None:
    assert sentence in ttur.refused("launch", "little.yaml", "--dry-run", *words)


@pytest.mark.parametrize("verb", ["status", "best", "stop", "resume"])
def test_a_home_that_is_a_file_is_bad_input(ttur: Line, verb: str) -> None:
    said = ttur.refused(verb, "little", "--home", "little.yaml")
    assert "little.yaml is not a folder" in said


@pytest.mark.parametrize("what", ["x" * 5000, "a\0b", "x/" * 3000])
def test_a_name_that_no_file_can_have_is_bad_input(ttur: Line, what: str) -> None:
    ttur.refused("launch", what)


def test_status_of_all_studies(ttur: Line) -> None:
    assert ttur("status")[1] == "no studies in this record\n"
    stored(ttur)
    code, out, _ = ttur("status", "--json")
    counts = {
        "budget": 3,
        "complete": 0,
        "diverged": 0,
        "failed": 0,
        "running": 0,
        "interrupted": 0,
    }
    assert code == 0
    assert json.loads(out) == [
        {
            "study": "little",
            "state": "interrupted",
            "arms": {"one_timescale": counts, "two_timescale": counts},
            "slots": None,
            "busy": None,
            "confirmation": None,
        }
    ]
    assert "little" in ttur("status")[1]


def test_the_recipes_fit_a_screen_and_one_is_told_whole(ttur: Line) -> None:
    listed = ttur("recipes")[1].splitlines()
    names = recipe_names()
    assert [line.split()[0] for line in listed[1 : len(names) + 1]] == names
    assert max(map(len, listed)) <= 80
    assert len(listed) <= 40
    found = {line.split()[0]: line.split()[1] for line in listed[1 : len(names) + 1]}
    assert found["quickstart"] == "digits"
    assert found["dcgan-cifar10-cpu"] == "cifar10"  # of a mapping
    assert (found["language-cpu"], found["saddle"]) == ("text", "-")
    shown = ttur("recipes", "dcgan-celeba")[1]
    assert max(map(len, shown.splitlines())) <= 80
    card = load_recipe("dcgan-celeba").card
    for text in (card.question, card.budget, card.expected_time, card.expected_result):
        assert text in " ".join(shown.split())
    assert "ttur launch dcgan-celeba" in shown
    told = json.loads(ttur("recipes", "dcgan-celeba", "--json")[1])
    assert (told["name"], told["data"], told["cost"]) == ("dcgan-celeba", "celeba", "GPU days")
    code, _, error = ttur("recipes", "quikstart")
    assert (code, "did you mean quickstart" in error) == (2, True)


def test_recipes_and_schema_are_json(ttur: Line) -> None:
    names = [recipe["name"] for recipe in json.loads(ttur("recipes", "--json")[1])]
    assert "quickstart" in names
    schema = json.loads(ttur("schema")[1])
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert set(schema["required"]) == {"name", "trial", "arms"}
    assert len(schema["properties"]["trial"]["anyOf"]) >= 7


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (Interrupted("interrupted; go on with: ttur resume x"), 130, "go on with: ttur resume x"),
        (
            Interrupted("terminated; go on with: ttur resume x", 15),
            143,
            "go on with: ttur resume x",
        ),
        (KeyboardInterrupt(), 130, "interrupted"),
        (ZeroDivisionError("one\ntwo"), 1, "ZeroDivisionError: one (--debug"),
        (UserError("b is 0"), 2, "b is 0"),
        (Unreachable("the record is away"), 1, "the record is away"),
        (StudyBusy("already being run"), 1, "already being run"),
        (TrialsFail("5 trials in a row failed"), 3, "5 trials in a row failed"),
        (TrackingError("MLflow is away"), 1, "MLflow is away"),
        (ZeroDivisionError("division by zero"), 1, "ZeroDivisionError: division by zero (--debug"),
    ],
)
def test_how_a_launch_ends_is_the_exit_code(
    ttur: Line, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, sentence: str
) -> None:
    def end(*_: Any) -> None:
        raise error

    monkeypatch.setattr(launch, "launch", end)
    found, _, err = ttur("launch", "little.yaml")
    assert (found, err.strip().startswith("ttur: ")) == (code, True)
    assert sentence in err
    assert len(err.strip().splitlines()) == 1


@pytest.mark.parametrize("ran", [6, 0])  # launched again, it is not a success either
@pytest.mark.parametrize(
    ("counts", "code"),
    [({Outcome.FAILED: 3}, 3), ({Outcome.FAILED: 2, Outcome.DIVERGED: 1}, 0), ({}, 3)],
)
def test_a_launch_of_which_every_trial_failed_is_no_success(
    ttur: Line, monkeypatch: pytest.MonkeyPatch, counts: dict[Outcome, int], code: int, ran: int
) -> None:
    def ended(*_: Any) -> LaunchResult:
        arms = {"one_timescale": {Outcome.FAILED: 3}, "two_timescale": counts}
        return LaunchResult(
            study="little", counts=arms, ran=ran, unpublished=0, places=Home().places("little", {})
        )

    monkeypatch.setattr(launch, "launch", ended)
    found, out, err = ttur("launch", "little.yaml")
    assert found == code
    assert ("every trial of little failed" in err) == bool(code)
    assert "ttur resume little --failed" in (err if code else out)


@pytest.mark.parametrize("verb", ["status", "stop"])
def test_looking_verbs_say_nothing_of_resuming(
    ttur: Line, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    def end(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(state, "status", end)
    monkeypatch.setattr(opening, "request_stop", end)
    code, _, err = ttur(verb, "little")
    assert (code, err.strip()) == (130, "ttur: interrupted")


@pytest.mark.parametrize(
    "words",
    [
        ["schema"],
        pytest.param(["status"], marks=pytest.mark.slow),
        pytest.param(["recipes", "--json"], marks=pytest.mark.slow),
    ],
)
def test_a_reader_that_has_enough_is_no_error(tmp_path: Path, words: list[str]) -> None:
    line = (
        f"{shlex.join([sys.executable, '-m', 'study.cli', *words])} | true; exit ${{PIPESTATUS[0]}}"
    )
    environment = os.environ | {"TTUR_HOME": str(tmp_path), "PYTHONUNBUFFERED": ""}
    done = subprocess.run(
        ["bash", "-c", line], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("verb", ["status", "resume", "stop", "sync", "confirm"])
def test_a_question_makes_nothing(ttur: Line, verb: str) -> None:
    assert "little is not a study in this record (it has none)" in ttur.refused(
        verb, "little", "--home", "never"
    )
    assert ttur("status", "--home", "never")[:2] == (0, "no studies in this record\n")
    assert not (ttur.folder / "never").exists()


def test_the_next_commands_have_the_flags_of_this_one(
    ttur: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"tracking": "sqlite:///m.db", "record": "postgresql://me:pw@host/db", "cache": "c"}
    options = Options(home="a home", given=given, address="auto")
    where = "'--home=a home' '--record=postgresql://me:***@host/db' --tracking=sqlite:///m.db"
    assert typed(options, "best", "x") == f"ttur best x {where}"
    assert typed(options, "resume", "x") == f"ttur resume x {where} --address=auto"
    assert typed(Options(), "extend", "x", "--trials", "+8") == "ttur extend x --trials +8"
    ttur("status")
    stored(ttur)
    monkeypatch.setattr(opening, "request_stop", lambda *_: True)
    assert (
        "Go on with: ttur resume little --home=home\n"
        in ttur("stop", "little", "--home", "home")[1]
    )


def test_debug_shows_where(ttur: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    def end(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(launch, "launch", end)
    monkeypatch.setattr(sys, "argv", ["ttur", "--debug", "launch", "little.yaml"])
    with pytest.raises(ZeroDivisionError):
        main()
