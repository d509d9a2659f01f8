"""Data that tests use: real files from the folder TTUR_TEST_DATA, and a generator of known quality."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from trainables.data.images import ImageData
from trainables.scores.extractor import as_batches
from trainables.scores.scorer import Sampler


def real_data(name: str) -> Path:
    """Returns the path of a file of real data; skips the test where it is not there."""
    beside = Path(__file__).parents[2] / "shared" / "data"
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
