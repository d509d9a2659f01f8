"""MLflow's page and optuna-dashboard, served by ``ttur ui``, show the study in a real browser."""

from __future__ import annotations

import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from mlflow.entities import Run
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver
from support.browser import script, until
from support.postgres import free_port
from support.processes import end_hard, ended
from support.study import Place

pytestmark = pytest.mark.browser


@contextmanager
def served(place: Place, *words: str, path: str = "/") -> Iterator[str]:
    """Serves a page by ``ttur ui`` and gives its address."""
    port = free_port()
    process = place.start("ui", "--port", str(port), *words)
    address = f"http://127.0.0.1:{port}"

    def up() -> bool:
        assert process.poll() is None, process.communicate()
        try:
            with urllib.request.urlopen(address + path, timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    try:
        until(f"{address} answers", up, seconds=240)
        yield address
    finally:
        # MLflow's server leads a session of its own, and ends with `ttur ui` only if that can end it.
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            ended(process, timeout=60)
        end_hard(process)


@pytest.fixture(scope="module")
def mlflow(studied: Place, page: Path) -> Iterator[str]:
    """MLflow's page on the study, whose report has been made."""
    with served(studied, path="/health") as address:
        yield address


def text(driver: WebDriver) -> str:
    return driver.find_element(By.TAG_NAME, "body").text


def of_run(mlflow: str, run: Run, part: str = "") -> str:
    return f"{mlflow}/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}{part}"


def visit(driver: WebDriver, address: str) -> None:
    """Loads a page from its beginning: another part behind # alone would only tell the page that is there."""
    driver.get("about:blank")
    driver.get(address)


def best(place: Place) -> Run:
    return min(place.runs("little"), key=lambda run: run.data.metrics["best_score"])


def test_mlflow_names_the_study_its_arms_and_trials(
    driver: WebDriver, mlflow: str, studied: Place
) -> None:
    visit(driver, f"{mlflow}/#/experiments")
    until("the study", lambda: {"little", "little.confirm"} <= set(text(driver).split()))
    run = best(studied)
    visit(driver, f"{mlflow}/#/experiments/{run.info.experiment_id}/runs")
    until("the arms", lambda: {"one_timescale", "two_timescale"} <= set(text(driver).split()))
    visit(driver, of_run(mlflow, run))
    arm, number = run.data.tags["arm"], run.data.tags["number"]
    until("the trial", lambda: f"{arm}/{number}" in text(driver))
    until("its arm above it", lambda: "Parent run" in text(driver))
    links = [a.text for a in driver.find_elements(By.TAG_NAME, "a")]
    assert arm in links


def test_mlflow_draws_the_curve_of_a_trial(driver: WebDriver, mlflow: str, studied: Place) -> None:
    visit(driver, of_run(mlflow, best(studied), "/model-metrics"))
    until("the chart of the best score", lambda: "best_score" in text(driver))
    until(
        "a line", lambda: driver.find_elements(By.CSS_SELECTOR, "svg.main-svg .scatterlayer path")
    )


def test_mlflow_shows_the_samples_of_a_trial(
    driver: WebDriver, mlflow: str, studied: Place
) -> None:
    run = best(studied)
    step = int(run.data.metrics["best_step"])
    visit(driver, of_run(mlflow, run, f"/artifacts/samples/samples-{step:08d}.png"))

    def shown() -> bool:
        images = driver.find_elements(By.CSS_SELECTOR, "img")
        sizes = [script(driver, "arguments[0].naturalWidth", image) for image in images]
        return 8 * 36 in sizes

    until("the picture of 8 x 8 digits", shown)


def test_mlflow_shows_the_report_drawn(driver: WebDriver, mlflow: str, studied: Place) -> None:
    run = studied.runs("little", "arm")[0]
    visit(driver, of_run(mlflow, run, "/artifacts/report.html"))
    frame = until("the frame", lambda: driver.find_elements(By.CSS_SELECTOR, "iframe"))[0]
    driver.switch_to.frame(frame)
    try:
        until("the charts", lambda: script(driver, "document.documentElement.dataset.drawn"))
        assert driver.find_element(By.TAG_NAME, "h1").text == "little"
        assert driver.find_elements(By.CSS_SELECTOR, "#chart-plane .scatterlayer path.point")
    finally:
        driver.switch_to.default_content()


def test_optunas_dashboard_opens_the_record(driver: WebDriver, studied: Place) -> None:
    with served(studied, "--dashboard", path="/api/studies") as address:
        visit(driver, f"{address}/dashboard")
        until(
            "both arms",
            lambda: all(
                f"little/{arm}" in text(driver) for arm in ("one_timescale", "two_timescale")
            ),
        )
