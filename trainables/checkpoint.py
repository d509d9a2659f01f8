"""Checkpoints of a trial: written whole, named by their digest, read without running code.

A file is called ``checkpoint-<step>-<digest>.pt``. The digest is of its bytes, so that a torn or altered
file is known before it is read, and the file itself is plain ``torch.load(…, weights_only=True)``.
The two newest are kept: if the newest cannot be read, the one before it can.

Where nothing imported torch no state holds a tensor. Then it is not imported to write one either: it costs
seconds, which a trial that is asked to end does not have, and 260 MB, of which many slots have many.
"""

from __future__ import annotations

import hashlib
import io
import pickle
import re
import sys
import zipfile
from collections.abc import Iterable, Iterator

from trainables.faults import point
from trainables.folder import Folder
from trainables.plain import PLAIN, harmless, strange
from trainables.protocol import State

KEPT = 2
KEYS = frozenset({"identity", "trial", "history", "diverged", "seconds"})
"""What the state of a run (run.py) has at least."""
_NAME = re.compile(r"checkpoint-(\d{10})-([0-9a-f]{16})\.pt")


class CheckpointError(ValueError):
    """A checkpoint file that must not or cannot be used; the message says which and why."""


def save(folder: Folder, step: int, state: State) -> str:
    """Writes a checkpoint and removes all but the newest ones.

    Args:
        folder: The trial's folder.
        step: Generator updates done, >= 0; orders the checkpoints.
        state: Nested dicts and lists of tensors and plain values.

    Returns:
        The name of the file.

    Raises:
        OSError: It could not be written; the earlier checkpoints are untouched.
        CheckpointError: The state holds something that could not be read again; nothing was written.
    """
    content = _packed(state)
    if found := strange(state, content):
        raise CheckpointError(f"the trial's state holds {', '.join(found)}; make it of {PLAIN}")
    name = f"checkpoint-{step:010d}-{hashlib.sha256(content).hexdigest()[:16]}.pt"
    point("checkpointing")
    folder.write(name, content)
    point("checkpointed")
    for old in [known for known in names(folder) if known != name][KEPT - 1 :]:
        folder.remove(old)
    return name


def _packed(state: State) -> bytes:
    """The file that ``torch.save`` makes; without tensors it is three entries of an archive."""
    buffer = io.BytesIO()
    if "torch" in sys.modules:
        import torch

        torch.save(state, buffer)
        return buffer.getvalue()
    entries = {
        "data.pkl": pickle.dumps(state, protocol=2),  # the one that is read without running code
        "byteorder": sys.byteorder.encode(),
        "version": b"3\n",
    }
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in entries.items():
            archive.writestr(zipfile.ZipInfo(f"state/{name}"), content)
    return buffer.getvalue()


def names(folder: Folder) -> list[str]:
    """Returns the names of the folder's checkpoints, newest first."""
    return names_among(folder.names())


def names_among(files: Iterable[str]) -> list[str]:
    """Returns those names of files that are of checkpoints, newest first."""
    return sorted((name for name in files if _NAME.fullmatch(name)), reverse=True)


def steps(folder: Folder) -> list[int]:
    """Returns the steps of the folder's checkpoints, newest first."""
    return [int(match[1]) for name in names(folder) if (match := _NAME.fullmatch(name))]


def load(folder: Folder, name: str) -> State:
    """Reads one checkpoint, to the CPU: whoever takes it in puts it where it belongs.

    Raises:
        CheckpointError: It is gone, its bytes are not the ones that were written, or they hold something else
            than the plain data of a run.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise CheckpointError(f"{name} is not the name of a checkpoint")
    try:
        content = folder.read(name)
    except FileNotFoundError:
        raise CheckpointError(f"{name} is gone") from None
    if hashlib.sha256(content).hexdigest()[:16] != match[2]:
        raise CheckpointError(f"{name} is torn: its bytes do not match its digest")
    state = _unpacked(name, content)
    if not isinstance(state, dict) or not state.keys() >= KEYS:
        raise CheckpointError(f"{name} is refused: it is not the state of a run")
    return state


def _unpacked(name: str, content: bytes) -> object:
    import torch

    try:
        with torch.serialization.safe_globals(harmless()):
            return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(f"{name} is refused: it holds more than plain data") from error
    except Exception as error:  # of bytes that somebody made up it raises almost anything
        said = f"{type(error).__name__}: {error}".splitlines()[0]
        raise CheckpointError(f"{name} cannot be read: {said}") from error


def newest_first(folder: Folder) -> Iterator[State | CheckpointError]:
    """Yields each checkpoint, newest first: its state, or why it cannot be used."""
    for name in names(folder):
        try:
            yield load(folder, name)
        except CheckpointError as error:
            yield error
