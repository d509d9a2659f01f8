"""What a trial's process prints is kept in its folder: from Python, from C, from its children, capped."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from trainables.printed import HEAD_BYTES, TAIL_BYTES, Printed


def log(folder: Path) -> str:
    return (folder / "log.txt").read_text()


def test_python_c_and_children_are_taken_in_order_and_passed_on(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    printed = Printed(str(tmp_path))
    with printed.taken():
        os.write(1, b"from C\n")
        subprocess.run([sys.executable, "-c", "print('a child')"], check=True)
        os.write(2, b"an error\n")
    printed.write()
    assert log(tmp_path) == "from C\na child\nan error\n"
    assert capfd.readouterr().out == log(tmp_path), "and where it would have gone"


def test_what_python_holds_back_belongs_to_the_trial_that_printed_it(tmp_path: Path) -> None:
    script = f"""
from trainables.printed import Printed
for name in "ab":
    printed = Printed({str(tmp_path)!r} + "/" + name)
    print("between")
    with printed.taken():
        print("inside", name)
    printed.write()
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert log(tmp_path / "a") == "inside a\n"
    assert log(tmp_path / "b") == "inside b\n"
    assert done.stdout == "between\ninside a\nbetween\ninside b\n"


@pytest.mark.parametrize("turns", [1, 40])
def test_the_first_and_the_last_of_much_are_kept(
    tmp_path: Path, turns: int, capfd: pytest.CaptureFixture[str]
) -> None:
    lines = [f"line {number:06d}\n".encode() for number in range(40_000)]
    printed = Printed(str(tmp_path))
    size = len(lines) // turns
    for turn in range(turns):
        with printed.taken():
            os.write(1, b"".join(lines[turn * size : (turn + 1) * size]))
        printed.write()
    capfd.readouterr()
    whole, kept = b"".join(lines), (tmp_path / "log.txt").read_bytes()
    assert kept.startswith(whole[:HEAD_BYTES])
    assert kept.endswith(whole[-TAIL_BYTES:])
    left_out = len(whole) - HEAD_BYTES - TAIL_BYTES
    assert kept[HEAD_BYTES:-TAIL_BYTES] == f"\n[… {left_out} bytes are left out here …]\n".encode()


def test_a_later_process_of_the_trial_adds_to_its_log(tmp_path: Path) -> None:
    for word in (b"one\n", b"two\n"):
        printed = Printed(str(tmp_path))
        with printed.taken():
            os.write(1, word)
        printed.write()
    assert log(tmp_path) == "one\ntwo\n"


def test_what_is_printed_before_an_error_is_kept(tmp_path: Path) -> None:
    printed = Printed(str(tmp_path))

    def run() -> None:
        with printed.taken():
            os.write(1, b"before\n")
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        run()
    printed.write()
    assert log(tmp_path) == "before\n"


def test_nothing_printed_makes_nothing_and_a_full_disk_ends_nothing(tmp_path: Path) -> None:
    printed = Printed(str(tmp_path / "none"))
    with printed.taken():
        pass
    printed.write()
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").touch()
    blocked = Printed(str(tmp_path / "file"))
    with blocked.taken():
        os.write(1, b"word\n")
    blocked.write()


def test_writes_are_not_more_often_than_said(tmp_path: Path) -> None:
    printed = Printed(str(tmp_path))
    for word in (b"one\n", b"two\n"):
        with printed.taken():
            os.write(1, word)
        printed.write(at_once=False)
    assert log(tmp_path) == "one\n"
    printed.write()
    assert log(tmp_path) == "one\ntwo\n"


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&- <&-"])
def test_closed_streams_are_no_obstacle(tmp_path: Path, closed: str) -> None:
    script = f"""
from trainables.printed import Printed
printed = Printed({str(tmp_path)!r})
for _ in range(2):
    with printed.taken():
        open("/dev/null").close()
    printed.write()
"""
    line = ["bash", "-c", f'exec "$0" -c "$1" {closed}', sys.executable, script]
    assert subprocess.run(line, check=False).returncode == 0
