"""Secrets in URLs: the one place that finds them, for all that is stored, submitted or printed.

A URL is read as SQLAlchemy reads it, which is wider than RFC 3986: a password may hold slashes and question
marks. Where that leaves a doubt, it counts as a secret: a false alarm costs a rewording.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote, unquote_plus

HIDDEN = "***"

# To the last @, while SQLAlchemy ends the password at the first: what follows is still its owner's secret.
_PASSWORD = re.compile(r"://[^:/]*:(?P<secret>.*)@", re.DOTALL)
_QUERY = re.compile(r"[?&#;](?P<key>[^=&?#;]*)=(?P<secret>[^&]*)")
_ASSIGNMENT = re.compile(r"([^\s=&?;,{}]+)\s*=")
_SECRET_NAME = re.compile(r"pass|pwd|secret|token|key|credential|signature|^sig$", re.IGNORECASE)
_NAMES_OF_FILES = frozenset({"passfile", "sslkey", "sslkeylogfile"})
"""Of libpq: they say where a secret lies, not what it is."""

_LEAST_PIECE = 3
"""Pieces of a password that are shorter are left in messages: they would be found everywhere."""


def secrets_in(url: str) -> list[str]:
    """Finds the secrets of a URL, as they stand in it: its password, and values in its query.

    A value counts whose name contains pass, secret, token, key or the like, in any case and
    percent-encoded or not, also within the value of another one (``odbc_connect``).
    """
    return [url[start:end] for start, end in _spans(url)]


def holds_secret(value: str | None) -> bool:
    """Whether a location is a URL with a password, a token or the like in it."""
    return value is not None and bool(secrets_in(value))


def hidden(text: str, *urls: str) -> str:
    """Replaces the secrets of every URL in a text, and those of ``urls`` wherever they stand alone.

    Args:
        text: A URL, or a message that may quote one.
        urls: URLs that were in use: a message may quote a part of one.
    """
    pieces = {piece for url in urls for secret in secrets_in(url) for piece in _pieces(secret)}
    for piece in sorted(pieces, key=len, reverse=True):
        text = text.replace(piece, HIDDEN)
    if re.match(r"[\w+.:-]+://", text):
        return _cut(text)  # a URL itself: its password may hold spaces
    return re.sub(r"\S+://\S+", lambda found: _cut(found[0]), text)


def _spans(url: str) -> list[tuple[int, int]]:
    """Where the secrets of a URL begin and end, in order and without overlaps."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(_found(url)):
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        elif start < end:
            merged.append((start, end))
    return merged


def _found(url: str) -> Iterator[tuple[int, int]]:
    if "://" not in url:
        return
    if (password := _PASSWORD.search(url)) is not None:
        yield password.span("secret")
    for part in _QUERY.finditer(url):
        names = _ASSIGNMENT.findall(unquote_plus(part[0][1:]))
        if any(_SECRET_NAME.search(n) and n.lower() not in _NAMES_OF_FILES for n in names):
            yield part.span("secret")


def _pieces(secret: str) -> Iterator[str]:
    """A secret in the forms in which a message may hold it."""
    for form in (secret, unquote(secret), unquote_plus(secret)):
        yield form
        yield from (piece for piece in form.split("@") if len(piece) >= _LEAST_PIECE)


def _cut(url: str) -> str:
    for start, end in reversed(_spans(url)):
        url = f"{url[:start]}{HIDDEN}{url[end:]}"
    return url
