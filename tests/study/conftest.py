"""What tests with stores need not pay for again and again."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from os import PathLike
from types import ModuleType
from typing import Any

import alembic.util
import pytest
from sqlalchemy import Engine, event

AnyPath = str | PathLike[str]


@pytest.fixture(scope="session", autouse=True)
def _stores_cost_little() -> Iterator[None]:
    """SQLite waits for no disk, as no test here cuts the power; the scripts of tables are imported once."""
    load = alembic.util.load_python_file
    kept = functools.cache(load)

    def loaded(folder: AnyPath, name: AnyPath) -> ModuleType:
        # env.py is what makes the tables: it must run each time.
        return load(folder, name) if str(name) == "env.py" else kept(folder, name)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(alembic.util, "load_python_file", loaded)
        event.listen(Engine, "connect", _waits_for_no_disk)
        yield
        event.remove(Engine, "connect", _waits_for_no_disk)


def _waits_for_no_disk(connection: Any, _record: Any) -> None:
    if type(connection).__module__.startswith("sqlite3"):
        connection.execute("PRAGMA synchronous=OFF")
