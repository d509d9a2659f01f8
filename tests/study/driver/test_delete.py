"""A study is deleted whole or not at all, whenever it is cut off, and nothing of anybody else's goes."""

from __future__ import annotations

from pathlib import Path

import pytest
from mlflow.entities import Run
from support.homes import Homes, gone

import study as product
from study.driver import delete as module
from study.driver.beginning import publication_of
from study.errors import StudyBusy, UserError
from study.record.database import Ledger
from study.record.lease import Lease
from study.tracking.store import TrackingError


class Killed(BaseException):
    """Nothing catches it."""


@pytest.fixture
def homes(tmp_path: Path) -> Homes:
    return Homes(tmp_path)


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
@pytest.mark.parametrize(
    "kill",
    [
        number if number in (1, 4, 7) else pytest.param(number, marks=pytest.mark.exhaustive)
        for number in range(1, 8)
    ],
)
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
    assert homes.there() == gone()
    with pytest.raises(UserError, match="study is not a study in this record"):
        product.delete("study", home=str(homes.home))


@pytest.mark.slow
def test_what_cannot_be_deleted_whole_is_left_whole(
    homes: Homes, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = homes.there()
    experiment = homes.store.get_experiment_by_name("study.confirm").experiment_id
    stray = homes.store.create_run(experiment).info.run_id
    with pytest.raises(UserError, match="holds 1 run not of this record's study"):
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
