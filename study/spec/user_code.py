"""The folders that a user's own code is imported from, when a spec names some (``package.module:function``).

The console script has neither the working folder nor that of the spec file on its path, and a worker of Ray
has neither of them as its own. Nothing is put on the path for a spec that names no code: a ``random.py``
beside somebody's data must not take the place of Python's.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from trainables.settings.named import is_reference

_noted: list[str] = []
"""Folders of spec files and of earlier launches, which are not on the path until a spec names code."""

_allowed: list[str] = []
"""Folders that this process imports a user's code from."""


def note(*folders: str | Path) -> None:
    """Keeps folders beside which a spec's modules may lie; changes no path."""
    for folder in folders:
        text = str(Path(folder).absolute())
        if text not in _noted:
            _noted.append(text)


def allow(spec: Mapping[str, Any]) -> None:
    """Puts the working folder and the noted ones first on the path, if a spec names code.

    Args:
        spec: Its fields, not yet validated: to validate a search space is to call it.
    """
    if not any(is_reference(text) for text in _texts([spec.get("trial"), spec.get("arms")])):
        return
    folders = dict.fromkeys([str(Path.cwd()), *_noted])
    _allowed[:] = [*folders, *(folder for folder in _allowed if folder not in folders)]
    sys.path[:] = [*(f for f in folders if f not in sys.path), *sys.path]


def import_path() -> list[str]:
    """Returns the folders that a worker puts first on its path; none if no spec named code."""
    return list(_allowed)


def modules() -> list[str]:
    """Returns where a user's imported modules lie: of each, its .py file or its package's folder.

    Those are what lies directly in one of the folders that code is imported from, if a spec names code, and
    has been imported: what the spec names, and what that imports from beside itself.
    """
    found = dict.fromkeys(
        str(place)
        for name, module in list(sys.modules.items())
        if "." not in name and name not in _OURS
        for place in _places(module)
        if str(place.parent) in _allowed
    )
    return list(found)


_OURS = ("study", "trainables", "search_spaces", "__main__")
"""The packages of the product, which every worker has (they lie in the working folder of a developer)."""


def _places(module: object) -> Iterable[Path]:
    """The .py file of a module, or the folders of a package."""
    folders = list(getattr(module, "__path__", ()))
    file = getattr(module, "__file__", None)
    if folders:
        return [Path(folder).absolute() for folder in folders]
    return [Path(file).absolute()] if file and file.endswith(".py") else []


def _texts(value: object) -> Iterable[str]:
    """Every string in nested mappings and lists, their keys aside."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list | tuple):
        for each in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(each)
