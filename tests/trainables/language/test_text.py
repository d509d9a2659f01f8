"""Preparing text: lines, characters and n-grams, and one clear sentence for what cannot be used."""

from __future__ import annotations

import gzip
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from trainables.data.errors import DataError
from trainables.data.store import Progress
from trainables.language import text
from trainables.language.text import PADDING, UNKNOWN, load_text
from trainables.settings.language import LanguageSettings
from trainables.settings.text import TextSettings

LINES = ["Der Bär liest.", "an apple a day keeps", "", "   ", "the doctor away", "zz`top", "a" * 40]


def settings(path: Path, **more: int) -> TextSettings:
    return TextSettings(path=str(path), **more)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "lines.txt"
    path.write_text("\n".join(LINES), encoding="utf-8")
    return path


def test_lines_are_cut_padded_and_indexed_by_frequency(file: Path, tmp_path: Path) -> None:
    data = load_text(settings(file, line_length=16, vocabulary=10), tmp_path / "cache")
    expected = [line[:16].ljust(16, PADDING) for line in LINES if line.strip()]
    counts = Counter("".join(expected))
    ranked = sorted(counts, key=lambda character: (-counts[character], character))[:9]
    assert data.characters == UNKNOWN + "".join(ranked)
    index = {character: place for place, character in enumerate(ranked, start=1)}
    assert data.tokens.tolist() == [[index.get(c, 0) for c in line] for line in expected]
    shown = ["".join(c if c in index else UNKNOWN for c in line) for line in expected]
    assert data.decode(data.tokens) == [line.rstrip(PADDING) for line in shown]


def test_a_byte_order_mark_is_no_character(file: Path, tmp_path: Path) -> None:
    marked = tmp_path / "marked.txt"
    marked.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    data = load_text(settings(marked), tmp_path / "cache")
    assert "\N{ZERO WIDTH NO-BREAK SPACE}" not in data.characters
    assert data.fingerprint == load_text(settings(file), tmp_path / "cache").fingerprint


def test_the_tables_hold_every_window(file: Path, tmp_path: Path) -> None:
    data = load_text(settings(file, line_length=8), tmp_path)
    for n, table in enumerate(data.tables, start=1):
        windows = Counter(
            tuple(line[i : i + n]) for line in data.tokens.tolist() for i in range(8 - n + 1)
        )
        assert table.total == windows.total() == table.counts.sum()
        assert sorted(table.counts.tolist()) == sorted(windows.values())


def test_a_gzip_file_and_a_folder_give_the_same_text(file: Path, tmp_path: Path) -> None:
    plain = load_text(settings(file), tmp_path / "cache")
    packed = tmp_path / "lines.txt.gz"
    packed.write_bytes(gzip.compress(file.read_bytes()))
    folder = tmp_path / "folder" / "deep"
    folder.mkdir(parents=True)
    content = file.read_text(encoding="utf-8").splitlines(keepends=True)
    (folder / "part-1").write_text("".join(content[:3]), encoding="utf-8")
    (folder / "part-2").write_text("".join(content[3:]), encoding="utf-8")
    (folder / ".hidden").write_bytes(b"\xff\xfe")
    for path in (packed, tmp_path / "folder"):
        assert load_text(settings(path), tmp_path / "cache").fingerprint == plain.fingerprint


def test_of_one_billion_words_only_the_training_part_is_read(tmp_path: Path) -> None:
    root = tmp_path / "1-billion-word-language-modeling-benchmark-r13output"
    training, held_out = root / text.BILLION_WORDS, root / "heldout-monolingual.tokenized.shuffled"
    for folder, content in ((training, "the training part\n" * 3), (held_out, "held out\n")):
        folder.mkdir(parents=True)
        (folder / "news.en-00001-of-00100").write_text(content)
    data = load_text(settings(root), tmp_path / "cache")
    assert data.decode(data.tokens) == ["the training part"] * 3


@pytest.mark.parametrize("at_once", [1, 2, 100])
def test_the_text_does_not_depend_on_how_it_is_read(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    expected = load_text(settings(file, limit=4), tmp_path / "one")
    monkeypatch.setattr(text, "_LINES_AT_ONCE", at_once)
    other = load_text(settings(file, limit=4), tmp_path / "other")
    assert other.fingerprint == expected.fingerprint
    assert len(other.tokens) == 4
    for table, same in zip(other.tables, expected.tables, strict=True):
        assert np.array_equal(table.codes, same.codes)
        assert np.array_equal(table.counts, same.counts)


def test_it_is_prepared_once_and_again_when_the_file_changes(file: Path, tmp_path: Path) -> None:
    seen: list[Progress] = []
    first = load_text(settings(file), tmp_path, seen.append)
    assert {progress.what for progress in seen} == {
        "reading lines",
        "writing lines",
        "counting n-grams",
    }
    seen.clear()
    again = load_text(settings(file), tmp_path, seen.append)
    assert not seen
    assert again.fingerprint == first.fingerprint
    assert isinstance(again.tokens, np.memmap)
    file.write_text("now something else\nfor once\n")
    os.utime(file, ns=(1, 1))
    assert load_text(settings(file), tmp_path, seen.append).fingerprint != first.fingerprint
    assert seen


def test_a_preparation_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    bad = tmp_path / "bad.txt"
    bad.write_bytes(b"fine\nfine\n\xff\xfe\n")
    with pytest.raises(DataError):
        load_text(settings(bad), tmp_path / "cache")
    left = [path.name for path in (tmp_path / "cache" / "data").iterdir()]
    assert [name for name in left if not name.endswith(".lock")] == []


def test_what_a_killed_process_left_is_removed(file: Path, tmp_path: Path) -> None:
    load_text(settings(file), tmp_path / "cache")
    (folder,) = (tmp_path / "cache" / "data").glob("text-*")
    folder.rename(folder.with_name(f".{folder.name}.killed"))
    load_text(settings(file), tmp_path / "cache")
    assert [one for one in folder.parent.iterdir() if one.is_dir()] == [folder]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc/self/fd")
def test_all_of_it_is_on_the_disk_before_it_has_its_name(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: set[str] = set()
    monkeypatch.setattr(
        os, "fsync", lambda number: synced.add(Path(f"/proc/self/fd/{number}").readlink().name)
    )
    data = load_text(settings(file), tmp_path / "cache")
    assert synced == {path.name for path in data.folder.iterdir()}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "nothing is there"),
        (b"", "0 lines of text"),
        (b"\n  \n", "0 lines of text"),
        (b"one line only\n", "1 line of text"),
        (b"caf\xe9\nau lait\n", "not UTF-8 text"),
        (b"a\0b\nc\n", "holds the character NUL"),
    ],
)
def test_what_is_no_text_gives_one_sentence(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    path = tmp_path / "given.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        load_text(settings(path), tmp_path / "cache")
    assert "given.txt" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_broken_gzip_file_and_an_empty_folder_give_one_sentence(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gz"
    broken.write_bytes(gzip.compress(b"some line of text\n" * 100)[:-20])
    with pytest.raises(DataError, match=r"broken\.gz cannot be read"):
        load_text(settings(broken), tmp_path / "cache")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(DataError, match="a folder without files"):
        load_text(settings(empty), tmp_path / "cache")


def test_a_damaged_cache_is_named(file: Path, tmp_path: Path) -> None:
    load_text(settings(file), tmp_path / "cache")
    (folder,) = (tmp_path / "cache" / "data").glob("text-*")
    (folder / "tokens.npy").write_bytes(b"")
    with pytest.raises(DataError, match="is damaged"):
        load_text(settings(file), tmp_path / "cache")


def test_settings_say_what_is_still_to_prepare(file: Path, tmp_path: Path) -> None:
    def wanted(path: Path) -> list[str]:
        data = {"kind": "language", "data": str(path), "steps": 1, "evaluate_every": 1}
        steps = LanguageSettings.model_validate(data).preparation(str(tmp_path / "cache"))
        return [step.text for step in steps]

    assert "convert the text" in wanted(file)[0]
    load_text(settings(file), tmp_path / "cache")
    assert wanted(file) == []
    assert "put it there" in wanted(tmp_path / "absent")[0]


def test_the_bundled_text_is_pythons_reference_and_needs_no_file(tmp_path: Path) -> None:
    bundled = TextSettings(path="pydoc")
    assert text.preparation(bundled, tmp_path) == [
        "convert the text of Python's language reference"
    ]
    assert list(tmp_path.iterdir()) == []
    data = load_text(bundled, tmp_path)
    assert text.preparation(bundled, tmp_path) == []
    assert len(data.tokens) > 5000
    assert 'The "assert" statement' in data.decode(data.tokens)
    assert load_text(bundled, tmp_path).fingerprint == data.fingerprint


def test_the_bundled_text_is_prepared_by_the_first_trial(tmp_path: Path) -> None:
    spec = {"kind": "language", "data": "pydoc", "steps": 1, "evaluate_every": 1}
    (step,) = LanguageSettings.model_validate(spec).preparation(str(tmp_path))
    assert step.automatic
