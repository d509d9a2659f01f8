"""Lines of nothing, each character by hand from the same drawn numbers."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from trainables.language import ngrams
from trainables.language.nothing import lines_of_nothing
from trainables.language.text import PADDING, TextData

LENGTH, LINES = 9, 40


def text(characters: str = "ab`cde") -> TextData:
    """Lines of unequal letters that are filled up by the third character."""
    random = np.random.default_rng(2)
    tokens = (5.9 * random.random((LINES, LENGTH)) ** 3).astype(np.uint16)
    for line, end in zip(tokens, random.integers(4, LENGTH + 1, LINES), strict=True):
        line[line == 2] = 5
        line[end:] = 2
    table = ngrams.count(iter([tokens]), 1, len(characters), None)
    return TextData(tokens, characters, (table,), "f", Path())


def made(what: str, of: TextData | None = None, count: int = 25, n: int = 3) -> np.ndarray:
    maker = lines_of_nothing(of or text(), count, n)[what]
    lines = maker()
    np.testing.assert_array_equal(lines, maker())
    assert (lines.shape, lines.dtype) == ((count, LENGTH), np.dtype(np.uint16))
    return lines


def some(random: np.random.Generator, count: int = 25) -> list[list[int]]:
    """So many of the lines, each at most once, in their order."""
    drawn = random.choice(LINES, count, replace=False, shuffle=False).tolist()
    assert len(set(drawn)) == count
    return [text().tokens[place].tolist() for place in sorted(drawn)]


def test_single_characters_are_only_compared_with_what_does_not_hold_them_as_often() -> None:
    others = ["uniform noise", "one line over and over"]
    assert list(lines_of_nothing(text(), 5, 1)) == others
    for n in (2, 6):
        assert list(lines_of_nothing(text(), 5, n)) == [
            "characters shuffled in their lines",
            "characters drawn one by one",
            *others,
        ]


@pytest.mark.parametrize("characters", ["ab`cde", "abxcde"])
def test_lines_are_shuffled_up_to_what_fills_them(characters: str) -> None:
    random = np.random.default_rng(0)
    lines, keys = some(random), random.random((25, LENGTH)).tolist()
    expected = []
    for line, key in zip(lines, keys, strict=True):
        fill = [2] * line.count(2) if PADDING in characters else []
        own = [
            (k, character)
            for k, character in zip(key, line, strict=True)
            if not (fill and character == 2)
        ]
        expected.append([character for _, character in sorted(own)] + fill)
    found = made("characters shuffled in their lines", text(characters))
    assert found.tolist() == expected
    assert found.tolist() != lines


def test_characters_are_drawn_as_often_as_the_text_has_them() -> None:
    counts = Counter(text().tokens.ravel().tolist())
    reached, bounds = 0, []
    for character in sorted(counts):
        reached += counts[character]
        bounds.append((reached / (LINES * LENGTH), character))
    expected = [
        [next(character for bound, character in bounds if drawn < bound) for drawn in line]
        for line in np.random.default_rng(0).random((25, LENGTH)).tolist()
    ]
    assert made("characters drawn one by one").tolist() == expected


def test_noise_has_every_character_as_often() -> None:
    expected = np.random.default_rng(0).integers(6, size=(25, LENGTH))
    np.testing.assert_array_equal(made("uniform noise"), expected)


def test_one_line_is_the_most_frequent_character_at_each_place() -> None:
    lines = some(np.random.default_rng(0))
    columns = [Counter(column) for column in zip(*lines, strict=True)]
    most = [min(column, key=lambda c, column=column: (-column[c], c)) for column in columns]
    assert made("one line over and over").tolist() == [most] * 25
    assert len(set(most)) > 1
