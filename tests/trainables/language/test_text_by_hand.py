"""Text, part by part: which files, which lines, what is told while it is prepared, and what is refused."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
from collections import Counter
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trainables.data.errors import DataError
from trainables.data.store import Progress
from trainables.language import bundled, text
from trainables.language.text import (
    available,
    check_text,
    find_files,
    load_text,
    preparation,
    text_folder,
)
from trainables.settings.text import TextSettings

LINES = ["one two three", "two", "", "  ", "three four five six seven", "äöü zz", "one"]
USED = [line for line in LINES if line.strip()]


def settings(path: Path, **more: Any) -> TextSettings:
    return TextSettings.model_validate({"path": str(path), "line_length": 8, **more})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "lines.txt"
    path.write_text("\n".join(LINES), encoding="utf-8")
    return path


def refused(sentence: str, error: type[Exception] = DataError) -> AbstractContextManager[object]:
    return pytest.raises(error, match=f"^{re.escape(sentence)}$")


def test_the_preparation_is_told_step_by_step_and_is_known_by_its_files(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text, "_LINES_AT_ONCE", 2)
    told: list[Progress] = []
    chosen = settings(file, limit=4)
    data = load_text(chosen, tmp_path / "cache", told.append)
    assert told == [
        Progress("reading lines", 2, 0),
        Progress("reading lines", 4, 0),
        Progress("writing lines", 2, 4),
        Progress("writing lines", 4, 4),
        *(Progress("counting n-grams", n, 6) for n in range(1, 7)),
    ]
    state = [[str(file.resolve()), file.stat().st_size, file.stat().st_mtime_ns]]
    about = {"line_length": 8, "limit": 4, "vocabulary": 2048}
    key = hashlib.sha256(json.dumps([2, about, state], sort_keys=True).encode()).hexdigest()
    assert data.folder == tmp_path / "cache" / "data" / f"text-{key[:16]}"
    assert text_folder(chosen, [file], tmp_path / "cache") == data.folder
    assert text_folder(settings(file, limit=4, rules=1), [file], tmp_path / "cache") == data.folder
    padded = [line[:8].ljust(8, "`") for line in USED[:4]]
    counts = Counter("".join(padded))
    kinds = "\N{REPLACEMENT CHARACTER}" + "".join(sorted(counts, key=lambda c: (-counts[c], c)))
    assert data.characters == kinds
    tokens = np.array([[kinds.index(c) for c in line] for line in padded], np.uint16)
    np.testing.assert_array_equal(data.tokens, tokens)
    assert data.tokens.dtype == np.uint16
    assert data.fingerprint == hashlib.sha256(kinds.encode() + tokens.tobytes()).hexdigest()
    for n, table in enumerate(data.tables, start=1):
        grams = Counter(
            tuple(line[i : i + n]) for line in tokens.tolist() for i in range(8 - n + 1)
        )
        codes = {
            sum(c * len(kinds) ** (n - 1 - i) for i, c in enumerate(g)): k for g, k in grams.items()
        }
        assert table.codes.tolist() == sorted(codes)
        assert table.counts.tolist() == [codes[code] for code in sorted(codes)]
        assert table.total == 4 * (8 - n + 1)
        assert isinstance(table.codes, np.memmap)


def test_no_more_lines_are_read_than_are_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What lies behind the limit may be anything."""
    files = [tmp_path / name for name in "abc"]
    for file, content in zip(files, (b"1\n2\n3\n", b"4\n5\n", b"\xff\n"), strict=True):
        file.write_bytes(content)
    monkeypatch.setattr(text, "_LINES_AT_ONCE", 1)
    for limit in (2, 3, 5):
        found = list(text._code_points(files, settings(tmp_path, limit=limit)))
        lines = ["".join(map(chr, line)) for part in found for line in part.tolist()]
        assert lines == [f"{n}```````" for n in range(1, limit + 1)]
    with pytest.raises(DataError, match="not UTF-8"):
        list(text._code_points(files, settings(tmp_path)))


@pytest.mark.parametrize("at_once", [1, 3, 5, 6])
def test_lists_of_lines_go_across_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(text, "_LINES_AT_ONCE", at_once)
    (tmp_path / "a").write_text("1\n2 \r\n \n")
    (tmp_path / "b.gz").write_bytes(gzip.compress(b"3X\n4\n5"))
    found = list(text._line_lists([tmp_path / "a", tmp_path / "b.gz"]))
    whole = ["1", "2 ", "3X", "4", "5"]
    assert found == [whole[at : at + at_once] for at in range(0, 5, at_once)]


def test_a_folder_is_read_in_order_and_what_is_left_out_is_counted(tmp_path: Path) -> None:
    folder = tmp_path / "text"
    for name in ("b/2", "a", "b/.hidden", ".git/config", "b/1.gz"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(
            gzip.compress(b"packed\n") if name.endswith("gz") else name.encode()
        )
    assert find_files(folder) == ([folder / "a", folder / "b/1.gz", folder / "b/2"], {"hidden": 2})
    old = [folder / ".git/config", folder / "a", folder / "b/1.gz", folder / "b/2"]
    assert find_files(folder, 1) == (old, {})
    assert find_files(folder / "a") == ([folder / "a"], {})
    data = load_text(settings(folder), tmp_path / "cache")
    assert data.decode(data.tokens) == ["a", "packed", "b/2"]
    assert data.left_out == {"hidden": 2}
    assert load_text(settings(folder), tmp_path / "cache").left_out == {"hidden": 2}
    old_data = load_text(settings(folder, rules=1), tmp_path / "cache")
    assert old_data.decode(old_data.tokens)[0] == ".git/con"
    assert old_data.left_out == {}


def test_a_folder_without_text_says_what_was_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    empty = tmp_path / "empty"
    empty.mkdir()
    start = f"data.path is {str(empty)!r}, a folder without files"
    with refused(f"{start}; put text there"):
        find_files(Path("empty"))
    (empty / ".hidden").write_text("text")
    with refused(f"{start} (1 hidden left out); put text there"):
        find_files(Path("empty"))
    with refused(
        f"data.path is {str(tmp_path / 'absent')!r}, but nothing is there; check the path"
    ):
        find_files(Path("absent"))


def test_the_training_part_of_one_billion_words_may_lie_anywhere_below(tmp_path: Path) -> None:
    name = "training-monolingual.tokenized.shuffled"
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / name).write_text("a file of that name")
    (tmp_path / "b" / name).mkdir(parents=True)
    (tmp_path / "b" / name / "news").write_text("train")
    (tmp_path / "b" / "other").write_text("held out")
    assert find_files(tmp_path) == ([tmp_path / "b" / name / "news"], {})


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"a\0b\nc\n", "{} is not text: it holds the character NUL"),
        (
            b"caf\xe9\nau lait\n",
            "{} is not UTF-8 text (invalid continuation byte); convert it first",
        ),
    ],
)
def test_what_is_not_text_is_said(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "given.txt"
    path.write_bytes(content)
    with refused(sentence.format(path)):
        load_text(settings(path), tmp_path / "cache")


def test_a_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    path = tmp_path / "given.gz"
    path.write_bytes(b"not packed\n")
    with refused(f"{path} cannot be read (Not a gzipped file (b'no')); check the file"):
        load_text(settings(path), tmp_path / "cache")
    path.write_bytes(gzip.compress(b"some line\n" * 99)[:-9])
    with pytest.raises(DataError, match="ended before the end-of-stream marker"):
        load_text(settings(path), tmp_path / "cache")
    content = bytearray(gzip.compress(os.urandom(4000)))
    content[10] = 7  # not a kind of block that there is
    path.write_bytes(bytes(content))
    with pytest.raises(DataError, match=r"cannot be read \(Error -3"):
        load_text(settings(path), tmp_path / "cache")


@pytest.mark.parametrize(
    ("content", "count"), [("", "0 lines"), (" \n", "0 lines"), ("one\n", "1 line")]
)
def test_a_text_of_one_line_is_refused(tmp_path: Path, content: str, count: str) -> None:
    path = tmp_path / "given.txt"
    path.write_text(content)
    with refused(f"data.path is {str(path)!r}, which has {count} of text; give more"):
        load_text(settings(path), tmp_path / "cache")
    path.write_text("one\ntwo\n")
    assert len(load_text(settings(path), tmp_path / "cache").tokens) == 2


def test_a_text_shorter_than_a_batch_is_refused_before_and_after_it_is_prepared(
    file: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    for _ in range(2):
        check_text(settings(file), cache, 5)
        check_text(settings(file, limit=3), cache, 3)
        with refused("batch_size is 6, but the data are 5 lines; lower it", ValueError):
            check_text(settings(file), cache, 6)
        with refused("batch_size is 4, but the data are 3 lines; lower it", ValueError):
            check_text(settings(file, limit=3), cache, 4)
        assert cache.exists() is (_ > 0)
        load_text(settings(file), cache)
        load_text(settings(file, limit=3), cache)
    check_text(TextSettings(path="pydoc"), tmp_path / "nowhere", 1000)
    with refused(
        f"batch_size is 1000000, but the data are {len(list(bundled.lines()))} lines; lower it",
        ValueError,
    ):
        check_text(TextSettings(path="pydoc"), tmp_path / "nowhere", 10**6)
    assert not (tmp_path / "nowhere").exists()


def test_a_text_is_not_read_further_than_a_batch(tmp_path: Path) -> None:
    for name, content in (("a", b"1\n2\n"), ("b", b"\xff\n")):
        (tmp_path / name).write_bytes(content)
    check_text(settings(tmp_path), tmp_path / "cache", 2)
    with pytest.raises(DataError, match="not UTF-8"):
        check_text(settings(tmp_path), tmp_path / "cache", 3)


def test_no_more_lines_are_counted_than_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundled, "topics", {"a": "1\n2\n3"})
    assert [available(TextSettings(path="pydoc"), tmp_path, most) for most in (2, 9)] == [2, 3]


def test_files_are_found_by_the_rules_that_the_study_began_with(tmp_path: Path) -> None:
    """By the first rules hidden folders were read."""
    folder, cache = tmp_path / "lines", tmp_path / "cache"
    (folder / ".hidden").mkdir(parents=True)
    (folder / "a.txt").write_text("1\n2\n")
    (folder / ".hidden" / "b.txt").write_text("3\n")
    first, newest = settings(folder, rules=1), settings(folder)
    assert [available(each, cache, 9) for each in (first, newest)] == [3, 2]
    load_text(first, cache)
    assert preparation(first, cache) == []
    assert len(preparation(newest, cache)) == 1
    load_text(newest, cache)
    assert preparation(newest, cache) == []


def test_a_prepared_text_is_not_read_again(file: Path, tmp_path: Path) -> None:
    chosen = settings(file)
    folder = load_text(chosen, tmp_path).folder
    times = file.stat()
    file.write_bytes(b"\xff" * times.st_size)
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert load_text(chosen, tmp_path).folder == folder
    check_text(chosen, tmp_path, 5)


def test_what_is_still_to_prepare_is_said(file: Path, tmp_path: Path) -> None:
    chosen = settings(file)
    folder = text_folder(chosen, [file], tmp_path)
    assert preparation(chosen, tmp_path) == [f"convert the text {file} into {folder}"]
    load_text(chosen, tmp_path)
    assert preparation(chosen, tmp_path) == []
    absent = settings(tmp_path / "absent")
    assert preparation(absent, tmp_path) == [
        f"convert the text {tmp_path / 'absent'}, once you have put it there (a UTF-8 text file, one "
        "sentence a line, or a folder of such files)"
    ]


def test_the_bundled_text_is_written_once_without_blank_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    topics = {"a": " first \n\n  \nsecond", "b": "\tthird ä\n"}
    monkeypatch.setattr(bundled, "topics", topics)
    file = bundled.written(tmp_path)
    assert file == tmp_path / "raw" / "pydoc.txt"
    assert file.read_bytes() == "first\nsecond\nthird ä".encode()
    chosen = TextSettings(path="pydoc", line_length=8)
    todo = ["convert the text of Python's language reference"]
    assert preparation(chosen, tmp_path) == todo
    data = load_text(chosen, tmp_path)
    assert data.decode(data.tokens) == ["first", "second", "third ä"]
    assert preparation(chosen, tmp_path) == []
    topics["a"] = "changed"
    assert load_text(chosen, tmp_path).fingerprint == data.fingerprint
    file.unlink()
    assert preparation(chosen, tmp_path) == todo
    assert load_text(chosen, tmp_path).fingerprint != data.fingerprint


@pytest.mark.parametrize("name", ["meta.json", "tokens.npy", "3-grams.npy"])
def test_a_damaged_folder_is_named(file: Path, tmp_path: Path, name: str) -> None:
    folder = load_text(settings(file), tmp_path).folder
    (folder / name).unlink()
    with refused(
        f"the text prepared in {folder} is damaged (No such file or directory); delete it"
    ):
        load_text(settings(file), tmp_path)
