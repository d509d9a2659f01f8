"""The home: the folder of local state, from which places are resolved and where they are remembered.

What a flag says counts before what the spec says, and that before the environment and the home folder.
"""

from __future__ import annotations

import json
import logging
import os
import uuid
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from study.errors import UserError
from study.ground.credentials import holds_secret
from study.places import urls
from study.places.locations import ENVIRONMENT, Options, Places, Site
from study.spec import user_code
from study.spec.model import NAME, Storage

logger = logging.getLogger(__name__)

LEAVING = "leaving"
"""The key under which a home notes that a study's record is being removed."""


class Home:
    """The folder of local state: ``--home``, ``TTUR_HOME`` or ``./ttur-home``."""

    def __init__(self, path: str | None = None) -> None:
        self.path = Path(path or os.environ.get("TTUR_HOME") or "ttur-home").absolute()
        # os.path: a name that is too long is not an error there. A home need not be there yet.
        there = next(each for each in (self.path, *self.path.parents) if os.path.exists(each))  # noqa: PTH110
        if not there.is_dir():
            raise UserError(f"{there} is not a folder; give another --home")

    def places(
        self, study: str | None, flags: Mapping[str, str | None], storage: Storage | None = None
    ) -> Places:
        """Resolves the locations for a study.

        Args:
            study: Its name; what its last launch from this home used is the last resort before the
                defaults, so that ``status`` and ``resume`` find it without flags.
            flags: What the command line says, by name.
            storage: What the spec says.

        Raises:
            UserError: The home folder cannot hold the stores, or, with ``storage``, a location that can
                never work.
        """
        remembered = self._remembered(study) if study else {}
        found = {
            name: flags.get(name)
            or _stated(storage, name, remembered)
            or os.environ.get(variable)
            or remembered.get(name)
            for name, variable in ENVIRONMENT.items()
        }
        if storage is not None:
            for name, value in found.items():
                if value:
                    urls.check(name, value)
        own = not found["tracking"] or found["tracking"] == self._default("tracking")
        resolved: dict[str, Any] = {n: self._resolved(n, value) for n, value in found.items()}
        if not own and not found["artifacts"]:
            resolved["artifacts"] = None  # a tracking server has a place of its own
        return Places(**resolved)

    def remember(self, study: str, places: Places, identity: str | None = None) -> None:
        """Keeps where a launch had its things, so that the next one and who looks find them.

        With them goes the identity of the study's record, by which who looks knows it from another's.

        What lies at its place below this home is left out, so that the home can be moved or copied, and so
        are URLs that hold a password. A home that cannot be written to is not worth a study.
        """
        kept: dict[str, Any] = {
            name: value
            for name, value in asdict(places).items()
            if value is not None and value != self._default(name) and not holds_secret(value)
        }
        data = {"places": kept, "import_path": user_code.import_path(), "identity": identity}
        if data == self._read(study):
            return
        path = self._memory(study)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _write(path, json.dumps(data, indent=1))
        except OSError as error:
            logger.warning("where %s is cannot be remembered: %s", study, error)

    def leave(self, study: str) -> None:
        """Notes of a study that is being deleted that soon only this note may be left of it."""
        data = self._read(study)
        if data:
            _write(self._memory(study), json.dumps({**data, LEAVING: True}, indent=1))

    def is_leaving(self, study: str) -> bool:
        """Whether that was noted: if its record is gone, all of it is but this note."""
        return self._read(study).get(LEAVING) is True

    def forget(self, study: str) -> None:
        """Forgets what was kept of a study; there may be nothing."""
        self._memory(study).unlink(missing_ok=True)

    def identity(self, study: str) -> str | None:
        """The identity of the record that last launched a study from this home; None if it is not known."""
        found = self._read(study).get("identity")
        return found if isinstance(found, str) else None

    def _remembered(self, study: str) -> dict[str, str | None]:
        """Where the last launch of a study from this home had its things; what is not kept lies below it."""
        data = self._read(study)
        user_code.note(*_strings(data.get("import_path")))
        if isinstance(data.get("places"), dict):
            found = data["places"]
        else:  # of an earlier version, which kept the defaults of its home, wherever that was
            cache = data.get("cache")
            there = Path(cache).parent if isinstance(cache, str) else self.path
            found = {n: v for n, v in data.items() if n in ENVIRONMENT and v != _default(there, n)}
        return {name: value for name, value in found.items() if isinstance(value, str)}

    def _read(self, study: str) -> dict[str, Any]:
        """What is kept of a study; nothing if it is torn or was written by something else."""
        path = self._memory(study)
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        return data if isinstance(data, dict) else {}

    def _memory(self, study: str) -> Path:
        if not NAME.fullmatch(study):
            raise UserError(f"{study!r} is not the name of a study; use letters, digits, . - and _")
        return self.path / "studies" / f"{study}.json"

    def _default(self, name: str) -> str:
        return _default(self.path, name)

    def _resolved(self, name: str, value: str | None) -> str:
        if value:
            return urls.absolute(value)
        if name in ("record", "tracking"):
            urls.check_sqlite(self._default(name))
        return self._default(name)


def resolve(options: Options, study: str | None = None, storage: Storage | None = None) -> Site:
    """Resolves the places of a study; see :meth:`Home.places`.

    Args:
        options: What the user says.
        study: Its name.
        storage: What its spec says.
    """
    home = Home(options.home)
    places = home.places(study, options.given, storage)
    return Site(
        places=places,
        home=home.path,
        options=options,
        remember=lambda name, identity: home.remember(name, places, identity),
        leave=home.leave,
        forget=home.forget,
    )


def identity(study: str, options: Options) -> str | None:
    """The identity of a study's record as far as its home knows; see :meth:`Home.identity`."""
    return Home(options.home).identity(study)


def is_leaving(study: str, options: Options) -> bool:
    """Whether a study's record was being removed when this home heard of it last."""
    return Home(options.home).is_leaving(study)


def _default(home: Path, name: str) -> str:
    return {
        "record": f"sqlite:///{home / 'record.db'}",
        "tracking": f"sqlite:///{home / 'mlflow.db'}",
        "artifacts": str(home / "artifacts"),
        "checkpoints": str(home / "checkpoints"),
        "cache": str(home / "cache"),
    }[name]


def _stated(storage: Storage | None, name: str, remembered: Mapping[str, str | None]) -> str | None:
    """What a spec says; a relative location is still the one that the study was launched with."""
    value: str | None = getattr(storage, name) if storage is not None else None
    before = remembered.get(name)
    return before if value and urls.is_meant(value, before) else value


def _write(path: Path, text: str) -> None:
    """Writes a file whole, or leaves the one before, whenever this process or the machine ends."""
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with partial.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _strings(value: object) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
