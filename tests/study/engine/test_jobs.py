"""What a submission would run, and what it refuses; tests/cluster submits to real clusters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.secrets import WITH_SECRETS

from study.engine import jobs
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
