"""Data that tests use: real files from the folder TTUR_TEST_DATA, and a generator of known quality."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from trainables.data.images import ImageData, load_images
from trainables.scores.extractor import as_batches
from trainables.scores.scorer import Sampler
from trainables.settings.data import DataSettings


def real_data(name: str) -> Path:
    """Returns the path of a file of real data; skips the test where it is not there."""
    beside = Path(__file__).parents[3] / "shared" / "data"
    path = Path(os.environ.get("TTUR_TEST_DATA", beside)) / name
    if not path.is_file():
        pytest.skip(f"no {name}: set TTUR_TEST_DATA to the folder that has it")
    return path


def noisy(data: ImageData, level: float) -> Sampler:
    """Real images mixed with uniform noise: a generator whose quality is known."""

    def sample(draw: int, count: int) -> Iterator[torch.Tensor]:
        random = np.random.default_rng(draw)
        chosen = data.images[random.integers(len(data.images), size=count)]
        mixed = (1 - level) * chosen + level * random.uniform(0, 255, chosen.shape)
        yield from as_batches(np.rint(mixed).astype(np.uint8), 77)

    return sample


def colours(count: int, height: int = 12, width: int = 12) -> np.ndarray:
    """Random colour images, uint8, N x H x W x 3."""
    random = np.random.default_rng(0)
    return random.integers(0, 256, size=(count, height, width, 3), dtype=np.uint8)


def load(cache: Path, **settings: object) -> ImageData:
    """Prepares images as a trial would."""
    return load_images(DataSettings.model_validate(settings), cache)


def write_folder(folder: Path, images: np.ndarray) -> Path:
    """Writes images as files, every other one into a sub-folder."""
    (folder / "deeper").mkdir(parents=True)
    for index, pixels in enumerate(images):
        place = folder if index % 2 else folder / "deeper"
        Image.fromarray(pixels).save(place / f"{index:03}.png")
    return folder
