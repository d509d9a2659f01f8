"""A space of the user's own, as the console script finds it: beside the spec or in the working folder."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.study import saddle_spec

from study.spec import user_code

TTUR = Path(sys.executable).with_name("ttur")
SPACE = """
from search_spaces import one_timescale
def space():
    return one_timescale(b=(1e-3, 1e-2))
"""


def spec(module: str) -> dict[str, Any]:
    return saddle_spec() | {"arms": {"one": {"space": f"{module}:space", "trials": 2}}}


def dry_run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    return subprocess.run(
        [TTUR, "launch", *words, "--dry-run"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize("place", [".", "specs"])
def test_the_console_script_finds_a_space_here_and_beside_the_spec(
    tmp_path: Path, place: str
) -> None:
    (tmp_path / "specs").mkdir()
    (tmp_path / place / "my_space.py").write_text(SPACE)
    (tmp_path / "specs" / "s.yaml").write_text(yaml.safe_dump(spec("my_space")))
    done = dry_run(tmp_path, "specs/s.yaml")
    assert done.returncode == 0, done.stderr
    assert "# one: 2 trials to run" in done.stdout


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty working folder, and nothing that other tests' specs have named."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(user_code, "_noted", [])
    monkeypatch.setattr(user_code, "_allowed", [])


@pytest.mark.usefixtures("alone")
def test_nothing_is_on_the_path_for_a_spec_without_code(tmp_path: Path) -> None:
    user_code.note("specs")
    user_code.allow(saddle_spec())
    assert user_code.import_path() == []
    assert str(tmp_path) not in sys.path
    user_code.allow(spec("my_space"))
    user_code.allow(spec("my_space"))
    assert user_code.import_path() == [str(tmp_path), str(tmp_path / "specs")]
    assert sys.path[:2] == user_code.import_path()
    assert sys.path.count(str(tmp_path)) == 1


@pytest.mark.usefixtures("alone")
def test_networks_of_the_users_own_go_to_the_workers(tmp_path: Path) -> None:
    user_code.allow({"trial": {"networks": {"name": "mine.networks:pair"}}, "arms": {}})
    assert str(tmp_path) in user_code.import_path()


@pytest.mark.usefixtures("alone")
def test_what_was_imported_from_beside_a_spec_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Packages as a whole, and modules; not what lies deeper (an environment)."""
    files = {
        "sent_alone.py": "import sent_package.inner, sent_spaceless.inner, sent_installed",
        "sent_package/__init__.py": "",
        "sent_package/inner.py": "",
        "sent_spaceless/inner.py": "",
        "sent_never.py": "",
        ".venv/sent_installed.py": "",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path / ".venv"))
    importlib.import_module("study")
    assert user_code.modules() == []
    user_code.allow({"trial": {"loss": "sent_alone:pair"}, "arms": {}})
    importlib.import_module("sent_alone")
    sent = {str(tmp_path / name) for name in ("sent_alone.py", "sent_package", "sent_spaceless")}
    assert set(user_code.modules()) == sent
    for name in ("alone", "package", "spaceless", "installed"):
        del sys.modules[f"sent_{name}"]


def test_the_product_is_not_sent_from_a_developers_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(user_code, "_allowed", [str(Path(user_code.__file__).parents[2])])
    importlib.import_module("trainables.kinds")
    assert not [path for path in user_code.modules() if Path(path).name in user_code._OURS]
