"""A spec's own modules are sent to a running cluster: to its workers, or to a job (``--module``)."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.cluster import BIN
from support.postgres import free_port
from support.processes import end_hard, wait_until

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

PACKAGE = {
    "mine/__init__.py": "",
    "mine/games.py": '''
from mine import settings
import beside

class Falling:
    """x falls from 1 by the share b at each step; its score is |x|."""

    def __init__(self, settings, parameters, context):
        print("imported from", beside.__file__)
        self.settings, self.rate, self.step, self.x = settings, parameters.b, 0, beside.START
        self.score_name = settings.score_name

    @property
    def finished(self):
        return self.step >= self.settings.steps

    def advance(self, pause=lambda: False):
        from trainables.protocol import Measurement

        self.x -= self.rate * self.x
        self.step += 1
        return Measurement(step=self.step, score=abs(self.x))

    def save(self):
        return {"step": self.step, "x": self.x}

    def load(self, state):
        self.step, self.x = state["step"], state["x"]

    def artifacts(self):
        return {}

def falling():
    return settings.Falls, Falling
''',
    "mine/settings.py": """
from trainables.settings.base import TrialSettings

class Falls(TrialSettings):
    kind: str

    @property
    def score_name(self):
        return "distance"
""",
    "beside.py": "START = 1.0\n",
    "own.yaml": """
name: own
trial: {kind: "mine.games:falling", steps: 3, evaluate_every: 1}
arms:
  one_timescale: {space: one_timescale, trials: 2, b: [1.0e-3, 1.0e-1]}
stopping: {rule: none}
""",
}

INSIDE = 'mount -t tmpfs tmpfs "$1" && cp -r "$2/." "$1" && cd "$1" && shift 2 && exec "$@"'
"""Files that only the driver sees: its folder is a mount of its own."""


Ttur = Callable[..., subprocess.CompletedProcess[str]]


@dataclass(frozen=True)
class Head:
    """Where Ray's head is, where its job server, and the environment of who may use it."""

    address: str
    jobs: str
    variables: dict[str, str]


@pytest.fixture(scope="module")
def head() -> Iterator[Head]:
    """Ray on one host, started before any file of the study is there."""
    port, jobs_port = free_port(), free_port()
    folder = tempfile.mkdtemp(prefix="ttur-ray-", dir="/tmp")
    variables = os.environ | {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    variables |= {"RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1"}
    variables |= {"TTUR_HOME": f"{folder}/home"}  # of a job's driver
    variables |= {"PATH": f"{BIN}:{os.environ['PATH']}"}  # its command is `python`
    command = [BIN / "ray", "start", "--head", "--block", "--num-cpus=1"]
    command += ["--node-ip-address=127.0.0.1", f"--port={port}"]
    command += ["--dashboard-host=127.0.0.1", f"--dashboard-port={jobs_port}"]
    command += ["--include-dashboard=true", "--object-store-memory=80000000"]
    with Path(folder, "said").open("wb") as said:
        process = subprocess.Popen(
            [*command, f"--temp-dir={folder}/ray"],
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
            text=True,
        )
    try:
        wait_until(
            "Ray runs", lambda: "Ray runtime started" in Path(said.name).read_text(), process
        )
        yield Head(f"127.0.0.1:{port}", f"http://127.0.0.1:{jobs_port}", variables)
    finally:
        end_hard(process)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def hidden(tmp_path: Path) -> Path:
    """A folder in which only the launch sees the study's files."""
    made = tmp_path / "hidden"
    made.mkdir()
    for name, text in PACKAGE.items():
        path = made.with_name("files") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return made


@pytest.fixture
def ttur(tmp_path: Path, hidden: Path, head: Head) -> Ttur:
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "study.cli", *words, "--home", str(tmp_path / "home")]
        files = hidden.with_name("files")
        return subprocess.run(
            ["unshare", "--mount", "sh", "-c", INSIDE, "sh", str(hidden), str(files), *command],
            env=head.variables,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

    return run


own_mount = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("unshare") is None, reason="a mount of one's own needs root"
)


@own_mount
def test_what_a_spec_names_and_what_lies_beside_it_is_sent(
    head: Head, hidden: Path, ttur: Ttur
) -> None:
    done = ttur("launch", "own.yaml", "--address", head.address)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not list(hidden.iterdir()), "the workers saw the driver's files"
    (found,) = json.loads(ttur("status", "own", "--json").stdout)["arms"].values()
    assert found["complete"] == 2
    log = ttur("logs", "own", "one_timescale/0").stdout
    assert "imported from" in log
    assert str(hidden) not in log


@own_mount
def test_a_package_and_a_module_of_one_file_go_with_a_job(
    tmp_path: Path, head: Head, hidden: Path, ttur: Ttur
) -> None:
    stores = {"record": "record.db", "tracking": "mlflow.db"}
    there = [f"--{name}=sqlite:///{tmp_path}/{file}" for name, file in stores.items()]
    there += [f"--checkpoints={tmp_path}/checkpoints"]
    own = ["--module", "mine", "--module", "beside.py"]
    submitted = ttur("launch", "own.yaml", "--address", head.jobs, *own, *there)
    assert submitted.returncode == 0, submitted.stdout + submitted.stderr
    assert not list(hidden.iterdir()), "the job saw the submitter's files"

    def complete() -> bool:
        said = ttur("status", "own", "--json", *there)
        arms = json.loads(said.stdout)["arms"] if said.returncode == 0 else {}
        return [arm["complete"] for arm in arms.values()] == [2]

    wait_until("both trials have ended", complete, seconds=300)
