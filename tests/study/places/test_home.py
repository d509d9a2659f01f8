from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.secrets import WITH_SECRETS

from study.errors import UserError
from study.ground.credentials import holds_secret
from study.places.home import Home
from study.places.locations import ENVIRONMENT
from study.record.database import Ledger
from study.spec import user_code
from study.spec.model import Storage
from study.tracking.store import client


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    for variable in (*ENVIRONMENT.values(), "TTUR_HOME"):
        monkeypatch.delenv(variable, raising=False)
    return Home(str(tmp_path / "home"))


def test_by_default_everything_is_below_the_home_folder(home: Home) -> None:
    places = home.places("x", {})
    assert places.record == f"sqlite:///{home.path}/record.db"
    assert places.tracking == f"sqlite:///{home.path}/mlflow.db"
    assert places.artifacts == f"{home.path}/artifacts"
    assert places.folder("x", "one", 3) == f"{home.path}/checkpoints/x/one/00003"


def test_the_home_folder_is_given_set_or_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TTUR_HOME", raising=False)
    assert Home().path == tmp_path / "ttur-home"
    monkeypatch.setenv("TTUR_HOME", "elsewhere")
    assert Home().path == tmp_path / "elsewhere"
    assert Home("given").path == tmp_path / "given"


def test_a_flag_counts_before_the_spec_the_environment_and_the_last_launch(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.remember("x", home.places("x", {"checkpoints": "/remembered"}))
    assert home.places("x", {}).checkpoints == "/remembered"
    assert home.places("y", {}).checkpoints == f"{home.path}/checkpoints"
    monkeypatch.setenv("TTUR_CHECKPOINTS", "/environment")
    assert home.places("x", {}).checkpoints == "/environment"
    stated = Storage(checkpoints="/spec")
    assert home.places("x", {}, stated).checkpoints == "/spec"
    assert home.places("x", {"checkpoints": "/flag"}, stated).checkpoints == "/flag"


def test_a_relative_folder_becomes_absolute_and_a_uri_stays(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert home.places("x", {"checkpoints": "c"}).checkpoints == str(tmp_path / "c")
    assert home.places("x", {"checkpoints": "s3://b/c"}).folder("x", "o", 0) == "s3://b/c/x/o/00000"


def test_a_tracking_server_has_a_place_for_artifacts_of_its_own(home: Home) -> None:
    assert home.places("x", {"tracking": "http://127.0.0.1:5000"}).artifacts is None
    flags = {"tracking": "http://127.0.0.1:5000", "artifacts": "s3://bucket"}
    assert home.places("x", flags).artifacts == "s3://bucket"


def test_a_password_is_not_remembered(home: Home) -> None:
    home.remember("x", home.places("x", {"record": "postgresql://me:hunter2@host/db"}))
    assert all("hunter2" not in path.read_text() for path in home.path.rglob("*.json"))
    assert home.places("x", {}).record == f"sqlite:///{home.path}/record.db"


@pytest.mark.parametrize(
    ("url", "secret"),
    [
        (None, False),
        ("/a/path:b@c", False),
        ("postgresql://me@host/db", False),
        ("postgresql://host:5432/db", False),
        ("postgresql://me:pw@host/db", True),
    ],
)
def test_what_holds_a_password(url: str | None, secret: bool) -> None:
    assert holds_secret(url) is secret


def test_a_torn_memory_is_none(home: Home) -> None:
    home.remember("x", home.places("x", {"checkpoints": "/remembered"}))
    memory = home.path / "studies" / "x.json"
    memory.write_text(memory.read_text()[:20])
    assert home.places("x", {}).checkpoints == f"{home.path}/checkpoints"


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".x", "x" * 101])
def test_a_name_cannot_leave_the_folder(home: Home, name: str) -> None:
    with pytest.raises(UserError, match="is not the name of a study"):
        home.remember(name, home.places(None, {}))


def test_a_home_can_be_moved(home: Home, tmp_path: Path) -> None:
    home.remember("x", home.places("x", {"tracking": "http://127.0.0.1:5000"}))
    home.path.rename(tmp_path / "moved")
    found = Home(str(tmp_path / "moved")).places("x", {})
    assert found.record == f"sqlite:///{tmp_path}/moved/record.db"
    assert found.checkpoints == f"{tmp_path}/moved/checkpoints"
    assert found.tracking == "http://127.0.0.1:5000"


def test_a_memory_of_an_earlier_version_does_not_lead_to_another_home(home: Home) -> None:
    memory = home.path / "studies" / "x.json"
    memory.parent.mkdir(parents=True)
    old = {name: f"/old/{name}" for name in ("artifacts", "checkpoints", "cache")}
    old |= {"record": "sqlite:////old/record.db", "tracking": "http://127.0.0.1:5000"}
    memory.write_text(json.dumps(old))
    found = home.places("x", {})
    assert found.record == f"sqlite:///{home.path}/record.db"
    assert found.cache == f"{home.path}/cache"
    assert found.tracking == "http://127.0.0.1:5000"


@pytest.mark.parametrize("text", [b"[]", b"3", b"\xff\xfe", b"{", b'{"places": 3}', b"[" * 9999])
def test_a_memory_that_is_none_of_ours_is_none(home: Home, text: bytes) -> None:
    memory = home.path / "studies" / "x.json"
    memory.parent.mkdir(parents=True)
    memory.write_bytes(text)
    assert home.places("x", {}) == home.places(None, {})


def test_a_relative_place_of_a_study_stays_where_its_launch_put_it(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    stated = Storage(record="sqlite:///r.db", tracking="sqlite:///m.db", checkpoints="c")
    for folder in (here, there):
        folder.mkdir()
    monkeypatch.chdir(here)
    first = home.places("x", {}, stated)
    assert first.record == f"sqlite:///{here}/r.db"
    assert first.checkpoints == f"{here}/c"
    home.remember("x", first)
    monkeypatch.chdir(there)
    assert home.places("x", {}) == home.places("x", {}, stated) == first
    assert home.places("x", {}, Storage(checkpoints="d")).checkpoints == f"{there}/d"
    assert home.places("x", {"checkpoints": "c"}).checkpoints == f"{there}/c"


def test_where_code_was_imported_from_is_remembered(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(user_code, "_allowed", [str(tmp_path)])
    monkeypatch.setattr(user_code, "_noted", [])
    home.remember("x", home.places("x", {}))
    home.places("x", {})
    assert user_code._noted == [str(tmp_path)]


@pytest.mark.parametrize("name", ["a%20b", "a?b"])
def test_a_path_that_no_sqlite_url_can_hold_is_refused(tmp_path: Path, name: str) -> None:
    home = Home(str(tmp_path / name))
    with pytest.raises(UserError, match=r"has a \? or % in its path"):
        home.places("x", {})
    flags = {"record": "postgresql://host/db", "tracking": "http://127.0.0.1:5000"}
    assert home.places("x", flags).cache == f"{tmp_path}/{name}/cache"


@pytest.mark.parametrize("below", ["", "/deeper/home"])
def test_a_home_that_is_a_file_is_refused(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="file is not a folder; give another --home"):
        Home(f"{tmp_path}/file{below}")


def test_a_home_that_cannot_be_written_to_is_a_warning(
    home: Home, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError("Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    home.remember("x", home.places("x", {"checkpoints": "/elsewhere"}))
    assert "where x is cannot be remembered: Permission denied" in caplog.text


def test_where_a_study_is_is_known_whenever_a_launch_is_killed(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGKILL between the bytes of the new memory and its name; the exception stands for it."""
    home.remember("x", home.places("x", {"checkpoints": "/first"}))
    seen: list[str] = []

    def killed(_: int) -> None:
        seen.append(home.places("x", {}).checkpoints)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", killed)
        with pytest.raises(KeyboardInterrupt):
            home.remember("x", home.places("x", {"checkpoints": "/second"}))
    assert seen == ["/first"]
    assert home.places("x", {}).checkpoints == "/first"
    home.remember("x", home.places("x", {"checkpoints": "/second"}))
    assert home.places("x", {}).checkpoints == "/second"
    assert [path.name for path in (home.path / "studies").iterdir()] == ["x.json"]


@pytest.mark.parametrize("url", WITH_SECRETS)
def test_no_secret_of_a_url_is_remembered(home: Home, url: str) -> None:
    home.remember("x", home.places("x", dict.fromkeys(ENVIRONMENT, url)))
    assert all("planted" not in path.read_text() for path in home.path.rglob("*.json"))


@pytest.mark.slow  # MLflow makes its tables
def test_a_path_of_other_characters_is_the_same_to_every_store(tmp_path: Path) -> None:
    home = Home(str(tmp_path / "a b#ä&'@:"))
    places = home.places("x", {})
    Ledger(places.record).close()
    experiment = client(places.tracking).create_experiment("x", places.artifacts)
    run = client(places.tracking).create_run(experiment)
    client(places.tracking).log_text(run.info.run_id, "text", "file.txt")
    files = {path.name for path in home.path.rglob("*") if path.is_file()}
    # MLflow keeps its connection, and SQLite its log beside the file.
    logs = {"mlflow.db-wal", "mlflow.db-shm"}
    assert files - logs == {"record.db", "mlflow.db", "file.txt"}
