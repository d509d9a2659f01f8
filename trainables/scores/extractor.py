"""The protocol of a feature extractor, how one is built, and the way of images through it.

An extractor turns uint8 images into features. Real and generated images take the same way: uint8
pixels, the same preprocessing, batches of the same size, full float32 (no TF32, no autocast), in
inference mode. Otherwise the distance would measure the difference between two ways.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from trainables.devices import full_precision
from trainables.references import load
from trainables.settings.score import ScoreSettings


@dataclass(frozen=True)
class Features:
    """Features (N, d) of N images, and logits (N, classes) where the extractor has them; float32."""

    features: np.ndarray
    logits: np.ndarray | None

    def __len__(self) -> int:
        return len(self.features)


@dataclass(frozen=True)
class Part:
    """Features (B, d) and logits (B, classes) of one batch, float32, where the extractor made them."""

    features: torch.Tensor
    logits: torch.Tensor | None

    def __len__(self) -> int:
        return len(self.features)

    def on_host(self) -> Features:
        """The same as arrays of NumPy; the host waits for a device."""
        logits = None if self.logits is None else self.logits.cpu().numpy()
        return Features(self.features.cpu().numpy(), logits)


class Extractor(Protocol):
    """A network whose features are compared.

    Attributes:
        name: As score names state it (``digits``, ``inception``).
        identity: Changes whenever its features do: name, preprocessing and SHA-256 of its weights.
        weights_sha256: SHA-256 of its weights file; it is recorded with the scores.
    """

    name: str
    identity: str
    weights_sha256: str

    def __call__(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Extracts.

        Args:
            images: uint8, B x C x H x W with C 1 or 3, on any device.

        Returns:
            Features B x d, and logits B x classes or None; float32, on the extractor's device.
        """
        ...


def extract(extractor: Extractor, batches: Iterable[torch.Tensor], batch_size: int) -> Features:
    """Runs images through an extractor in batches of one size, whatever sizes they come in.

    Args:
        extractor: The network.
        batches: uint8 tensors B x C x H x W with any B.
        batch_size: Images at once.

    Raises:
        ValueError: There are no images, or they are not uint8 B x C x H x W.
    """
    parts = [part.on_host() for part in extract_parts(extractor, batches, batch_size)]
    if not parts:
        raise ValueError("there are no images to score")
    return joined(parts)


def joined(parts: Sequence[Features]) -> Features:
    """One after the other, as one; at least one part."""
    logits = [part.logits for part in parts if part.logits is not None]
    features = np.concatenate([part.features for part in parts])
    return Features(features, np.concatenate(logits) if logits else None)


def extract_parts(
    extractor: Extractor, batches: Iterable[torch.Tensor], batch_size: int
) -> Iterator[Part]:
    """As :func:`extract`, batch by batch on the device, for sets that are too large to be held."""
    for images in rebatched(batches, batch_size):
        with torch.inference_mode(), full_precision():
            features, logits = extractor(images)
        yield Part(features, logits)


def rebatched(batches: Iterable[torch.Tensor], size: int) -> Iterator[torch.Tensor]:
    """Cuts and joins batches to ``size`` images each; the last one may be smaller."""
    waiting: list[torch.Tensor] = []
    count = 0
    for batch in batches:
        if batch.dtype != torch.uint8 or batch.ndim != 4:
            raise ValueError(
                f"images are {batch.dtype} of shape {tuple(batch.shape)}; "
                "a sampler gives uint8 of shape (batch, channels, height, width)"
            )
        waiting.append(batch)
        count += len(batch)
        if count >= size:
            joined = torch.cat(waiting)
            whole = count - count % size
            yield from torch.split(joined[:whole], size)
            waiting, count = [joined[whole:]], count - whole
    if count:
        yield torch.cat(waiting)


def as_batches(images: np.ndarray, size: int) -> Iterator[torch.Tensor]:
    """Reads uint8 images N x H x W x C (a memory map, say) as uint8 batches B x C x H x W."""
    for start in range(0, len(images), size):
        batch = np.array(images[start : start + size])
        yield torch.from_numpy(batch).permute(0, 3, 1, 2).contiguous()


def rgb(images: torch.Tensor) -> torch.Tensor:
    """Repeats the channel of grey images (B x 1 x H x W) for networks that see colour."""
    return images.expand(-1, 3, -1, -1) if images.shape[1] == 1 else images


class Download(Protocol):
    """How the weights of an extractor come to this machine."""

    def missing(self, name: str, cache: Path) -> bool:
        """Whether they have yet to be fetched."""
        ...

    def fetch(self, name: str, cache: Path) -> None:
        """Fetches them; raises DataError if that fails."""
        ...


def build_extractor(settings: ScoreSettings, cache: Path, device: str) -> Extractor:
    """Builds an extractor on a device; its weights must be on this machine already.

    Raises:
        DataError: The weights or an optional package are missing; the message says what to do.
    """
    extractor: Extractor = load(settings.row.build)(settings, cache, device)
    return extractor


def needs_download(settings: ScoreSettings, cache: Path) -> bool:
    """Whether weights have to be fetched before :func:`build_extractor` can work."""
    download = _download(settings)
    return download is not None and download.missing(settings.extractor, cache)


def downloads(settings: ScoreSettings) -> bool:
    """Whether the weights are fetched on their own: not those of a file, or that come with the code."""
    return settings.row.weights is not None and settings.weights is None


def missing_package(settings: ScoreSettings) -> str | None:
    """The command that installs what the extractor needs, if it is not installed; else None."""
    row = settings.row
    installed = all(find_spec(module) is not None for module in row.modules)
    return None if installed else f"pip install 'ttur-study[{row.extra}]'"


def fetch_weights(settings: ScoreSettings, cache: Path) -> None:
    """Downloads the weights of an extractor, if need be.

    Raises:
        DataError: They cannot be downloaded, or a package is missing.
    """
    download = _download(settings)
    if download is not None and download.missing(settings.extractor, cache):
        download.fetch(settings.extractor, cache)


def _download(settings: ScoreSettings) -> Download | None:
    if not downloads(settings) or settings.row.weights is None:
        return None
    download: Download = load(settings.row.weights)
    return download
