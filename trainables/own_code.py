"""Code of a user's own that a spec names: imported, called, and told of in one sentence."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from trainables.references import load


def of_the_moment(error: Exception) -> bool:
    """Whether an error is nobody's fault, as memory or a disk was short: another try may do better.

    Torch's own is known by its name, so that code without torch does not import it.
    """
    return isinstance(error, MemoryError | OSError) or type(error).__name__ == "OutOfMemoryError"


def loaded(field: str, name: str, returns: str) -> Callable[..., Any]:
    """Imports a function.

    Args:
        field: What names it in a spec, for messages: ``loss``.
        name: ``package.module:function``.
        returns: What it should give, for messages: ``(D's loss, G's loss)``.

    Raises:
        ValueError: It cannot be imported or called; the message says why.
    """
    try:
        function = load(name)
    except ValueError as error:
        raise ValueError(f"{field} {error}") from error
    if not callable(function):
        raise ValueError(
            f"{field} {name} is not a function but {described(function)}; name a function that returns "
            f"{returns}"
        )
    made: Callable[..., Any] = function
    return made


def called(what: str, function: Callable[..., object], *arguments: object) -> object:
    """Calls it.

    Raises:
        ValueError: It raised; the message begins with ``what`` and says what it raised.
        OSError, MemoryError, torch.OutOfMemoryError: As it raised them, since another try may do better.
    """
    try:
        return function(*arguments)
    except Exception as error:  # whatever the user's code raises
        if of_the_moment(error):
            raise
        raise ValueError(f"{what} raised {type(error).__name__}: {error}") from error


def code_sha256(function: Callable[..., object]) -> str:
    """SHA-256 of the file that a function is written in; empty of one that has none."""
    try:
        file = inspect.getsourcefile(inspect.unwrap(function))
    except TypeError:  # an object that can be called
        return ""
    return (
        hashlib.sha256(Path(file).read_bytes()).hexdigest() if file and Path(file).is_file() else ""
    )


def described(value: object) -> str:
    """A value by its type: ``a float``, ``a tuple of 2``."""
    if isinstance(value, tuple):
        return f"a tuple of {len(value)}"
    kind = type(value).__name__
    return "None" if value is None else f"{'an' if kind[0].lower() in 'aeiou' else 'a'} {kind}"
