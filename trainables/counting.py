"""Numbers of things in words."""

from __future__ import annotations

import re
from collections.abc import Mapping

_PLURALS = (
    (re.compile(r"\b(entr|stud)ies\b"), r"\1y"),
    (re.compile(r"(?<![.\w])(\w\w+[^\Ws])s\b"), r"\1"),
)


def counted(count: int, what: str) -> str:
    """A number and what it counts.

    Args:
        count: The number.
        what: What it counts, in the plural; more words may stand around the noun.

    Examples:
        >>> [counted(count, ".csv files") for count in (0, 1, 2)]
        ['0 .csv files', '1 .csv file', '2 .csv files']
        >>> counted(1, "further pages or frames")
        '1 further page or frame'
    """
    if count == 1:
        for plural, singular in _PLURALS:
            what = plural.sub(singular, what)
    return f"{count} {what}"


def left_out_in_words(left_out: Mapping[str, int]) -> str:
    """What was left out, by reason and most first; empty if nothing was.

    Examples:
        >>> left_out_in_words({".txt files": 1, "hidden": 3})
        '3 hidden, 1 .txt file'
    """
    ordered = sorted(left_out.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(counted(count, what) for what, count in ordered if count)
