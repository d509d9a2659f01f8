"""The command line: the only room that knows click."""

from __future__ import annotations

import os
import signal
import sys

from study.cli.ending import leave_at
from study.ground.signals import handled


def main() -> None:
    """Runs the command line and exits; signals are answered from here on, while things are imported."""
    _open_streams()
    with handled(leave_at, signal.SIGTERM, signal.SIGHUP):
        with handled(leave_at, signal.SIGINT):
            from study.cli import verbs

        verbs.main()


def _open_streams() -> None:
    """Opens the standard streams that whoever started this has closed (``ttur launch >&-``), on nothing.

    Else the next file that is opened, the record say, would take their place, and what Ray's C++ prints would
    go into it.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
            os.set_inheritable(number, True)
            setattr(sys, name, os.fdopen(number, mode, closefd=False))
