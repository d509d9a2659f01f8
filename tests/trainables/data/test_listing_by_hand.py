"""Which files of a folder are data, and what the others are counted as, on folders that are made by hand."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from trainables.data.errors import DataError
from trainables.data.listing import (
    files_in,
    image_suffixes,
    images_in,
    is_hidden,
    is_image,
    members_in,
    old_images_in,
)


def make(folder: Path, *names: str) -> Path:
    for name in names:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    return folder


def below(folder: Path, files: list[Path]) -> list[str]:
    return [str(file.relative_to(folder)) for file in files]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


def test_files_are_in_the_order_of_their_paths_below_the_folder(root: Path) -> None:
    make(root, "b", "a/b", "a.png", "a/c/d", "A", "ab/c")
    found = files_in(root)
    assert below(root, found.files) == ["A", "a.png", "a/b", "a/c/d", "ab/c", "b"]
    assert (found.left_out, found.rest) == ({}, [])


def test_what_is_hidden_is_counted_file_by_file(root: Path, tmp_path: Path) -> None:
    outside = make(tmp_path / "outside", "x", "y")
    make(root, "a", ".b", ".git/c", ".git/d/e", "f/Thumbs.db", "f/@eaDir/g", "__MACOSX/h", "f/i")
    (root / ".link").symlink_to(outside)
    found = files_in(root)
    assert below(root, found.files) == ["a", "f/i"]
    assert found.left_out == {"hidden": 7}


@pytest.mark.parametrize(
    ("name", "hidden"),
    [
        *((name, True) for name in (".a", "@eaDir", "__MACOSX", "$RECYCLE.BIN", "#recycle")),
        *((name, True) for name in ("System Volume Information", "lost+found", "desktop.ini")),
        *((name, False) for name in ("a.b", "eaDir", "thumbs.db.png", "recycle", "a.")),
    ],
)
def test_which_names_are_hidden(name: str, hidden: bool) -> None:
    assert is_hidden(name) is hidden


def test_a_folder_that_is_linked_is_read_once_by_the_first_link(root: Path, tmp_path: Path) -> None:
    outside = make(tmp_path / "outside", "x", "deep/y")
    make(root, "m/a")
    for link in ("c", "b", "m/d"):
        (root / link).symlink_to(outside)
    (outside / "e").symlink_to(outside / "deep")
    found = files_in(root)
    assert below(root, found.files) == ["b/deep/y", "b/x", "m/a"]
    assert found.left_out == {"folders linked twice": 3}


def test_a_folder_that_is_inside_is_read_at_its_own_place_and_loops_end(root: Path) -> None:
    make(root, "z/a", "y/b")
    (root / "a").symlink_to(root / "z")
    (root / "y" / "up").symlink_to(root)
    found = files_in(root)
    assert below(root, found.files) == ["y/b", "z/a"]
    assert found.left_out == {"folders linked twice": 2}


def test_links_within_what_is_linked_are_followed_too(root: Path, tmp_path: Path) -> None:
    make(tmp_path / "two", "x")
    make(tmp_path / "one", "y")
    (tmp_path / "one" / "a").symlink_to(tmp_path / "two")
    (root / "l").symlink_to(tmp_path / "one")
    (root / "k").symlink_to(tmp_path / "two")
    found = files_in(root)
    assert below(root, found.files) == ["k/x", "l/y"]
    assert found.left_out == {"folders linked twice": 1}


def test_links_to_files_are_files_as_are_those_to_nothing(root: Path, tmp_path: Path) -> None:
    make(tmp_path, "real")
    (root / "a").symlink_to(tmp_path / "real")
    (root / "b").symlink_to(tmp_path / "gone")
    (root / "c").symlink_to(root / "c")
    (root / "d").symlink_to(tmp_path / "real" / "below a file")
    found = files_in(root)
    assert below(root, found.files) == ["a", "b", "c", "d"]
    assert found.left_out == {}


def test_what_is_no_file_is_counted(root: Path) -> None:
    os.mkfifo(root / "a")
    os.mkfifo(root / "b")
    os.mkfifo(root / ".c")
    assert files_in(root).left_out == {"special files": 2, "hidden": 1}


def test_what_cannot_be_looked_into_is_refused(root: Path) -> None:
    (root / "a").symlink_to("b" * 300)
    with pytest.raises(DataError) as refused:
        files_in(root)
    assert str(refused.value) == (
        f"{root / 'a'} cannot be looked into (File name too long); let it be read, or move it away"
    )
    with pytest.raises(DataError, match=r"gone cannot be looked into \(No such file"):
        files_in(root / "gone")


def test_a_hidden_folder_need_not_be_looked_into(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(root, "a", "lost+found/b", ".c/lost/d", ".c/e")
    listed = os.scandir

    def locked(folder: Any) -> Iterator[os.DirEntry[str]]:
        if "lost" in Path(folder).name:
            raise PermissionError(13, "Permission denied", str(folder))
        return listed(folder)

    monkeypatch.setattr(os, "scandir", locked)
    found = files_in(root)
    assert below(root, found.files) == ["a"]
    assert found.left_out == {"hidden": 3}
    make(root, "lost and open/x")
    with pytest.raises(DataError, match=r"lost and open cannot be looked into \(Permission"):
        files_in(root)


def test_images_are_known_by_their_suffix_and_the_others_counted_by_theirs(root: Path) -> None:
    make(root, "a.PNG", "b/c.jfif", "d.txt", "b/e.TXT", "README", "f.csv", "b/g.eps", ".h.png")
    found = images_in(root)
    assert below(root, found.files) == ["a.PNG", "b/c.jfif"]
    assert found.left_out == {
        ".txt files": 2,
        ".csv files": 1,
        ".eps files": 1,
        "files without a suffix": 1,
        "hidden": 1,
    }
    assert below(root, found.rest) == ["README", "b/e.TXT", "b/g.eps", "d.txt", "f.csv"]
    assert below(root, found.others(".txt")) == ["b/e.TXT", "d.txt"]
    assert found.others(".zip") == []


def test_which_suffixes_pillow_makes_pixels_of() -> None:
    taken = {".png", ".jpg", ".jpeg", ".jfif", ".webp", ".tif", ".tga", ".pnm", ".gif", ".bmp"}
    assert taken <= image_suffixes()
    # Written but not read, read by another program, and not there.
    assert not {".pdf", ".palm", ".eps", ".wmf", ".grib", ".h5", ".mpg", ""} & image_suffixes()
    assert (is_image("x/a.Png"), is_image("png"), is_image("a.png.txt")) == (True, False, False)


def test_the_members_of_an_archive_are_taken_as_files_are() -> None:
    names = ["b.png", "./a.JPG", "../c/d.png", ".e/f.png", "g/.h.png", "__MACOSX/g.png", "k.txt"]
    names += ["l", "./.m.png", "n/o.txt", "n/p.png"]
    taken, left_out = members_in(names)
    assert taken == ["b.png", "./a.JPG", "../c/d.png", "n/p.png"]
    assert left_out == {"hidden": 4, ".txt files": 2, "files without a suffix": 1}


def test_by_the_earlier_rules_few_suffixes_are_read_hidden_folders_too_and_no_links(
    root: Path, tmp_path: Path
) -> None:
    known = ["png", "jpg", "jpeg", "bmp", "webp", "tif", "tiff", "ppm", "pgm", "gif"]
    make(root, *(f"x/{i}.{suffix}" for i, suffix in enumerate(known)))
    make(root, "a.PNG", ".git/b.png", ".c.png", "d.jfif", "e.txt", "png")
    (root / "link").symlink_to(make(tmp_path / "outside", "f.png"))
    found = old_images_in(root)
    assert below(root, found.files) == [
        ".git/b.png",
        "a.PNG",
        *(f"x/{i}.{suffix}" for i, suffix in enumerate(known)),
    ]
    assert (found.left_out, found.rest) == ({}, [])


@pytest.mark.parametrize("listing", [images_in, old_images_in])
def test_what_is_no_folder_is_refused_by_its_whole_path(
    listing: Any, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(make(root, "file"))
    for name in ("file", "gone"):
        with pytest.raises(DataError) as refused:
            listing(Path(name))
        assert str(refused.value) == (
            f"data.path is {str(root / name)!r}, which is not a folder; check the path"
        )
