"""What a study stands on goes away: the disk is full, MLflow is down, PostgreSQL is restarted."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from click.testing import CliRunner
from support.postgres import Postgres, private_postgres
from support.processes import end_hard, ended, wait_until
from support.server import TrackingServer
from support.study import ARMS, Place, assert_whole, saddle_spec, slow_saddle

from study.cli.verbs import cli
from study.driver import mending

pytestmark = pytest.mark.faults

PLANTED = "planted-Pa55word-of-MLflow"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path) -> None:
    """Writes until there is no space left."""
    written = 0
    with suppress(OSError), (folder / "filler").open("wb", buffering=0) as file:
        while True:
            written += file.write(bytes(4096))
    assert written > 0


def test_a_full_disk_costs_checkpoints_and_no_trial(tmp_path: Path, small_disk: Path) -> None:
    place = Place(tmp_path)
    spec = saddle_spec(trials=1, trial=slow_saddle(3.0))
    fill(small_disk)
    said = place.ttur("launch", str(place.write(spec)), "--checkpoints", str(small_disk))
    assert "no checkpoint was written at step 10: [Errno 28] No space left on device" in said
    assert_whole(place, "little", 1)


def _ended(place: Place) -> int:
    return sum(place.states("little", arm)["COMPLETE"] for arm in ARMS)


def test_mlflow_is_away_at_the_start_in_the_middle_and_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = TrackingServer(tmp_path)
    place = Place(tmp_path, {"MLFLOW_TRACKING_URI": server.uri})
    spec = str(place.write(saddle_spec(trials=3)))
    place.hold(10)
    process = place.start("launch", spec)
    try:
        place.wait_for_checkpoints("little", 10, 2, process)
        server.start()
        wait_until("runs are there", lambda: _runs(place) == 2, process)
        server.kill()
        place.let_go()
        said = ended(process)
        assert process.returncode == 0, said
        assert "; when it is back: ttur sync little" in said
        assert "MLflow cannot be read now" in said
        assert _ended(place) == 6
        # In this process, as the time that it waits for MLflow is a constant.
        monkeypatch.setattr(mending, "CLOSE_SECONDS", 5.0)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
        refused = CliRunner().invoke(cli, ["sync", "little", "--home", str(place.home)])
        assert refused.exit_code == 1
        assert "could not be published" in str(refused.exception)
        server.start()
        assert "MLflow has every trial of little" in place.ttur("sync", "little")
        assert_whole(place, "little", 3)
        before = _rows(place)
        place.ttur("sync", "little")
        place.ttur("launch", spec)
        assert _rows(place) == before
    finally:
        end_hard(process)
        server.kill()


def _runs(place: Place) -> int:
    try:
        return len(place.runs("little"))
    except AssertionError:
        return 0


def _rows(place: Place) -> list[object]:
    store = place.store()
    found: list[object] = []
    for run in sorted(
        place.runs("little") + place.runs("little", "arm"), key=lambda r: str(r.info.run_id)
    ):
        found.append((dict(run.info), run.data.tags, run.data.params, run.data.metrics))
        found.append(
            [(p.step, p.timestamp) for p in store.get_metric_history(run.info.run_id, "score")]
        )
    return found


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with private_postgres() as server:
        yield server


@pytest.fixture
def scratch_of_ray() -> Iterator[Path]:
    """A folder with a short path, as the names of sockets are bounded."""
    with tempfile.TemporaryDirectory(prefix="ttur-ray-", dir="/tmp") as folder:
        yield Path(folder)


@pytest.mark.parametrize("told_by", ["url", pytest.param("file", marks=pytest.mark.exhaustive)])
def test_postgresql_is_restarted_in_the_middle_and_no_password_is_left_anywhere(
    postgres: Postgres,
    tmp_path: Path,
    scratch_of_ray: Path,
    monkeypatch: pytest.MonkeyPatch,
    told_by: str,
) -> None:
    study, in_url = f"by-{told_by}", told_by == "url"
    if not in_url:
        monkeypatch.setenv("PGPASSFILE", str(postgres.passfile))
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "ttur")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", PLANTED)
    record = postgres.url(password=postgres.password if in_url else None)
    place = Place(tmp_path, {"TTUR_RECORD": record, "RAY_TMPDIR": str(scratch_of_ray)})
    spec = str(place.write(saddle_spec(study, trials=2)))
    said = _launch_and_restart(postgres, place, study, spec)
    assert_whole(place, study, 2)
    said += place.ttur("status", study) + str(place.json("best", study))
    kept = postgres.dump()
    assert study in kept
    for secret in (postgres.password, PLANTED):
        assert secret not in said
        assert secret not in kept
        assert _files_with(secret.encode(), tmp_path, scratch_of_ray) == []


def _launch_and_restart(postgres: Postgres, place: Place, study: str, spec: str) -> str:
    """Launches a study to its end, with PostgreSQL away in the middle; returns all that was said."""
    log = place.folder / "launch.log"
    place.hold(10)
    with log.open("w") as errors:
        process = place.start("launch", spec, errors=errors)
    try:
        wait_until("both trials are recorded", lambda: _recorded(place, study, 10) == 2, process)
        postgres.stop("immediate")
        place.hold(20)
        wait_until(
            "trials go on without",
            lambda: any("-0000000020-" in path.name for path in place.checkpoints(study)),
            process,
        )
        wait_until(
            "the driver notices",
            lambda: "The record cannot be reached" in log.read_text(),
            process,
        )
        away = place.ttur("status", study, expect=1)
        assert "cannot be opened" in away
        postgres.start()
        place.let_go()
        said = ended(process)
    finally:
        end_hard(process)
    said += log.read_text()
    assert process.returncode == 0, said
    return said + away


def _recorded(place: Place, study: str, step: int) -> int:
    """Trials of which the record has the evaluation at a step."""
    trials = (trial for arm in ARMS for trial in place.trials(study, arm))
    return sum(step in trial.intermediate_values for trial in trials)


def _files_with(secret: bytes, *folders: Path) -> list[str]:
    """Files that hold a secret, pickles, databases and logs of Ray included."""
    found, read = [], 0
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file():
                read += 1
                if secret in path.read_bytes():
                    found.append(str(path))
    assert read > 20, "there is nothing to search"
    return found
