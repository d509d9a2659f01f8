"""The commands that are suggested to be typed next, with the flags that the last one was typed with."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from study.credentials import hidden

if TYPE_CHECKING:
    from study.places.options import Options

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
    places = options.places or {}
    given: dict[str, str | None] = {"home": options.home}
    given |= {name: places.get(name) for name in _SAID_AGAIN}
    if verb in _RUNNING:
        given["address"] = options.address
    flags = [f"--{name}={hidden(value)}" for name, value in given.items() if value]
    return shlex.join(["ttur", verb, *words, *flags])
