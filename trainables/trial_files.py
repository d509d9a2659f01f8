"""The files that a trial leaves in its folder besides checkpoints: evaluations, samples, log, error."""

from __future__ import annotations

import json
from pathlib import PurePosixPath

from trainables.folder import Folder
from trainables.protocol import Measurement, one_a_step

MEASUREMENTS = "measurements.jsonl"
"""The evaluations, a line each, in the order in which they were taken."""

LOG = "log.txt"
"""What the trial's processes printed, the first of it and the last."""

ERROR = "error.txt"
"""The whole traceback of a trial that failed."""


def sample_name(name: str, step: int) -> str:
    """Where an artifact of a trial lies in its folder.

    A sample (``samples.png``) is kept for every evaluation, with its step in the name; facts
    (``score.json``) are the same at each and kept once.
    """
    path = PurePosixPath(name)
    stem = path.stem if path.suffix == ".json" else f"{path.stem}-{step:08d}"
    return f"samples/{stem}{path.suffix}"


def read_measurements(folder: str) -> list[Measurement]:
    """Reads the evaluations that a trial left in its folder; a torn last line is left out.

    Of two at one step (a worker that was being cut off may have added one) the later one counts; see
    :func:`trainables.protocol.one_a_step`.
    """
    try:
        content = Folder(folder).read(MEASUREMENTS)
    except FileNotFoundError:
        return []
    whole = content[: content.rfind(b"\n") + 1]
    return one_a_step(Measurement.from_json(json.loads(line)) for line in whole.splitlines())


def line_of(measurement: Measurement) -> bytes:
    """An evaluation as a line of that file."""
    return json.dumps(measurement.to_json(), separators=(",", ":")).encode() + b"\n"


def write_error(folder: str, traceback: str) -> None:
    """Keeps the traceback of a trial that failed.

    Raises:
        OSError: It could not be written.
    """
    Folder(folder).write(ERROR, traceback.encode())


def remove_error(folder: str) -> None:
    """Removes the traceback of a trial that is run again."""
    Folder(folder).remove(ERROR)


def read_text(folder: str, name: str) -> str | None:
    """Reads the log or the traceback of a trial; None if there is none."""
    try:
        return Folder(folder).read(name).decode(errors="replace")
    except (FileNotFoundError, NotADirectoryError):
        return None
