"""The points at which a test can make the driver die; see :mod:`trainables.faults`.

Every point on the way of a launch is listed here: the record opened, Ray started, and of a trial: asked for,
run made, evaluations reported, told, run ended; then MLflow waited for, the report made,
and the answer read.
"""

from __future__ import annotations

from trainables import faults

LAUNCH_POINTS = ("opened", "starting", "started", "closing", "reporting", "concluding")
"""Passed once in a launch."""

POINTS = (
    "asked",
    "assigned",
    "result",
    "reported",
    "telling",
    "told",
    "run-creating",
    "run-created",
    "run-stored",
    "run-ending",
    "run-ended",
)
"""Passed with each trial."""

DELETE_POINTS = (
    "delete-intended",
    "delete-experiment",
    "delete-mlflow",
    "delete-checkpoints",
    "delete-record",
)
"""Passed when a study is deleted."""


def point(name: str) -> None:
    """Passes a point of the driver; dies here if the environment says so."""
    faults.point(name, (*LAUNCH_POINTS, *POINTS, *DELETE_POINTS))
