"""One little study for all tests in a browser, run once in this process, and one browser."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver.remote.webdriver import WebDriver
from support.browser import chromium, needed
from support.here import run_here
from support.study import Place, saddle_spec

from study.results.answers import compared
from study.tracking.ownership import Owner
from study.tracking.reading import record_of
from study.tracking.writer import Tracking
from study.trial import Outcome, TrialRecord
from trainables.protocol import Measurement

NAME = "little"


@pytest.fixture(scope="session")
def studied(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """GANs of a few updates on the digits, enough of them for a surface, and their confirmation."""
    needed("chromium")
    place = Place(tmp_path_factory.mktemp("browser"))
    trial = {
        "kind": "gan",
        "data": "digits",
        "networks": {"name": "dcgan", "width": 4},
        "batch_size": 16,
        "steps": 20,
        "evaluate_every": 5,
        "score": {"extractor": "digits", "samples": 100},
    }
    before = Path.cwd()
    os.chdir(place.folder)
    try:
        site = run_here(saddle_spec(NAME, trials=6) | {"trial": trial}, place.home)
    finally:
        os.chdir(before)
    confirm(place, site.places.artifacts)
    return place


def confirm(place: Place, artifacts: str | None) -> None:
    """Publishes a confirmation of the best trial of each arm, made up: the second arm is a tenth lower."""
    study = f"{NAME}.confirm"
    record = record_of(NAME, tracking_uri=place.tracking)
    assert record is not None
    writer = Tracking(place.tracking, artifacts, Owner(study=study, record=record))
    for factor, best in zip((1.0, 0.9), _bests(place), strict=True):
        for seed in range(3):
            curve = tuple(
                Measurement(
                    step=step,
                    score=factor * (200 - 4 * step + seed),
                    noise=1.0,
                    seconds=step / 10,
                    time=1.7e9 + step,
                )
                for step in (5, 10, 15, 20)
            )
            made = TrialRecord(
                study=study,
                arm=f"{best.arm}-{best.number}",
                number=seed,
                seed=seed,
                parameters=best.parameters,
                score_name=best.score_name,
                outcome=Outcome.COMPLETE,
                end_step=20,
                measurements=curve,
                started=1.7e9,
                ended=1.7e9 + 60,
            )
            writer.publish(made, fresh=True)


def _bests(place: Place) -> list[TrialRecord]:
    found = compared(NAME, tracking_uri=place.tracking)
    return [summary.best for summary in found.arms.values() if summary.best is not None]


@pytest.fixture(scope="session")
def page(studied: Place) -> Path:
    """The report of the study, as the command line writes it."""
    studied.ttur("report", NAME)
    return studied.folder / f"{NAME}-report" / "report.html"


@pytest.fixture(scope="session")
def driver() -> Iterator[WebDriver]:
    """A browser for all tests."""
    with chromium() as made:
        yield made
