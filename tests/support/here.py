"""A study that is run in this process, one trial after another: everything of a launch but Ray."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from study.api.sites import site_of
from study.driver.beginning import publication_of
from study.driver.keeping import Keeping
from study.driver.publishing import Publishing
from study.places.locations import Options, Site
from study.record.database import Ledger
from study.search.conductor import Conductor
from study.spec.model import Spec
from trainables.run import TrialRun

WAIT = 120.0


def run_here(fields: Mapping[str, Any], home: Path) -> Site:
    """Runs a study to its end: record, MLflow store and the folders of trials are as a launch leaves them.

    Args:
        fields: The spec.
        home: Folder of local state.
    """
    spec = Spec.model_validate(dict(fields))
    site = site_of(spec, Options(home=str(home)))
    home.mkdir(parents=True, exist_ok=True)
    ledger = Ledger(site.places.record)
    try:
        ledger.store_spec(spec.name, spec.model_dump(mode="json"))
        conductor = Conductor(spec, ledger, site.places)
        keeping = Keeping(spec, site.places, conductor)
        conductor.observe(keeping)
        publishing = Publishing(publication_of(ledger, spec.name), site.places, conductor)
        conductor.observe(publishing)
        while (assignment := conductor.next()) is not None:
            run = TrialRun(assignment)
            while not conductor.turn(assignment.identity, run.turn()):
                pass
        keeping.close(WAIT)
        assert publishing.close(WAIT) == 0
    finally:
        ledger.close()
    return site
