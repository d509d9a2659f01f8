"""Lines of nothing: text as a generator writes it that has learnt no more than how often characters are.

What the best of them scores is the ceiling of an n-gram score, as pictures of nothing are of an image score.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from trainables.language.ngrams import Tokens
from trainables.language.text import PADDING, TextData

_Random = np.random.Generator


def lines_of_nothing(text: TextData, count: int, n: int) -> dict[str, Callable[[], Tokens]]:
    """Makers of lines of nothing by what they are; called twice they give the same.

    Args:
        text: The real text.
        count: Lines to make.
        n: Characters of the n-grams that are scored: for single characters those are left out that hold each
            as often as the real text does.
    """
    shuffled: dict[str, Callable[[TextData, int, _Random], Tokens]] = {
        "characters shuffled in their lines": _shuffled,
        "characters drawn one by one": _drawn,
    }
    others: dict[str, Callable[[TextData, int, _Random], Tokens]] = {
        "uniform noise": _uniform,
        "one line over and over": _repeated,
    }
    makers = others if n == 1 else shuffled | others

    def made(make: Callable[[TextData, int, _Random], Tokens]) -> Callable[[], Tokens]:
        return lambda: make(text, count, np.random.default_rng(0))

    return {what: made(make) for what, make in makers.items()}


def _shuffled(text: TextData, count: int, random: _Random) -> Tokens:
    """Real lines whose characters are shuffled; what fills a line up stays at its end."""
    lines = _some(text, count, random)
    keys = random.random(lines.shape)
    keys += lines == text.characters.find(PADDING)  # behind all others
    found: Tokens = lines[np.arange(count)[:, None], np.argsort(keys)]
    return found


def _drawn(text: TextData, count: int, random: _Random) -> Tokens:
    """Characters as often as in the real text, each at any place."""
    table = text.tables[0]
    shape = (count, text.tokens.shape[1])
    return random.choice(table.codes, shape, p=table.counts / table.total).astype(np.uint16)


def _uniform(text: TextData, count: int, random: _Random) -> Tokens:
    """Each character of the vocabulary as often as any other."""
    shape = (count, text.tokens.shape[1])
    return random.integers(len(text.characters), size=shape).astype(np.uint16)


def _repeated(text: TextData, count: int, random: _Random) -> Tokens:
    """At each place the character that is most often there: to lines what the mean is to images."""
    some = _some(text, count, random)
    most = [np.bincount(column).argmax() for column in some.T]
    return np.tile(np.asarray(most, dtype=np.uint16), (count, 1))


def _some(text: TextData, count: int, random: _Random) -> Tokens:
    drawn = random.choice(len(text.tokens), count, replace=False, shuffle=False)
    return np.asarray(text.tokens[np.sort(drawn)])
