"""Launches that confirm, their trials run in this process: cut off, gone on with, extended."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.study import saddle_spec

from study import api
from study.api.sites import options_of, site_of
from study.driver.confirm import confirm
from study.driver.ending import LaunchResult
from study.driver.launch import launch
from study.driver.session import Engine
from study.errors import UserError
from study.record.publication import Publication
from study.record.status import StudyStatus
from study.results.looks import runs_of_look
from study.search.conductor import Conductor
from study.spec.model import Spec
from study.tracking import query
from trainables.run import TrialRun

pytestmark = pytest.mark.slow


class Killed(BaseException):
    """Stands for SIGKILL of the driver."""


class Here:
    """Launches in a home of its own, one trial after the other; ``most`` trials end before it is killed."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.home = str(folder / "home")
        self.most: int | None = None
        monkeypatch.setattr(Engine, "run", lambda _, conductor: self._run(conductor))

    def _run(self, conductor: Conductor) -> None:
        while (assignment := conductor.next()) is not None:
            if self.most == 0:
                raise Killed
            trial = TrialRun(assignment, "cpu")
            while not conductor.turn(assignment.identity, trial.turn()):
                pass
            self.most = None if self.most is None else self.most - 1

    def launch(self, spec: Spec) -> LaunchResult:
        return launch(spec, site_of(spec, options_of(self.home, None)))

    def confirm(self, spec: Spec, **asked: Any) -> LaunchResult:
        return confirm(spec, site_of(spec, options_of(self.home, None)), **asked)

    def look(self) -> tuple[int, float]:
        """Which look the verdict is of, and the level of its interval."""
        found = api.compare("little", home=self.home).confirmation
        assert found is not None
        return found.look, found.difference.level

    def status(self) -> StudyStatus:
        return api.status("little", home=self.home)[0]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Here:
    return Here(tmp_path, monkeypatch)


def spec(trials: int = 6, **confirm: Any) -> Spec:
    asked = {"when": "end", "finalists": 2, "seeds": 2, **confirm}
    return api.read_spec(saddle_spec(trials=trials, confirm=asked))


def runs(result: LaunchResult | None) -> list[int]:
    """How many runs each finalist has, sorted."""
    assert result is not None
    return sorted(sum(counts.values()) for counts in result.counts.values())


def test_a_launch_that_is_cut_off_in_its_confirmation_goes_on_there(here: Here) -> None:
    here.most = 12 + 3
    with pytest.raises(Killed):
        here.launch(spec())
    state = here.status()
    assert state.state == "interrupted"
    assert [arm.complete for arm in state.arms.values()] == [6, 6]
    assert state.confirmation is not None
    assert state.confirmation.state == "interrupted"

    here.most = None
    result = here.launch(spec())
    # One seed of each of four chooses, two more of one an arm compare.
    assert result.ran == 0
    assert result.confirmation is not None
    assert result.confirmation.ran == 4 + 2 * 2 - 3
    assert runs(result.confirmation) == [1, 1, 3, 3]
    assert (here.status().state, here.status().confirmation.state) == ("finished", "finished")  # type: ignore[union-attr]
    assert here.launch(spec()).confirmation is None

    found = api.compare("little", home=here.home)
    assert found.confirmation is not None
    assert found.confirmation.look == 1
    difference = found.confirmation.difference
    assert difference.seeds == (2, 2)
    assert difference.steps is not None
    assert found.verdicts[0].settings is not None
    for arm, number in zip(difference.arms or (), difference.numbers or (), strict=True):
        mine = [f for f in found.confirmation.finalists if f.arm == arm]
        assert min(mine, key=lambda f: f.at_step[0] or 0.0).number == number
    uri = f"sqlite:///{here.home}/mlflow.db"
    searched = {(t.arm, t.number): t for t in query.trials("little", tracking_uri=uri)}
    again = query.trials("little.confirm", tracking_uri=uri)
    assert {t.seed for t in again}.isdisjoint({t.seed for t in searched.values()})
    assert all(f.step == searched[f.arm, f.number].step for f in found.confirmation.finalists)


def test_seeds_are_added_and_finalists_trained_longer(here: Here) -> None:
    here.launch(spec())
    assert here.look() == (1, 0.96)
    first = api.compare("little", home=here.home).confirmation
    assert first is not None
    here.most = 2
    with pytest.raises(Killed):
        here.confirm(spec(), seeds="+2")
    here.most = None
    assert here.launch(spec()).confirmation is not None
    found = api.compare("little", home=here.home)
    assert found.confirmation is not None
    assert found.confirmation.difference.seeds == (4, 4)
    assert here.look() == (2, 0.995)
    rows = found.confirmation.rows
    there = runs_of_look([row.started for row in rows], len(first.rows))
    assert there is not None
    assert {rows[i].identity for i in there} == {row.identity for row in first.rows}
    # Neither reading it again nor publishing it again nor a confirmation with nothing to do is a look.
    assert here.confirm(spec()).ran == 0
    assert api.sync("little", home=here.home) == 0
    assert here.look() == (2, 0.995)
    assert here.confirm(spec(), steps=80).study == "little.confirm-80"
    (longer,) = api.compare("little", home=here.home).longer
    assert longer.steps == longer.difference.trained == 80
    assert found.confirmation.difference.trained is None
    assert {f.step for f in longer.finalists} == {80}
    assert [(f.arm, f.number) for f in longer.finalists] == list(
        zip(found.confirmation.difference.arms or (), longer.difference.numbers or (), strict=True)
    )
    with pytest.raises(UserError, match="--steps 40: the trials of little have 40 already"):
        here.confirm(spec(), steps=40)


def test_what_is_not_to_be_confirmed_is_not(here: Here) -> None:
    assert here.launch(spec(when="never")).confirmation is None
    assert here.status().confirmation is None
    assert here.status().state == "finished"
    assert runs(here.confirm(spec(when="never"))) == [1, 1, 3, 3]


def test_a_search_too_small_for_an_answer_is_confirmed_only_by_hand(here: Here) -> None:
    assert here.launch(spec(trials=3)).confirmation is None
    assert (here.status().state, here.status().confirmation) == ("finished", None)
    here.confirm(spec(trials=3))
    (verdict,) = api.compare("little", home=here.home).verdicts
    assert (str(verdict.finding), verdict.source) == ("none", "nothing")


def test_an_extended_study_is_confirmed_anew(here: Here) -> None:
    here.launch(spec(finalists=1))
    before = api.compare("little", home=here.home).confirmation
    result = here.launch(spec(trials=12, finalists=1))
    assert result.ran == 12
    after = api.compare("little", home=here.home).confirmation
    assert before is not None
    assert after is not None
    assert {(f.arm, f.number) for f in before.finalists} <= {
        (f.arm, f.number) for f in after.finalists
    }
    assert before.look == 1
    assert after.look == 1 + (len(after.rows) > len(before.rows))  # none anew is no new look
    assert here.status().state == "finished"


def test_seeds_added_to_a_confirmation_of_a_version_without_looks_are_a_second_one(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as before:
        before.setattr(Publication, "keep_looked", lambda *_: None)
        here.launch(spec(finalists=1))
    assert here.look()[0] == 1
    here.confirm(spec(finalists=1), seeds="+2")
    assert here.look()[0] == 2
