"""What deploy/watchdog.sh does about a head and a study; tests/cluster lets it bring up a real head.

The record, ``ttur status`` and the head's port are real; of `ray up` and `ttur launch` only the call is.
"""

from __future__ import annotations

import fcntl
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from support.postgres import DEPLOY
from support.processes import wait_until
from support.study import empty_record, saddle_spec

from study.record.database import Ledger
from study.spec.reader import parse_spec

pytestmark = pytest.mark.slow

PROGRAM = """#!/bin/sh
echo "{name} $*" >>"{calls}"
if [ "$1" = status ]; then exec "{python}" -m study.cli "$@"; fi
"""
PORT = 8265
STATUS = "ttur status little --json"


@dataclass(frozen=True)
class Watch:
    """A person's machine with a timer, and a head that is an address of the loopback network."""

    folder: Path
    head: str

    @property
    def launch(self) -> str:
        return f"ttur launch {self.folder}/spec.yaml --address http://{self.head}:{PORT}"

    @property
    def up(self) -> str:
        return "ray up --yes cluster.yaml"

    def start(self, pause: float = 0.5) -> subprocess.Popen[str]:
        environment = os.environ | {
            "HOME": str(self.folder),
            "PATH": f"{self.folder}/bin:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "TTUR_HEAD": self.head,
            "TTUR_RECORD": f"sqlite:///{self.folder}/record.db",
            "TTUR_WATCHDOG_PAUSE": str(pause),
        }
        return subprocess.Popen(
            [DEPLOY / "watchdog.sh", "cluster.yaml", str(self.folder / "spec.yaml")],
            cwd=DEPLOY.parent,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def calls(self) -> list[str]:
        """Lets the watchdog look once and returns what it called."""
        process = self.start()
        said, _ = process.communicate(timeout=120)
        assert process.returncode == 0, said
        return (self.folder / "calls").read_text().splitlines()

    def store(self, trials: int) -> None:
        spec = parse_spec(saddle_spec(trials=trials)).model_dump(mode="json")
        ledger = Ledger(f"sqlite:///{self.folder}/record.db")
        ledger.store_spec("little", spec)
        ledger.close()


@pytest.fixture
def watch(tmp_path: Path) -> Watch:
    (tmp_path / "bin").mkdir()
    for name in ("ray", "ttur"):
        program = tmp_path / "bin" / name
        program.write_text(
            PROGRAM.format(name=name, calls=tmp_path / "calls", python=sys.executable)
        )
        program.chmod(0o755)
    empty_record(tmp_path)
    # Budgets of nothing: such a study is finished as soon as it is stored.
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump(saddle_spec(trials=0)))
    return Watch(tmp_path, f"127.{os.getpid() % 250 + 1}.82.65")


@contextmanager
def listening(head: str) -> Iterator[None]:
    """A head whose port takes connections and never answers: as busy as can be."""
    with socket.create_server((head, PORT)):
        yield


def test_a_head_that_is_gone_is_brought_up_and_the_study_launched(watch: Watch) -> None:
    assert watch.calls() == [STATUS, watch.up, watch.launch]


def test_a_head_that_does_not_answer_is_not_restarted(watch: Watch) -> None:
    with listening(watch.head):
        assert watch.calls() == [STATUS, watch.launch]


def test_a_head_that_comes_back_by_itself_is_not_restarted(watch: Watch) -> None:
    slept = watch.folder / "slept"
    sleep = watch.folder / "bin" / "sleep"
    sleep.write_text(f'#!/bin/sh\ntouch {slept}\nexec /bin/sleep "$@"\n')
    sleep.chmod(0o755)
    process = watch.start(pause=2)
    wait_until("it tries again", slept.exists, process)
    with listening(watch.head):
        said, _ = process.communicate(timeout=120)
    assert process.returncode == 0, said
    assert (watch.folder / "calls").read_text().splitlines() == [STATUS, watch.launch]


def test_a_finished_study_is_left_alone_even_if_its_head_was_taken_down(watch: Watch) -> None:
    watch.store(trials=0)
    assert watch.calls() == [STATUS]


def test_a_study_whose_file_asks_for_more_than_the_record_is_launched(watch: Watch) -> None:
    watch.store(trials=0)
    (watch.folder / "spec.yaml").write_text(yaml.safe_dump(saddle_spec(trials=3)))
    with listening(watch.head):
        assert watch.calls() == [STATUS, watch.launch]


def test_an_unfinished_study_is_launched(watch: Watch) -> None:
    watch.store(trials=3)
    (watch.folder / "spec.yaml").write_text(yaml.safe_dump(saddle_spec(trials=3)))
    with listening(watch.head):
        assert watch.calls() == [STATUS, watch.launch]


def test_two_timers_take_turns(watch: Watch) -> None:
    (watch.folder / ".ttur").mkdir()
    with (watch.folder / ".ttur" / f"watchdog-{watch.head}.lock").open("w") as first:
        fcntl.flock(first, fcntl.LOCK_EX)
        second = watch.start()
        with pytest.raises(subprocess.TimeoutExpired):
            second.wait(timeout=4)
        assert not (watch.folder / "calls").exists()
    said, _ = second.communicate(timeout=120)
    assert second.returncode == 0, said
    assert (watch.folder / "calls").read_text().splitlines() == [STATUS, watch.up, watch.launch]
