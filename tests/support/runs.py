"""Runs of small trials as a worker of a study makes them, and what they have come to."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from support.trials import small_config, without_clocks
from trainables.assignment import Assignment
from trainables.protocol import Parameters
from trainables.run import TrialRun

CACHE = TemporaryDirectory()
"""Where prepared data are: prepared once."""


def small_assignment(kind: str, folder: Path, run: str = "run", **trial: Any) -> Assignment:
    """A trial of a kind, with these settings, in a folder of its own.

    Args:
        kind: One of support.trials.SMALL.
        folder: Where the folder is.
        run: The name of the folder.
        **trial: Settings that differ from those of SMALL.
    """
    return Assignment(
        identity="s/a/0",
        trial={**small_config(kind, folder), **trial},
        parameters=Parameters(b=2e-3, a=1e-3, d_steps=2),
        seed=3,
        folder=str(folder / run),
        cache=CACHE.name,
        checkpoint_seconds=1e9,
    )


def played(run: TrialRun) -> TrialRun:
    """Plays a run to its end."""
    while not run.finished:
        run.turn()
    return run


def come_to(run: TrialRun, *unlike: str) -> Any:
    """All that a run has come to, but for clocks and for settings in which runs were meant to differ."""
    state = run.trial.save()
    for name in unlike:
        state["configuration"]["settings"].pop(name)
    return without_clocks([state, [m.to_json() for m in run.history]])
