"""Object stores as locations: which package opens one, and what to install where it is missing."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator

from study.errors import UserError
from study.places.locations import Places

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
