"""The command line: the only room that knows click."""

from __future__ import annotations

import signal

from study.cli.ending import leave_at
from study.signals import handled


def main() -> None:
    """Runs the command line and exits; signals are answered from here on, while things are imported."""
    with handled(leave_at, signal.SIGTERM, signal.SIGHUP):
        from study.cli import verbs

        verbs.main()
