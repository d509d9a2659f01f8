from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from trainables.folder import Folder


@pytest.fixture(params=["disk", "object store"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Folder]:
    if request.param == "disk":
        yield Folder(str(tmp_path / "deep" / "er"))
        return
    yield Folder("memory://bucket/trials/0")
    fsspec.filesystem("memory").store.clear()


def test_what_was_written_is_read(folder: Folder) -> None:
    assert not folder.exists("a")
    folder.write("a", b"one")
    folder.write("a", b"two")
    assert folder.read("a") == b"two"
    assert folder.exists("a")


def test_a_file_grows(folder: Folder) -> None:
    folder.append("lines", b"1\n")
    folder.append("lines", b"2\n")
    assert folder.read("lines") == b"1\n2\n"


def test_names_are_sorted_and_a_folder_that_is_not_there_has_none(folder: Folder) -> None:
    assert folder.names() == []
    for name in ("b", "a", "c"):
        folder.write(name, b"")
    assert folder.names() == ["a", "b", "c"]


def test_removing_twice_is_removing_once(folder: Folder) -> None:
    folder.write("a", b"")
    folder.remove("a")
    folder.remove("a")
    assert folder.names() == []


def test_a_missing_file_is_said_to_be_missing(folder: Folder) -> None:
    with pytest.raises(FileNotFoundError):
        folder.read("a")


def test_a_write_that_fails_changes_nothing_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Folder(str(tmp_path))
    folder.write("a", b"old")

    def full(_: int) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        folder.write("a", b"new")
    assert folder.names() == ["a"]
    assert folder.read("a") == b"old"


def test_two_hosts_with_the_same_process_number_write_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second one begins and ends while the first one is at its write."""
    real, begun = os.fsync, list[str]()

    def interrupted(descriptor: int) -> None:
        if not begun:
            begun.extend(Folder(str(tmp_path)).names())
            Folder(str(tmp_path)).write("a", b"the second one's, which is longer")
        real(descriptor)

    monkeypatch.setattr("os.fsync", interrupted)
    Folder(str(tmp_path)).write("a", b"the first one's")
    assert Folder(str(tmp_path)).names() == ["a"]
    assert Folder(str(tmp_path)).read("a") == b"the first one's"
    Path(tmp_path, *begun).write_bytes(b"half")
    Folder(str(tmp_path)).remove_partial()
    assert Folder(str(tmp_path)).names() == ["a"]


def test_what_a_killed_writer_left_is_removed(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path))
    folder.write("a", b"kept")
    (tmp_path / ".checkpoint-1.pt.4711.partial").write_bytes(b"half")
    folder.remove_partial()
    assert folder.names() == ["a"]
