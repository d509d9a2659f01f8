"""The engine where others had a hand in: Ray imported before, tokens, variables, closed streams."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

RAY_FIRST = """
import os
import ray
from ray._raylet import AuthenticationMode, AuthenticationTokenLoader, get_authentication_mode
from study.engine import cluster
from study.spec.model import Resources

def look(*_):
    header = AuthenticationTokenLoader.instance().get_token_for_http_header()
    assert get_authentication_mode() == AuthenticationMode.TOKEN, get_authentication_mode()
    assert os.environ["RAY_AUTH_TOKEN"] in str(header), header
    seen.append(os.environ["RAY_AUTH_TOKEN"])

seen = []
cluster._start = look
for _ in range(2):
    with cluster.cluster(None, Resources(cpus=1)):
        pass
    assert "RAY_AUTH_TOKEN" not in os.environ
assert len(set(seen)) == 2, seen
os.environ["RAY_AUTH_TOKEN"] = "f" * 64
os.environ["TUNE_RESULT_DIR"] = "set later"
with cluster.cluster(None, Resources(cpus=1)):
    pass
assert seen[-1] == os.environ["RAY_AUTH_TOKEN"] == "f" * 64
assert "TUNE_RESULT_DIR" not in os.environ
print("good")
"""


@pytest.mark.slow
def test_ray_may_be_imported_first_and_a_token_goes_with_its_engine(tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RAY_AUTH")}
    environment |= {"HOME": str(tmp_path), "TUNE_RESULT_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", RAY_FIRST],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.endswith("good\n"), done.stderr
    assert list(tmp_path.iterdir()) == [], "no token is kept in a file"


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_opened_on_nothing(tmp_path: Path, closed: str) -> None:
    script = f"""
import sys
from study.cli import _open_streams
_open_streams()
with open({str(tmp_path / "record")!r}, "w") as file:
    print("not into the record")
    print("nor this", file=sys.stderr)
    sys.stdin.read()
    assert file.fileno() > 2
    import os
    os.write(1, b"from C")
    os.write(2, b"from C")
"""
    line = ["bash", "-c", f'exec "$0" -c "$1" {closed}', sys.executable, script]
    done = subprocess.run(
        line, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "record").read_text() == ""


@pytest.mark.slow
def test_a_command_whose_streams_are_closed_ends_well(tmp_path: Path) -> None:
    line = ["bash", "-c", 'exec "$0" -m study.cli status <&- >&- 2>&-', sys.executable]
    environment = os.environ | {"TTUR_HOME": str(tmp_path)}
    assert subprocess.run(line, env=environment, check=False).returncode == 0
