"""Relative paths in a spec: they begin beside the file that they stand in, else in the working folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from study.errors import UserError
from study.places import urls
from study.spec import user_code
from trainables.kinds import with_paths

PLACES = ("record", "tracking", "artifacts", "checkpoints", "cache")
"""The fields of ``storage`` that say where something is."""


def located(data: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Returns a spec's fields, not yet validated, with every relative path made absolute.

    Args:
        data: The fields; paths that are absolute already stay as they are.
        folder: Where relative paths begin.

    Raises:
        UserError: A path begins with the home folder of somebody who is not known here.
    """
    made = dict(data)
    user_code.allow(data)  # a kind of one's own says which of its settings are paths
    if isinstance(made.get("trial"), Mapping):
        made["trial"] = with_paths(made["trial"], lambda path: _absolute(path, folder))
    if isinstance(made.get("storage"), Mapping):
        made["storage"] = {
            name: _location(value, folder) if name in PLACES and isinstance(value, str) else value
            for name, value in made["storage"].items()
        }
    return made


def _absolute(path: str, folder: Path) -> str:
    if not path or "://" in path:
        return path
    try:
        # os.path: the text of a path that leads up and down again must not differ from the plain one.
        return os.path.abspath(folder / Path(path).expanduser())  # noqa: PTH100
    except RuntimeError as error:
        raise UserError(f"{path} begins with a home folder that is not there: {error}") from error


def _location(value: str, folder: Path) -> str:
    """A place of the study's: as earlier versions did, from the working folder if that is where it is."""
    beside = urls.absolute(value, folder)
    here = urls.absolute(value)
    return here if urls.lies_here(here) and not urls.lies_here(beside) else beside
