"""Studies that cost seconds, ``ttur`` in a process of its own, and what Optuna and MLflow then hold."""

from __future__ import annotations

import atexit
import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import optuna
import yaml
from mlflow import MlflowClient
from mlflow.entities import Run
from optuna.trial import FrozenTrial, TrialState

from study.record.database import Ledger
from study.record.trials import ArmLedger
from study.search.conductor import Conductor
from study.tracking.store import client
from study.trial import TrialRecord
from support.processes import end_hard, ended, wait_until

ARMS = ("one_timescale", "two_timescale")


def saddle_spec(name: str = "little", trials: int = 3, **parts: Any) -> dict[str, Any]:
    """A study of two arms on the saddle: 4 evaluations a trial, at full speed.

    Args:
        name: Name of the study.
        trials: Budget of each arm.
        parts: Whole parts of the spec (``trial``, ``search``, …), merged over what is here.
    """
    spec: dict[str, Any] = {
        "name": name,
        "trial": {"kind": "saddle", "steps": 40, "evaluate_every": 10},
        "arms": {
            "one_timescale": {
                "space": "one_timescale",
                "trials": trials,
                "b": [1e-4, 1e-2],
                "d_steps": [1, 2],
            },
            "two_timescale": {
                "space": "two_timescale",
                "trials": trials,
                "b": [1e-4, 1e-2],
                "a": [1e-4, 1e-2],
                "d_steps": [1, 2],
            },
        },
        "search": {"sampler": "random", "seed": 1},
        "stopping": {"rule": "none"},
        # A study is confirmed in the tests that ask what a confirmation does.
        "confirm": {"when": "never"},
        # A busy machine may take long to end a launch, which is not what most tests ask.
        "resources": {"cpus": 2, "checkpoint_seconds": 0, "stop_seconds": 120},
    }
    for part, value in parts.items():
        old = spec.get(part)
        spec[part] = {**old, **value} if isinstance(old, dict) and part != "arms" else value
    return spec


def slow_saddle(seconds: float, evaluations: int = 4) -> dict[str, Any]:
    """The ``trial`` part of a saddle that takes so many seconds, so that a kill lands inside."""
    steps = 10 * evaluations
    return {
        "kind": "saddle",
        "steps": steps,
        "evaluate_every": 10,
        "seconds_per_step": seconds / steps,
    }


@functools.cache
def _record_template() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="ttur-test-record-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    Ledger(f"sqlite:///{folder}/record.db").close()
    return folder / "record.db"


def empty_record(folder: Path) -> str:
    """The URL of an empty record in a folder: a copy, as making its tables takes a while."""
    shutil.copy(_record_template(), folder / "record.db")
    return f"sqlite:///{folder}/record.db"


def sample_of(arm: ArmLedger, number: int) -> dict[str, Any]:
    """What was sampled for a trial, before parameters were derived from it."""
    return arm._study.get_trials()[number].params


def trial_of(conductor: Conductor, identity: str) -> TrialRecord:
    """A trial of a launch in its newest state."""
    running = {trial.identity: trial for trial in conductor.live}
    arm, number = identity.split("/")[1:]
    return running.get(identity) or conductor.stored(arm, int(number))


@dataclass
class Place:
    """A folder with a home for studies in which ``ttur`` is run.

    Attributes:
        folder: Where spec files lie and where ``ttur`` runs.
        environment: Variables for every call, beside those of the tests.
    """

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def record(self) -> str:
        return self.environment.get("TTUR_RECORD") or f"sqlite:///{self.home}/record.db"

    @property
    def tracking(self) -> str:
        return self.environment.get("MLFLOW_TRACKING_URI") or f"sqlite:///{self.home}/mlflow.db"

    @property
    def _hold(self) -> Path:
        return self.folder / "hold"

    def hold(self, step: int) -> None:
        """Lets no trial go beyond an evaluation at this step (TTUR_HOLD, trainables/faults.py)."""
        new = self.folder / "hold.new"
        new.write_text(str(step))
        new.replace(self._hold)

    def let_go(self) -> None:
        """Lets all trials go on."""
        self._hold.unlink()

    def wait_for_checkpoints(
        self, study: str, step: int, trials: int, process: subprocess.Popen[str]
    ) -> None:
        """Waits until so many trials have a checkpoint at a step; it must be that of a hold."""
        pattern = f"checkpoint-{step:010d}-*.pt"

        def there() -> bool:
            folder = self.home / "checkpoints" / study
            return len({path.parent for path in folder.rglob(pattern)}) == trials

        wait_until(f"{trials} trials have a checkpoint at step {step}", there, process)

    def write(self, spec: Mapping[str, Any]) -> Path:
        path = self.folder / f"{spec['name']}.yaml"
        path.write_text(yaml.safe_dump(dict(spec), sort_keys=False))
        return path

    def start(
        self, *arguments: str, errors: IO[str] | int = subprocess.PIPE, **environment: str
    ) -> subprocess.Popen[str]:
        """Starts ``ttur`` in a session of its own, so that a test can interrupt it like a terminal."""
        variables = os.environ | {"OMP_NUM_THREADS": "1"} | self.environment | environment
        variables |= {"TTUR_HOME": str(self.home), "COLUMNS": "200"}
        variables["TTUR_HOLD"] = str(self._hold)
        inherited = os.environ.get("PYTHONPATH")
        variables["PYTHONPATH"] = os.pathsep.join(
            [str(self.folder), *([inherited] if inherited else [])]
        )
        return subprocess.Popen(
            [sys.executable, "-m", "study.cli", *arguments],
            cwd=self.folder,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        )

    def ttur(
        self, *arguments: str, expect: int = 0, timeout: float = 400, **environment: str
    ) -> str:
        """Runs ``ttur`` to its end, checks the exit code, and returns all that it said."""
        process = self.start(*arguments, **environment)
        try:
            said = ended(process, timeout)
        finally:
            end_hard(process)
        assert process.returncode == expect, f"exit {process.returncode}: ttur {arguments}\n{said}"
        return said

    def json(self, *arguments: str) -> Any:
        process = self.start(*arguments, "--json")
        out, err = process.communicate(timeout=200)
        assert process.returncode == 0, err
        return json.loads(out)

    def trials(self, study: str, arm: str) -> list[FrozenTrial]:
        """The trials of an arm as Optuna has them; none if there is no record yet."""
        if not self.environment.get("TTUR_RECORD") and not (self.home / "record.db").exists():
            return []
        storage = optuna.storages.RDBStorage(self.record)
        try:
            found = optuna.load_study(study_name=f"{study}/{arm}", storage=storage)
            return [t for t in found.get_trials() if t.state != TrialState.WAITING]
        except KeyError:
            return []
        finally:
            storage.remove_session()
            storage.engine.dispose()

    def states(self, study: str, arm: str) -> Counter[str]:
        return Counter(trial.state.name for trial in self.trials(study, arm))

    def runs(self, study: str, kind: str = "trial") -> list[Run]:
        """The MLflow runs of a study's trials, or of its arms."""
        store = client(self.tracking)
        experiment = store.get_experiment_by_name(study)
        assert experiment is not None, f"MLflow has no experiment {study}"
        found = store.search_runs(
            [experiment.experiment_id], f"tags.kind = '{kind}'", max_results=5000
        )
        return list(found)

    def store(self) -> MlflowClient:
        return client(self.tracking)

    def checkpoints(self, study: str) -> list[Path]:
        return sorted((self.home / "checkpoints" / study).rglob("checkpoint-*.pt"))


def assert_whole(place: Place, study: str, budget: int, arms: tuple[str, ...] = ARMS) -> None:
    """A finished study: exact counts in both stores, one run a trial, the same best, nothing doubled."""
    runs = place.runs(study)
    assert Counter(run.data.tags["trial"] for run in runs) == {
        f"{study}/{arm}/{number}": 1 for arm in arms for number in range(budget)
    }
    assert {run.info.status for run in runs} <= {"FINISHED", "FAILED"}
    by_identity = {run.data.tags["trial"]: run for run in runs}
    store = place.store()
    for arm in arms:
        trials = place.trials(study, arm)
        assert [trial.number for trial in trials] == list(range(budget))
        assert {trial.state.name for trial in trials} <= {"COMPLETE", "FAIL"}
        for trial in trials:
            run = by_identity[f"{study}/{arm}/{trial.number}"]
            assert trial.user_attrs["mlflow_run_id"] == run.info.run_id
            assert trial.user_attrs["outcome"] == run.data.tags["outcome"]
            sampled = trial.user_attrs["parameters"]
            assert {name: run.data.metrics[name] for name in ("b", "a", "d_steps")} == {
                name: float(sampled[name]) for name in ("b", "a", "d_steps")
            }
            points = store.get_metric_history(run.info.run_id, "score")
            assert {p.step: p.value for p in points} == trial.intermediate_values
            assert len(points) == len(trial.intermediate_values), "an evaluation stands twice"
            if trial.state == TrialState.COMPLETE and trial.intermediate_values:
                best = min(trial.intermediate_values.values())
                assert trial.value == run.data.metrics["best_score"] == best
    parents = place.runs(study, "arm")
    assert sorted(run.data.tags["arm"] for run in parents) == sorted(arms)
    assert {run.info.status for run in parents} == {"FINISHED"}
