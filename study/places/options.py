"""The options of a launch or a look: what the user said of where and how; and commands that say it again."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field

from study.errors import UserError
from study.ground.credentials import hidden


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to launch, as opposed to what.

    Attributes:
        home: Folder of local state; None: ``TTUR_HOME`` or ``./ttur-home``.
        given: Locations that count before the spec's, by name (record, tracking, artifacts,
            checkpoints, cache).
        address: A running Ray cluster (``auto``, ``host:port``), or the job server of one
            (``http://head:8265``); None: the embedded engine.
        modules: Folders of packages that go with a submitted job.

    Raises:
        UserError: The address has none of these forms.
    """

    home: str | None = None
    given: Mapping[str, str | None] = field(default_factory=dict)
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

_SAID_AGAIN = ("record", "tracking")
"""Flags that say where a study is; the other places of a study are remembered with it."""

_RUNNING = ("launch", "resume", "extend", "confirm")
"""Verbs that run trials, and so take the address of a cluster."""


def typed(options: Options, verb: str, *words: str) -> str:
    """Returns a command line that means the same study in the same place.

    Args:
        options: What the last command was given.
        verb: The verb.
        words: What follows it, not yet quoted.
    """
    given: dict[str, str | None] = {"home": options.home}
    given |= {name: options.given.get(name) for name in _SAID_AGAIN}
    if verb in _RUNNING:
        given["address"] = options.address
    flags = [f"--{name}={hidden(value)}" for name, value in given.items() if value]
    return shlex.join(["ttur", verb, *words, *flags])
