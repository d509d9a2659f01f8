"""Whose generators stay when trials end, and that nothing else of an ended trial does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.mlflow import new_store, runs
from support.study import empty_record, saddle_spec

from study.driver.beginning import publication_of
from study.driver.keeping import Keeping
from study.driver.publishing import Publishing
from study.places.locations import Places
from study.record.database import Ledger
from study.search.conductor import Conductor
from study.spec.model import Spec
from study.tracking.store import client
from study.trial import Outcome
from trainables.assignment import Assignment, Turn
from trainables.protocol import Measurement

WAIT = 60.0
CHECKPOINT = "checkpoint-0000000040-0123456789abcdef.pt"


class Launches:
    """One study, launched again and again, whose trials leave the files that real ones leave."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ledger = Ledger(empty_record(folder))
        self.storage: dict[str, Any] = {}
        self.stopping: dict[str, Any] = {}
        self.resources: dict[str, Any] = {}
        self.places = Places(
            record="",
            tracking=new_store(folder),
            artifacts=str(folder / "artifacts"),
            checkpoints=str(folder / "checkpoints"),
            cache="",
        )

    def launch(self, trials: int = 4) -> tuple[Conductor, Keeping]:
        spec = Spec.model_validate(
            saddle_spec(
                "study",
                trials=trials,
                storage=self.storage,
                stopping=self.stopping,
                resources=self.resources,
            )
        )
        conductor = Conductor(spec, self.ledger, self.places)
        keeping = Keeping(spec, self.places, conductor)
        conductor.observe(keeping)
        return conductor, keeping

    def files(self) -> dict[str, list[str]]:
        """What is left of each trial of the first arm, by its number; steps of generators in short."""
        arm = self.folder / "checkpoints/study/one_timescale"
        return {
            trial.name.lstrip("0") or "0": [
                "checkpoint" if file.suffix == ".pt" else str(int(file.stem.split("-")[1]))
                for file in sorted(trial.iterdir())
                if file.suffix in (".pt", ".safetensors")
            ]
            for trial in sorted(arm.iterdir())
        }


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Launches]:
    made = Launches(tmp_path)
    yield made
    made.ledger.close()


def begun(conductor: Conductor) -> Assignment:
    """The next trial of the first arm."""
    while (assignment := conductor.next()) is not None:
        if "one_timescale" in assignment.identity:
            return assignment
    raise AssertionError("no trial is left")


def leave(assignment: Assignment, *steps: int) -> None:
    """Writes the files of a trial."""
    folder = Path(assignment.folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CHECKPOINT).write_bytes(b"checkpoint")
    for step in steps:
        (folder / f"generator-{step:08d}.safetensors").write_bytes(b"weights of %d" % step)


def played(conductor: Conductor, *scores: float) -> Assignment:
    """Runs a whole trial with these scores at steps 10, 20, …."""
    assignment = begun(conductor)
    steps = [10 * (i + 1) for i in range(len(scores))]
    leave(assignment, *steps)
    measured = tuple(Measurement(step=n, score=s) for n, s in zip(steps, scores, strict=True))
    turn = Turn(step=steps[-1], steps=steps[-1], measurements=measured, finished=True)
    assert conductor.turn(assignment.identity, turn)
    return assignment


def test_the_best_trials_keep_the_generators_of_their_best_and_last_evaluations(
    study: Launches,
) -> None:
    study.storage = {"keep": "best", "keep_best": 2}
    conductor, keeping = study.launch()
    played(conductor, 5.0, 4.0, 6.0)
    played(conductor, 9.0, 7.0)
    played(conductor, 3.0, 8.0)
    played(conductor, 4.0, 4.5)  # as low as the first, which came before it
    keeping.close(WAIT)
    assert study.files() == {"0": ["20", "30"], "1": [], "2": ["10", "20"], "3": []}


@pytest.mark.parametrize(
    ("keep", "expected"),
    [("all", {"0": ["10", "30"], "1": ["20"]}), ("none", {"0": [], "1": []})],
)
def test_all_or_none(study: Launches, keep: str, expected: dict[str, list[str]]) -> None:
    study.storage = {"keep": keep, "keep_best": 1}
    conductor, keeping = study.launch()
    played(conductor, 5.0, 6.0, 7.0)
    played(conductor, 9.0, 7.0)
    keeping.close(WAIT)
    assert study.files() == expected


def test_a_worker_keeps_none_where_none_is_asked_for(study: Launches) -> None:
    assert begun(study.launch()[0]).keep
    study.storage = {"keep": "none"}
    assert not begun(study.launch()[0]).keep


def test_a_generator_of_an_evaluation_that_does_not_count_goes(study: Launches) -> None:
    """The trial collapsed at step 20; its worker was one evaluation further, with a better score."""
    study.stopping = {"rule": "rising", "warmup": 0, "collapse": 10}
    conductor, keeping = study.launch()
    assignment = begun(conductor)
    leave(assignment, 10, 20, 30)
    measured = tuple(Measurement(step=n, score=s) for n, s in [(10, 1.0), (20, 99.0), (30, 0.5)])
    assert conductor.turn(assignment.identity, Turn(step=30, steps=90, measurements=measured))
    keeping.close(WAIT)
    assert study.files() == {"0": ["10", "20"]}


def test_everything_of_a_trial_that_failed_or_was_cut_off_stays(study: Launches) -> None:
    study.storage = {"keep": "none"}
    study.resources = {"stop_after_failures": None}  # a failure is final at once
    conductor, keeping = study.launch()
    failed, cut_off = begun(conductor), begun(conductor)
    for assignment in (failed, cut_off):
        leave(assignment, 10)
        measured = (Measurement(step=10, score=1.0),)
        conductor.turn(assignment.identity, Turn(step=10, steps=90, measurements=measured))
    conductor.failed(failed.identity, "out of memory")
    keeping.close(WAIT)
    assert study.files() == {"0": ["checkpoint", "10"], "1": ["checkpoint", "10"]}


def test_what_a_killed_launch_left_goes_when_the_next_one_ends(study: Launches) -> None:
    study.storage = {"keep": "best", "keep_best": 1}
    conductor, _ = study.launch(trials=3)
    conductor._observers = ()  # killed before it could remove anything
    first = played(conductor, 5.0, 4.0, 6.0)
    played(conductor, 9.0, 8.0, 7.0)
    (Path(first.folder) / "samples").mkdir()
    (Path(first.folder) / "samples" / CHECKPOINT).touch()  # only a trial's own files are looked at
    _, keeping = study.launch(trials=3)
    keeping.close(WAIT)
    assert not list((study.folder / "checkpoints/study/one_timescale/00001").iterdir())
    assert sorted(p.name for p in Path(first.folder).glob("*.*")) == [
        "generator-00000020.safetensors",
        "generator-00000030.safetensors",
    ]
    assert (Path(first.folder) / "samples" / CHECKPOINT).exists()


def test_a_disk_that_is_away_is_one_warning(
    study: Launches, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    conductor, keeping = study.launch()

    def away(*_: object) -> None:
        raise OSError("stale file handle")

    monkeypatch.setattr("study.driver.keeping.tidy", away)
    played(conductor, 5.0)
    played(conductor, 4.0)
    keeping.close(WAIT)
    warnings = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert warnings == ["files of ended trials were not removed: stale file handle"]


@pytest.mark.parametrize("publishes", [pytest.param(False, marks=pytest.mark.slow), True])
def test_they_are_artifacts_if_the_spec_says_so(study: Launches, publishes: bool) -> None:
    study.storage = {"keep": "best", "keep_best": 1, "publish_generators": publishes}
    spec = Spec.model_validate(saddle_spec("study", trials=2, storage=study.storage))
    conductor = Conductor(spec, study.ledger, study.places)
    keeping = Keeping(spec, study.places, conductor)
    publishing = Publishing(
        publication_of(study.ledger, spec.name), study.places, conductor, keeps=keeping.keeps
    )
    conductor.observe(keeping, publishing)
    played(conductor, 5.0, 4.0, 6.0)
    played(conductor, 9.0, 8.0, 9.0)
    assert publishing.close(WAIT) == 0
    keeping.close(WAIT)
    store = client(study.places.tracking)
    found = {
        run.data.tags["number"]: [
            f.path for f in store.list_artifacts(run.info.run_id, "generator")
        ]
        for run in runs(store)
        if run.data.tags.get("outcome") == Outcome.COMPLETE
    }
    steps = ["00000020", "00000030"] if publishes else []
    names = [f"generator/generator-{step}.safetensors" for step in steps]
    assert found == {"0": names, "1": []}
