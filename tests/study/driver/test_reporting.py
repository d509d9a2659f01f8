"""The report that the end of a launch puts into MLflow: once for each state, and made up for when cut off."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.here import run_here
from support.study import saddle_spec

from study import api
from study.driver import reporting
from study.driver.beginning import publication_of
from study.driver.reporting import Reported, report
from study.driver.session import Stop
from study.page import report as page
from study.record.database import Ledger
from study.tracking.store import TrackingError

pytestmark = pytest.mark.slow


def test_a_report_is_logged_once_for_each_state_and_never_fails_a_launch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = run_here(saddle_spec(trials=2), tmp_path / "home")
    spec, places, said = api.read_spec(saddle_spec(trials=2)), site.places, list[str]()
    ledger = Ledger(places.record)

    def made(stop: Stop) -> Reported:
        return report(spec, ledger, places, stop, said.append)

    # Asked to stop: nothing is made, and the next end makes up for it.
    stop = Stop()
    stop("ttur stop asked for it")
    assert made(stop) == Reported(lacking="MLflow has not got the report: ttur stop asked for it")
    assert said == []
    # MLflow is away, and then whatever may go wrong.
    for error in (TrackingError("it is away"), ZeroDivisionError()):

        def away(*_: object, error: Exception = error, **__: object) -> None:
            raise error

        monkeypatch.setattr(page, "log", away)
        assert made(Stop()).lacking.startswith("MLflow has not got the report: ")
    assert publication_of(ledger, "little").reported() is None
    monkeypatch.undo()

    found = made(Stop())
    assert found.lacking == ""
    assert found.comparison is not None
    assert (
        found.comparison.to_json() == api.compare("little", home=str(tmp_path / "home")).to_json()
    )
    pages = list(Path(places.artifacts or tmp_path / "home").rglob("report.html"))
    assert len(pages) == 2  # one an arm
    assert all("little" in each.read_text() for each in pages)
    # The same state again: nothing is done.
    said.clear()
    assert made(Stop()) == Reported()
    assert said == []
    # Another store has no report: `sync` publishes there, and the report with the rest.
    publication_of(ledger, "little").moved_to("another store")
    assert publication_of(ledger, "little").reported() is None
    ledger.close()
    for each in pages:
        each.unlink()
    assert api.sync("little", home=str(tmp_path / "home")) == 0
    assert all(each.exists() for each in pages)


def test_a_report_that_hangs_is_left_to_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    stop, going = Stop(), threading.Event()

    def hangs() -> Reported:
        stop("SIGTERM")
        going.wait(60)
        return Reported()

    assert reporting._within(hangs, stop).lacking == "MLflow has not got the report: SIGTERM"
    monkeypatch.setattr(reporting, "REPORT_SECONDS", 0.0)
    found = reporting._within(lambda: Reported(lacking=str(going.wait(60))), Stop())
    assert found.lacking == "MLflow has not got the report: it took longer than 0 s"
    going.set()
