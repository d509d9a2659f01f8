"""Weights of the extractors: where they are, that they are the right ones, and how they are fetched.

A weights file is read once into memory, its SHA-256 is checked, and exactly those bytes are loaded,
so that no other file can take its place in between and nothing in it is run.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from trainables.data import store
from trainables.data.errors import DataError
from trainables.settings.score import ScoreSettings

INCEPTION_SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
INCEPTION_FILE = "weights-inception-2015-12-05-6726825d.pth"


@dataclass(frozen=True)
class Weights:
    """A weights file whose sum was checked."""

    content: bytes
    sha256: str

    def opened(self) -> io.BytesIO:
        """The bytes as a file."""
        return io.BytesIO(self.content)


def inception_paths(cache: Path) -> tuple[Path, ...]:
    """Where the Inception weights may be: this project's cache, or torch's (torch-fidelity's own)."""
    return (
        cache / "weights" / INCEPTION_FILE,
        Path(torch.hub.get_dir()) / "checkpoints" / INCEPTION_FILE,
    )


def inception_weights(settings: ScoreSettings, cache: Path) -> Weights:
    """Reads and checks the Inception weights.

    Raises:
        DataError: They are not there (the message names ``ttur prepare``) or have a wrong sum.
    """
    if settings.weights is not None:
        expected = settings.weights_sha256 or INCEPTION_SHA256
        return checked_state(Path(settings.weights), expected)
    for path in inception_paths(cache):
        if path.is_file():
            return checked_state(path, INCEPTION_SHA256)
    raise DataError(
        "the Inception weights are not on this machine; fetch them with `ttur prepare`, or set "
        f"score.weights to the path of {INCEPTION_FILE}"
    )


def fetch_inception(cache: Path, url: str) -> None:
    """Downloads the Inception weights to the cache.

    Raises:
        DataError: They cannot be downloaded, or their sum is wrong.
    """
    path = inception_paths(cache)[0]
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with store.locked(path):
            if not path.is_file():
                torch.hub.download_url_to_file(url, str(path), INCEPTION_SHA256)
    except (OSError, RuntimeError) as error:
        raise DataError(f"the Inception weights could not be downloaded: {error}") from error


def checked(path: Path, expected: str | None) -> Weights:
    """Reads a weights file and checks its SHA-256.

    Args:
        path: The file.
        expected: The sum that it must have; None refuses, quoting the sum that it has.

    Raises:
        DataError: It cannot be read, or has another sum.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"score.weights {path} cannot be read ({error.strerror})") from error
    found = hashlib.sha256(content).hexdigest()
    if expected is None:
        raise DataError(
            f"no sum is known for {path}; set score.weights_sha256 to {found} if you trust the file"
        )
    if found != expected:
        raise DataError(
            f"{path} has SHA-256 {found}, not {expected}; fetch it again, or set "
            "score.weights_sha256 if these weights are meant"
        )
    return Weights(content, found)


def checked_state(path: Path, expected: str | None) -> Weights:
    """As :func:`checked`, for a file that must hold a state dict and nothing that could be run."""
    weights = checked(path, expected)
    try:
        torch.load(weights.opened(), map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception as error:  # bytes of another kind make torch raise all sorts
        raise DataError(f"{path} is not a file of plain weights; nothing of it was run") from error
    return weights


@contextmanager
def hub_in(cache: Path) -> Iterator[None]:
    """Lets torch's hub keep its files in the cache."""
    before = torch.hub.get_dir()
    torch.hub.set_dir(cache / "weights" / "hub")
    try:
        yield
    finally:
        torch.hub.set_dir(before)


def state_sha256(module: torch.nn.Module) -> str:
    """SHA-256 of a module's parameters and buffers, names included."""
    total = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        total.update(name.encode())
        total.update(value.detach().cpu().contiguous().numpy().tobytes())
    return total.hexdigest()


def receipt_path(cache: Path, extractor: str) -> Path:
    """The note that says that, and with which sum, an extractor was fetched to this cache."""
    return cache / "weights" / f"{extractor}.json"


def read_receipt(cache: Path, extractor: str) -> str:
    """The sum of a fetched extractor's weights.

    Raises:
        DataError: It was not fetched.
    """
    try:
        return str(json.loads(receipt_path(cache, extractor).read_text())["sha256"])
    except (OSError, ValueError, KeyError) as error:
        raise DataError(
            f"the weights of {extractor} are not in {cache}; fetch them with `ttur prepare`"
        ) from error


def write_receipt(cache: Path, extractor: str, sha256: str) -> None:
    """Notes that an extractor was fetched."""
    content = json.dumps({"sha256": sha256})
    store.write_text(receipt_path(cache, extractor), content)
