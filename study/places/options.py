"""How a study is launched or looked at, as opposed to what it is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from study.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to launch, as opposed to what.

    Attributes:
        home: Folder of local state; None: ``TTUR_HOME`` or ``./ttur-home``.
        places: Locations that count before the spec's, by name (record, tracking, artifacts,
            checkpoints, cache).
        address: A running Ray cluster (``auto``, ``host:port``), or the job server of one
            (``http://head:8265``); None: the embedded engine.
        modules: Folders of packages that go with a submitted job.

    Raises:
        UserError: The address has none of these forms.
    """

    home: str | None = None
    places: Mapping[str, str | None] | None = None
    address: str | None = None
    modules: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        known = self.address in (None, "auto") or self.submits
        if not known and not re.fullmatch(r"[^/]+:[0-9]{1,5}", str(self.address)):
            raise UserError(
                f"--address {self.address}: write auto, host:port of the cluster's head, or "
                "http://host:8265 to submit the study as a job"
            )

    @property
    def submits(self) -> bool:
        """Whether the driver is submitted as a job, and does not run here."""
        return (self.address or "").startswith(("http://", "https://"))


HERE = Options()
"""The home of the environment, the places of the spec, the embedded engine."""
