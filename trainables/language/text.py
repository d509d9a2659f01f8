"""Text for training and for scores: prepared at most once per node, shared by all its trials.

A prepared text is a folder with ``tokens.npy`` (lines as indices of characters), the tables of its
1- to 6-grams, and ``meta.json``; the arrays are mapped into memory, not read. It is built under a
temporary name and renamed when complete.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from trainables.counting import counted, left_out_in_words
from trainables.data import store
from trainables.data.arrays import reason
from trainables.data.errors import DataError
from trainables.data.listing import Listing, files_in
from trainables.data.store import Progress, Report, silent
from trainables.language import bundled, ngrams
from trainables.language.ngrams import NgramTable, Tokens
from trainables.settings.text import BUNDLED, LONGEST, TextSettings

PADDING = "`"
"""What fills a line up (the published code's choice); it is a character like any other."""

UNKNOWN = "\N{REPLACEMENT CHARACTER}"
"""How index 0, the characters outside the vocabulary, is shown."""

BILLION_WORDS = "training-monolingual.tokenized.shuffled"
"""The folder of One Billion Word with the training part; the other one is held out."""

_LAYOUT = 2
_LINES_AT_ONCE = 500_000
_CODE_POINTS = 0x110000


@dataclass(frozen=True)
class TextData:
    """A prepared text.

    Attributes:
        tokens: uint16, shape (lines, characters of a line), a read-only memory map.
        characters: The character of each index; index 0 stands for all others.
        tables: The n-grams for n = 1 .. 6.
        fingerprint: SHA-256 of tokens and characters.
        folder: Where it was prepared on this node; what is computed from it is kept there, too.
        left_out: How many files of a folder were not read, by reason.
    """

    tokens: Tokens = field(repr=False)
    characters: str
    tables: tuple[NgramTable, ...] = field(repr=False)
    fingerprint: str
    folder: Path
    left_out: Mapping[str, int] = field(default_factory=dict)

    def decode(self, tokens: Tokens) -> list[str]:
        """Returns lines as strings, their padding removed."""
        table = np.array(list(self.characters))
        return ["".join(line).rstrip(PADDING) for line in table[tokens]]


def load_text(settings: TextSettings, cache: Path, report: Report = silent) -> TextData:
    """Returns the text that the settings describe, preparing it if that is still to do.

    Args:
        settings: Which text, and how it is cut into lines and characters.
        cache: Folder of this node for prepared data.
        report: Told how far the preparation is.

    Raises:
        DataError: The path is missing, empty, or not UTF-8 text; one sentence.
    """
    files, left_out = _files(settings, cache)
    folder = text_folder(settings, files, cache)
    if not folder.exists():
        with store.locked(folder):
            if not folder.exists():
                with store.building(folder) as unfinished:
                    _write(unfinished, files, settings, report)
    return replace(_read(folder), left_out=left_out)


def check_text(settings: TextSettings, cache: Path, lines: int) -> None:
    """Refuses a text that has fewer lines than a batch; writes nothing, and reads no more than it must.

    Raises:
        ValueError: It has, or cannot be read.
    """
    count = available(settings, cache, min(lines, settings.limit or lines))
    if count < lines:
        raise ValueError(
            f"batch_size is {lines}, but the data are {counted(count, 'lines')}; lower it"
        )


def available(settings: TextSettings, cache: Path, most: int) -> int:
    """Counts the lines there are, up to so many; a text that was prepared has no more than ``limit``."""
    if settings.path == BUNDLED:
        return sum(1 for _ in islice(bundled.lines(), most))
    files, _ = find_files(Path(settings.path), settings.rules)
    folder = text_folder(settings, files, cache)
    if folder.exists():
        return len(_read(folder).tokens)
    each = (line for file in files for line in _lines(file))
    return sum(1 for _ in islice(each, most))


def _files(settings: TextSettings, cache: Path) -> tuple[list[Path], Counter[str]]:
    if settings.path == BUNDLED:
        return [bundled.written(cache)], Counter()
    return find_files(Path(settings.path), settings.rules)


def preparation(settings: TextSettings, cache: Path) -> list[str]:
    """Returns what :func:`load_text` would still have to do, a line each; nothing if it is done."""
    if settings.path == BUNDLED:
        file = bundled.path_in(cache)
        done = file.exists() and text_folder(settings, [file], cache).exists()
        return [] if done else ["convert the text of Python's language reference"]
    if not Path(settings.path).exists():
        return [
            f"convert the text {settings.path}, once you have put it there (a UTF-8 text file, one "
            "sentence a line, or a folder of such files)"
        ]
    files, _ = find_files(Path(settings.path), settings.rules)
    folder = text_folder(settings, files, cache)
    return [] if folder.exists() else [f"convert the text {settings.path} into {folder}"]


def find_files(path: Path, rules: int = 2) -> tuple[list[Path], Counter[str]]:
    """Returns the text files at a path, in the order in which they are read, and what is left out.

    Args:
        path: A file or a folder.
        rules: 1: as earlier versions, hidden folders are read and links to folders are not followed.

    Raises:
        DataError: There is nothing.
    """
    if path.is_file():
        return [path], Counter()
    if not path.is_dir():
        raise DataError(
            f"data.path is {str(path.absolute())!r}, but nothing is there; check the path"
        )
    root = next((found for found in sorted(path.rglob(BILLION_WORDS)) if found.is_dir()), path)
    listing = files_in(root) if rules > 1 else Listing(_old_files(root))
    if not listing.files:
        there = left_out_in_words(listing.left_out)
        raise DataError(
            f"data.path is {str(path.absolute())!r}, a folder without files"
            f"{f' ({there} left out)' if there else ''}; put text there"
        )
    return sorted(listing.files), listing.left_out


def _old_files(root: Path) -> list[Path]:
    return [file for file in root.rglob("*") if file.is_file() and not file.name.startswith(".")]


def text_folder(settings: TextSettings, files: list[Path], cache: Path) -> Path:
    """Where the prepared text is, or will be; another place if a file has changed."""
    state = [[str(file.resolve()), file.stat().st_size, file.stat().st_mtime_ns] for file in files]
    key = store.digest([_LAYOUT, settings.model_dump(exclude={"path", "rules"}), state])
    return cache / "data" / f"text-{key[:16]}"


def _write(folder: Path, files: list[Path], settings: TextSettings, report: Report) -> None:
    """Writes the prepared text into a folder that is still empty."""
    lines, characters = _vocabulary(files, settings, report)
    index = np.zeros(_CODE_POINTS, np.uint16)
    index[[ord(character) for character in characters[1:]]] = np.arange(1, len(characters))
    tokens = np.lib.format.open_memmap(
        folder / "tokens.npy", mode="w+", dtype=np.uint16, shape=(lines, settings.line_length)
    )
    checksum = hashlib.sha256(characters.encode())
    done = 0
    for part in _code_points(files, settings):
        tokens[done : done + len(part)] = index[part]
        checksum.update(tokens[done : done + len(part)].tobytes())
        done += len(part)
        report(Progress("writing lines", done, lines))
    tokens.flush()
    _write_tables(folder, tokens, len(characters), report)
    meta = {"characters": characters, "fingerprint": checksum.hexdigest()}
    (folder / "meta.json").write_text(json.dumps(meta))


def _vocabulary(files: list[Path], settings: TextSettings, report: Report) -> tuple[int, str]:
    """Returns the number of lines, and the characters by frequency behind the unknown one."""
    occurrences = np.zeros(_CODE_POINTS, np.int64)
    lines = 0
    for part in _code_points(files, settings):
        occurrences += np.bincount(part.ravel(), minlength=_CODE_POINTS)
        lines += len(part)
        report(Progress("reading lines", lines, 0))
    if lines < 2:
        raise DataError(
            f"data.path is {settings.path!r}, which has {counted(lines, 'lines')} of text; give more"
        )
    by_frequency = np.argsort(-occurrences, kind="stable")[: settings.vocabulary - 1]
    kept = by_frequency[occurrences[by_frequency] > 0]
    return lines, UNKNOWN + "".join(map(chr, kept.tolist()))


def _write_tables(folder: Path, tokens: Tokens, vocabulary: int, report: Report) -> None:
    table: NgramTable | None = None
    for n in range(1, LONGEST + 1):
        report(Progress("counting n-grams", n, LONGEST))
        starts = range(0, len(tokens), _LINES_AT_ONCE)
        parts = (np.asarray(tokens[start : start + _LINES_AT_ONCE]) for start in starts)
        table = ngrams.count(parts, n, vocabulary, table)
        np.save(folder / f"{n}-grams.npy", np.stack([table.codes, table.counts]))


def _read(folder: Path) -> TextData:
    try:
        meta = json.loads((folder / "meta.json").read_text())
        tokens = np.load(folder / "tokens.npy", mmap_mode="r")
        both = [np.load(folder / f"{n}-grams.npy", mmap_mode="r") for n in range(1, LONGEST + 1)]
        characters, fingerprint = str(meta["characters"]), str(meta["fingerprint"])
    except Exception as error:  # damaged bytes make numpy raise all sorts
        raise DataError(
            f"the text prepared in {folder} is damaged ({reason(error)}); delete it"
        ) from error
    windows = [len(tokens) * (tokens.shape[1] - n + 1) for n in range(1, LONGEST + 1)]
    tables = tuple(
        NgramTable(codes, counts, total)
        for (codes, counts), total in zip(both, windows, strict=True)
    )
    return TextData(tokens, characters, tables, fingerprint, folder)


def _code_points(files: list[Path], settings: TextSettings) -> Iterator[np.ndarray]:
    """Yields lines as code points, uint32, shape (lines, line_length), cut and padded."""
    left = settings.limit
    kind = f"<U{settings.line_length}"
    for lines in _line_lists(files):
        taken = lines[:left]
        # numpy cuts the strings at the length of the type and fills them up with code point 0.
        points = np.array(taken, dtype=kind).view(np.uint32)
        points = points.reshape(len(taken), settings.line_length)
        yield np.where(points == 0, ord(PADDING), points)
        left = None if left is None else left - len(taken)
        if left == 0:
            return


def _line_lists(files: list[Path]) -> Iterator[list[str]]:
    """Yields lists of lines that are not blank, without their line ends."""
    lines: list[str] = []
    for file in files:
        for line in _lines(file):
            lines.append(line)
            if len(lines) == _LINES_AT_ONCE:
                yield lines
                lines = []
    if lines:
        yield lines


def _lines(file: Path) -> Iterator[str]:
    opened: Any = gzip.open if file.suffix == ".gz" else open
    try:
        # With -sig, the mark that some editors put at a file's start is no character of the text.
        with opened(file, "rt", encoding="utf-8-sig") as stream:
            for line in stream:
                if "\0" in line:
                    raise DataError(f"{file} is not text: it holds the character NUL")
                if not line.isspace():
                    yield line.rstrip("\n")
    except UnicodeDecodeError as error:
        raise DataError(f"{file} is not UTF-8 text ({error.reason}); convert it first") from error
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{file} cannot be read ({error}); check the file") from error
