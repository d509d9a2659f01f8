"""What a submission would run, and what it refuses; tests/cluster submits to real clusters."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ray.job_submission import JobStatus
from support.secrets import WITH_SECRETS

from study.engine import jobs
from study.engine.job_driver import begun
from study.errors import UserError
from study.places.locations import Options
from study.spec.model import Spec

UNUSED = "http://127.0.0.1:9"


@pytest.fixture
def spec() -> Spec:
    arm: dict[str, Any] = {"space": "one_timescale", "trials": 1, "b": [1e-3, 1e-2]}
    return Spec.model_validate({"name": "s", "trial": {"kind": "saddle"}, "arms": {"one": arm}})


@pytest.fixture(autouse=True)
def no_locations(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in jobs.ENVIRONMENT.values():
        monkeypatch.delenv(variable, raising=False)


def test_only_what_was_stated_here_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TTUR_RECORD", "postgresql+psycopg://ttur@10.0.0.10/ttur")
    monkeypatch.setenv("TTUR_CACHE", "/home/me/cache")  # a folder of this machine, not of the nodes
    command = jobs._entrypoint(jobs._stated({"checkpoints": "/srv/with space", "tracking": None}))

    assert command == (
        "python -m study.engine.job_driver launch spec.yaml --address auto "
        '--home "${TTUR_HOME:-$HOME/ttur-home}" '
        "--record=postgresql+psycopg://ttur@10.0.0.10/ttur --checkpoints='/srv/with space'"
    )


RECORD = "postgresql+psycopg://ttur@10.0.0.10/ttur"
TRACKING = "http://10.0.0.10:5000"
THERE = '--home "${TTUR_HOME:-$HOME/ttur-home}"'


def test_a_record_that_was_not_stated_is_asked_after_where_the_job_runs(spec: Spec) -> None:
    """It is in a home there, which a command typed here would not find."""
    lines = jobs.next_lines(spec, Options(address=UNUSED, home="/home/me/here"))
    assert lines[0] == f"Next: ttur status s {THERE}    ttur stop s {THERE}"
    assert lines[1:] == [
        "Its record and MLflow are kept by the machine that runs the job ($TTUR_HOME there, or ~/ttur-home; "
        "--home is of this machine): ask there, or name places that this machine reaches as well "
        "(--record, --tracking)."
    ]


@pytest.mark.parametrize("how", ["flag", "environment", "spec"])
def test_a_record_that_was_stated_is_asked_after_from_here(
    spec: Spec, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the spec states is said as a flag, as nothing on this machine remembers it."""
    places = {"record": RECORD, "tracking": TRACKING}
    options = Options(address=UNUSED, given=places if how == "flag" else {})
    if how == "spec":
        spec = spec.model_copy(update={"storage": spec.storage.model_copy(update=places)})
    if how == "environment":
        monkeypatch.setenv("TTUR_RECORD", RECORD)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", TRACKING)
    flags = "" if how == "environment" else f" --record={RECORD} --tracking={TRACKING}"
    assert jobs.next_lines(spec, options) == [f"Next: ttur status s{flags}    ttur stop s{flags}"]


def test_an_mlflow_that_was_not_stated_is_said(spec: Spec) -> None:
    lines = jobs.next_lines(spec, Options(address=UNUSED, given={"record": RECORD}))
    assert lines[0] == f"Next: ttur status s --record={RECORD}    ttur stop s --record={RECORD}"
    assert lines[1].startswith(
        "Its MLflow is kept by the machine that runs the job ($TTUR_HOME there, or ~"
    )
    assert lines[1].endswith("reaches as well (--tracking).")


def test_a_location_with_a_password_is_refused_without_showing_it(spec: Spec) -> None:
    places = {"record": "postgresql+psycopg://ttur:planted-secret@10.0.0.10/ttur"}
    with pytest.raises(UserError, match="record holds a password") as refused:
        jobs.submit(spec, Options(address=UNUSED, given=places))
    assert "planted-secret" not in str(refused.value)


@pytest.mark.parametrize("url", WITH_SECRETS)
@pytest.mark.parametrize("name", jobs.ENVIRONMENT)
def test_no_secret_of_a_url_goes_into_a_job(spec: Spec, name: str, url: str) -> None:
    with pytest.raises(UserError, match=f"{name} holds a password") as refused:
        jobs.submit(spec, Options(address=UNUSED, given={name: url}))
    assert "planted" not in str(refused.value)


def test_the_password_of_a_job_server_is_not_shown(spec: Spec) -> None:
    with pytest.raises(UserError, match=r"--address http://me:\*\*\*@127.0.0.1:9: ") as refused:
        jobs.submit(spec, Options(address="http://me:planted@127.0.0.1:9"))
    assert "planted" not in str(refused.value)
    assert refused.value.__suppress_context__


def test_an_address_where_nobody_answers_is_one_sentence(spec: Spec) -> None:
    with pytest.raises(UserError, match=f"--address {UNUSED}: the job server cannot be used"):
        jobs.submit(spec, Options(address=UNUSED))


def test_a_module_that_is_not_there_is_refused(spec: Spec) -> None:
    with pytest.raises(UserError, match=r"module nowhere: there is no such folder or \.py file"):
        jobs.submit(spec, Options(address=UNUSED, modules=("nowhere",)))


def test_modules_lie_beside_the_spec_that_goes_with_the_job(
    spec: Spec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[set[str]] = []

    def submit(client: object, job: str, entrypoint: str, environment: dict[str, Any]) -> bool:
        assert "py_modules" not in environment, "Ray's client fails at a single file"
        folder = Path(environment["working_dir"])
        sent.append({str(f.relative_to(folder)) for f in folder.rglob("*") if f.is_file()})
        return False

    monkeypatch.setattr(jobs, "_client", lambda address: None)
    monkeypatch.setattr(jobs, "_submit_once", submit)
    monkeypatch.chdir(tmp_path)
    for name in ("mine.py", "notes.txt", "pack/__init__.py", "pack/in/it.py", "pack/__pycache__/x"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    jobs.submit(spec, Options(address=UNUSED, modules=("mine.py", "./pack/", "mine.py")))
    assert sent == [{jobs.SPEC_FILE, "mine.py", "pack/__init__.py", "pack/in/it.py"}]
    (tmp_path / "other.py").symlink_to("mine.py")
    (tmp_path / "pack" / "to_nothing").symlink_to("nowhere")
    jobs.submit(spec, Options(address=UNUSED, modules=("other.py", "pack/in/..")))
    assert sent[1] == {jobs.SPEC_FILE, "other.py", "pack/__init__.py", "pack/in/it.py"}
    with pytest.raises(UserError, match=r"notes\.txt: there is no such folder or \.py file"):
        jobs.submit(spec, Options(address=UNUSED, modules=("notes.txt",)))


def test_two_modules_of_one_name_are_refused(spec: Spec, tmp_path: Path) -> None:
    paths = [tmp_path / "one" / "mine.py", tmp_path / "two" / "mine.py"]
    for path in paths:
        path.parent.mkdir()
        path.touch()
    with pytest.raises(
        UserError, match=r"--module .*two/mine\.py: .*one/mine\.py has the same name"
    ):
        jobs.submit(spec, Options(address=UNUSED, modules=tuple(map(str, paths))))


class Server:
    """A job server that answers each question about a job with the next of its states."""

    def __init__(self, *states: tuple[JobStatus, str], answers: bool = True) -> None:
        self.states = list(states)
        self.answers = answers
        self.now = states[0]

    def get_job_status(self, job: str) -> JobStatus:
        self.now = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        return self.now[0]

    def get_job_logs(self, job: str) -> str:
        if not self.answers:
            raise RuntimeError("no agent")
        return self.now[1]

    def get_job_info(self, job: str) -> SimpleNamespace:
        return SimpleNamespace(message=self.now[1])


PENDING, RUNNING = (JobStatus.PENDING, ""), (JobStatus.RUNNING, "Running entrypoint")
FAILED = (JobStatus.FAILED, "exit code 1:\npython: No module named 'study'\n")
BEGUN = (JobStatus.RUNNING, f"Running entrypoint\nINFO: {begun('new')}\n")


def await_start(server: Server, monkeypatch: pytest.MonkeyPatch, seconds: float = 60) -> None:
    monkeypatch.setattr(jobs, "START_SECONDS", seconds)
    monkeypatch.setattr(jobs, "LOOK_SECONDS", 0)
    jobs._await_start(server, "ttur-s", "new")  # type: ignore[arg-type]


def test_a_job_has_started_when_its_driver_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    before = (JobStatus.RUNNING, f"INFO: {begun('old')}\n")  # Ray goes on with the log of that name
    server = Server(PENDING, RUNNING, before, BEGUN, FAILED)
    await_start(server, monkeypatch)
    assert server.states == [FAILED], "it asked on"


def test_a_job_whose_command_fails_at_once_is_not_called_submitted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said = "the job ttur-s failed: python: No module named 'study'; see: ray job logs ttur-s"
    with pytest.raises(RuntimeError, match=f"^{said}$"):
        await_start(Server(PENDING, RUNNING, FAILED), monkeypatch)


@pytest.mark.parametrize("end", [JobStatus.SUCCEEDED, JobStatus.STOPPED])
def test_a_job_that_has_ended_well_had_started(
    end: JobStatus, monkeypatch: pytest.MonkeyPatch
) -> None:
    await_start(Server(RUNNING, (end, "")), monkeypatch)


def test_a_job_that_waits_too_long_is_said_and_one_that_runs_silently_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(RuntimeError, match=r"the job ttur-s has not started within 0\.05 s"):
        await_start(Server(PENDING), monkeypatch, seconds=0.05)
    await_start(Server(RUNNING), monkeypatch, seconds=0.05)
    await_start(Server(BEGUN, answers=False), monkeypatch, seconds=0.05)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("http://h:8265", True),
        ("https://h", True),
        ("auto", False),
        ("h:6379", False),
        (None, False),
    ],
)
def test_what_counts_as_a_job_server(address: str | None, expected: bool) -> None:
    assert Options(address=address).submits is expected
