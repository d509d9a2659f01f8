"""The forms of a location: paths, URIs and database URLs; which can work, and what a relative one means."""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePath

from study.errors import UserError
from study.ground.credentials import hidden
from study.places.locations import Places

_SQLITE = re.compile(r"(sqlite(?:\+\w+)?:///)([^?]*)(.*)", re.DOTALL)
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")

_DATABRICKS = re.compile(r"databricks(-uc)?")

_FORMS = {
    "record": (
        re.compile(r"sqlite(\+\w+)?:///.|(postgresql|mysql)(\+\w+)?://."),
        "sqlite:///FILE or postgresql://HOST/DATABASE",
    ),
    "tracking": (
        re.compile(
            r"https?://.|sqlite:///.|(postgresql|mysql|mssql)(\+\w+)?://.|databricks(-uc)?($|://)"
        ),
        "http(s)://HOST, sqlite:///FILE, postgresql://HOST/DATABASE or databricks",
    ),
}


def check(name: str, value: str) -> None:
    """Refuses a location that can never work, before anything waits for it.

    Raises:
        UserError: It has none of the forms that this kind of location has.
    """
    pattern, forms = _FORMS.get(name, (None, ""))
    if pattern is not None and not pattern.match(value):
        raise UserError(
            f"{name} is {hidden(value)!r}, which is not a place of this kind; write {forms}"
        )


def check_sqlite(url: str) -> None:
    """Refuses the URL of an SQLite file whose path SQLAlchemy and MLflow would read as something else.

    Raises:
        UserError: There is a ? or a % in it.
    """
    if re.search(r"[?%]", url):
        raise UserError(
            f"{url} has a ? or % in its path, which the URL of an SQLite file cannot hold; choose another "
            "--home, or give --record and --tracking"
        )


def sqlite_file(url: str) -> Path | None:
    """The file of an SQLite URL; None for any other database, and for one in memory."""
    found = _SQLITE.fullmatch(url)
    named = found is not None and found[2] and not found[2].startswith((":memory:", "file:"))
    return Path(found[2]) if found is not None and named else None


def absolute(value: str, folder: Path | None = None) -> str:
    """Makes a relative path, or the relative file of an SQLite URL, absolute.

    Workers do not run in the driver's folder, and who looks later may stand in yet another one.

    Args:
        value: The location.
        folder: Where a relative one begins; None: the working folder.
    """
    if (found := _SQLITE.fullmatch(value)) is not None:
        file = sqlite_file(value)
        return value if file is None else f"{found[1]}{_from(folder, file)}{found[3]}"
    if _URI.match(value) or _DATABRICKS.fullmatch(value):
        return value
    return _from(folder, Path(value))


def _from(folder: Path | None, path: Path) -> str:
    # os.path: `..` is taken out, so that one place has one name.
    return os.path.abspath((folder or Path.cwd()) / path.expanduser())  # noqa: PTH100


def lies_here(value: str) -> bool:
    """Whether a location is a file or folder of this machine that is there."""
    file = sqlite_file(value)
    return os.path.exists(value if file is None else file)  # noqa: PTH110


def is_meant(value: str, before: str | None) -> bool:
    """Whether a relative location is the absolute one of an earlier launch, seen from another folder."""
    if before is None or (_URI.match(value) and not _SQLITE.fullmatch(value)):
        return False
    tail = [part for part in _parts(value) if part != ".."]
    relative = bool(tail) and not PurePath(tail[0]).is_absolute()
    return relative and _parts(before)[-len(tail) :] == tail


def _parts(value: str) -> list[str]:
    found = _SQLITE.fullmatch(value)
    return list(PurePath(os.path.normpath(found[2] if found is not None else value)).parts)


def is_there(url: str) -> bool:
    """Whether a database can be looked at without making it: whatever is not an SQLite file may be there."""
    file = sqlite_file(url)
    return file is None or file.is_file()


_EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs"}
"""The extra of this package that brings what the URIs of a kind need."""

_MODULES = {
    # Trials reach their folders by fsspec, and MLflow its artifacts by the vendor's own client.
    "checkpoints": {"s3": "s3fs", "gs": "gcsfs"},
    "artifacts": {"s3": "boto3", "gs": "google.cloud.storage"},
}


def check_installed(places: Places) -> None:
    """Refuses a location in an object store whose package is not installed here.

    Raises:
        UserError: The sentence says what to install.
    """
    for name, location, extra in in_stores(places):
        module = _MODULES[name][extra]
        if not is_installed(module):
            raise UserError(
                f"{name} is {location}, but {module} is not installed; pip install 'ttur-study[{extra}]'"
            )


def in_stores(places: Places) -> Iterator[tuple[str, str, str]]:
    """Yields each location that is in an object store: its name, its URI and the extra that it needs."""
    for name, location in (("checkpoints", places.checkpoints), ("artifacts", places.artifacts)):
        scheme, found, _ = (location or "").partition("://")
        if location and found and scheme.lower() in _EXTRAS:
            yield name, location, _EXTRAS[scheme.lower()]


def ask(location: str) -> None:
    """Asks an object store whether a location's bucket is there.

    Raises:
        UserError: It is not.
        OSError: The store refuses, or does not answer.
    """
    import fsspec

    files, root = fsspec.url_to_fs(location)
    bucket = str(root).partition("/")[0]
    if not files.exists(bucket):
        raise UserError(f"{location}: there is no bucket {bucket}; make it, or name another one")


def is_installed(module: str) -> bool:
    """Whether a module can be imported, told without importing it."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # a package above it is missing
        return False
