"""Homes with finished studies, which nothing was run for."""

from __future__ import annotations

from pathlib import Path

import optuna
from mlflow import MlflowClient
from mlflow.entities import ViewType

from study.driver.beginning import publication_of
from study.driver.publishing import Publishing
from study.places.home import resolve
from study.places.locations import Options, Site
from study.record.database import Ledger
from study.search.conductor import Conductor
from study.spec.model import Spec
from study.tracking.store import client
from support.mlflow import new_store
from support.study import empty_record, saddle_spec
from trainables.protocol import Measurement
from trainables.run import Turn

NAMES = ("study", "study.confirm", "study2", "Study")


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


def gone() -> dict[str, list[str]]:
    left = ["Study", "study2"]
    return {"record": left, "mlflow": left, "checkpoints": left, "memory": left}
