"""The state of a study, read from its record while a driver holds it and afterwards."""

from __future__ import annotations

from pathlib import Path

from support.study import empty_record, saddle_spec

from study.places.locations import Places
from study.record.database import Ledger
from study.record.lease import Lease
from study.record.status import status
from study.search.conductor import Conductor
from study.spec.model import Spec


def test_slots_are_busy_with_trials_and_the_trials_beyond_them_wait(tmp_path: Path) -> None:
    url = empty_record(tmp_path)
    spec = Spec.model_validate(saddle_spec(trials=4))
    ledger = Ledger(url)
    ledger.store_spec(spec.name, spec.model_dump(mode="json"))
    places = Places(
        record=url, tracking="", artifacts=None, checkpoints=str(tmp_path), cache=str(tmp_path)
    )
    conductor = Conductor(spec, ledger, places)
    lease = Lease(ledger.engine, spec.name)
    lease.acquire(lambda: None, lambda: None)
    try:
        (found,) = status(spec.name, url)
        assert (found.state, found.slots, found.busy) == ("running", None, None)
        conductor.room(3)
        seen = []
        for _ in range(4):
            conductor.next()
            (found,) = status(None, url)
            seen.append((found.slots, found.busy))
        assert seen == [(3, 1), (3, 2), (3, 3), (3, 3)]
        assert found.to_json()["busy"] == 3
        conductor.room(8)  # a node came
        assert (status(spec.name, url)[0].slots, status(spec.name, url)[0].busy) == (8, 4)
    finally:
        lease.release()
    (found,) = status(spec.name, url)
    assert (found.state, found.slots, found.busy) == ("interrupted", None, None)
    ledger.close()
