"""A study is deleted whole or not at all, whenever it is cut off, and nothing of anybody else's goes."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run, ViewType
from support.mlflow import new_store
from support.study import empty_record, saddle_spec

import study as product
from study.driver import delete as module
from study.driver.claiming import publication_of
from study.driver.publishing import Publishing
from study.errors import StudyBusy, UserError
from study.places.home import resolve
from study.places.locations import Site
from study.places.options import Options
from study.record.database import Ledger
from study.record.lease import Lease
from study.search.conductor import Conductor
from study.spec.model import Spec
from study.tracking.store import TrackingError, client
from trainables.assignment import Turn
from trainables.protocol import Measurement

NAMES = ("study", "study.confirm", "study2", "Study")


class Killed(BaseException):
    """Nothing catches it."""


class Homes:
    """A home with some finished studies, one of which is to go."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.home.mkdir()
        empty_record(self.home)
        new_store(self.home)
        for name in NAMES:
            self.fill(name)

    def site(self, name: str = "study") -> Site:
        return resolve(Options(home=str(self.home)), name)

    def fill(self, name: str) -> None:
        data = saddle_spec(name, trials=1)
        if name.endswith(".confirm"):
            data["arms"] = {f"{arm}-0": space for arm, space in data["arms"].items()}
        spec = Spec.model_validate(data)
        site = self.site(name)
        ledger = Ledger(site.places.record)
        ledger.store_spec(name, spec.model_dump(mode="json"))
        publication = publication_of(ledger, name)
        site.remember(name, publication.identity())
        conductor = Conductor(spec, ledger, site.places)
        publishing = Publishing(publication, site.places, conductor)
        conductor.observe(publishing)
        while (assignment := conductor.next()) is not None:
            samples = Path(assignment.folder) / "samples"
            samples.mkdir(parents=True)
            (samples / "00000040.png").write_bytes(b"a grid")
            measured = (Measurement(step=40, score=1.0, time=1e9),)
            conductor.turn(
                assignment.identity, Turn(step=40, steps=40, measurements=measured, finished=True)
            )
        assert publishing.close(60) == 0
        ledger.close()

    @property
    def store(self) -> MlflowClient:
        return client(f"sqlite:///{self.home}/mlflow.db")

    def there(self) -> dict[str, list[str]]:
        """The names of the studies that each place knows."""
        ledger = Ledger(f"sqlite:///{self.home}/record.db")
        record = sorted({n.split("/")[0] for n in optuna.get_all_study_names(ledger.storage)})
        ledger.close()
        experiments = self.store.search_experiments(ViewType.ALL)
        return {
            "record": record,
            "mlflow": sorted(e.name for e in experiments if e.name != "Default"),
            "checkpoints": sorted(f.name for f in (self.home / "checkpoints").iterdir()),
            "memory": sorted(f.stem for f in (self.home / "studies").glob("*.json")),
        }


@pytest.fixture
def homes(tmp_path: Path) -> Homes:
    return Homes(tmp_path)


def gone() -> dict[str, list[str]]:
    left = ["Study", "study2"]
    return {"record": left, "mlflow": left, "checkpoints": left, "memory": left}


@pytest.mark.slow
def test_all_of_a_study_goes_and_nothing_else_and_its_name_is_free(homes: Homes) -> None:
    files = set((homes.home / "artifacts").rglob("*.png"))
    runs = [r.info.run_id for r in search(homes, "study") + search(homes, "study.confirm")]
    extent = module.extent("study", homes.site())
    assert (extent.studies, extent.trials) == (("study", "study.confirm"), 4)
    assert product.delete("study", home=str(homes.home)) == []
    assert homes.there() == gone()
    assert {f.name for f in (homes.home / "artifacts").iterdir()}.isdisjoint(runs)
    kept = set((homes.home / "artifacts").rglob("*.png"))
    assert len(files) == 8
    assert len(kept) == 4
    for run in runs:
        with pytest.raises(Exception, match="not found"):
            homes.store.get_run(run)
    homes.fill("study")
    assert {r.info.run_id for r in search(homes, "study")}.isdisjoint(runs)


def search(homes: Homes, name: str) -> list[Run]:
    experiment = homes.store.get_experiment_by_name(name)
    assert experiment is not None
    return list(homes.store.search_runs([experiment.experiment_id]))


@pytest.mark.slow
@pytest.mark.parametrize("kill", range(1, 8))
def test_a_deletion_that_was_cut_off_is_finished_by_the_next(
    homes: Homes, monkeypatch: pytest.MonkeyPatch, kill: int
) -> None:
    passed: list[str] = []

    def point(name: str) -> None:
        passed.append(name)
        if len(passed) == kill:
            raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(module, "point", point)
        try:
            product.delete("study", home=str(homes.home))
        except Killed:
            pass
        else:
            pytest.fail(f"it has only {len(passed)} points")
    if passed[-2:] != ["delete-record", "delete-record"]:  # else nothing of it is there any more
        with pytest.raises(UserError, match="finish it with `ttur delete study`"):
            product.sync("study", home=str(homes.home))
        with pytest.raises(UserError, match="finish it with `ttur delete study`"):
            product.resume("study", home=str(homes.home))
        assert product.delete("study", home=str(homes.home)) == []
        assert homes.there()["memory"] == ["Study", "study2"]
    found = homes.there()
    assert {place: found[place] for place in ("record", "mlflow", "checkpoints")} == {
        place: names for place, names in gone().items() if place != "memory"
    }


@pytest.mark.slow
def test_what_cannot_be_deleted_whole_is_left_whole(
    homes: Homes, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = homes.there()
    experiment = homes.store.get_experiment_by_name("study.confirm").experiment_id
    stray = homes.store.create_run(experiment).info.run_id
    with pytest.raises(UserError, match="holds 1 runs that are not of this record's study"):
        product.delete("study", home=str(homes.home))
    assert homes.there() == before
    homes.store.delete_run(stray)
    homes.store._tracking_client.store._hard_delete_run(stray)

    places = {"tracking": "http://127.0.0.1:9"}  # nothing listens there
    with pytest.raises(TrackingError):
        product.delete("study", home=str(homes.home), places=places)
    assert homes.there() == before
    ledger = Ledger(f"sqlite:///{homes.home}/record.db")
    assert not publication_of(ledger, "study").deleting

    lease = Lease(ledger.engine, "study.confirm")
    lease.acquire(lambda: None, lambda: None)
    with pytest.raises(StudyBusy, match="already being run"):
        product.delete("study", home=str(homes.home))
    lease.release()
    ledger.close()
    assert homes.there() == before
    assert product.sync("study", home=str(homes.home)) == 0
