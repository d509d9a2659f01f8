"""Imports what ``package.module:name`` names; what goes wrong is said in one sentence."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from typing import Any


def load(reference: str) -> Any:
    """Imports ``package.module:name`` and returns what it names.

    Raises:
        ValueError: The reference is malformed, names nothing, or its module cannot be run; the message says
            which.
    """
    module, separator, name = reference.partition(":")
    if not (module and separator and name):
        raise ValueError(f"{reference!r} is not of the form package.module:name")
    try:
        return EntryPoint(name=name, value=reference, group="ttur").load()
    except (ImportError, AttributeError) as error:
        raise ValueError(f"{reference!r} cannot be imported: {error}") from error
    except (MemoryError, OSError):  # not the module's fault: another try may do better
        raise
    except (Exception, SystemExit) as error:  # a user's module runs as it is imported
        raise ValueError(
            f"{reference!r} cannot be imported: {type(error).__name__}: {_first_line(error)}"
        ) from error


def _first_line(error: BaseException) -> str:
    """What an error says, without what some add below it (Pydantic an address of the web, say)."""
    return next(iter(str(error).strip().splitlines()), "")
