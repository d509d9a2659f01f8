"""Scores of one's own: `score: {own: "my_score:unlike_digits"}`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor


@cache
def real_moments() -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each pixel of the real digits, (64,) each, from 0 to 255."""
    pixels = load_digits().data * (255 / 16)
    return pixels.mean(0), pixels.std(0)


def unlike_digits(batches: Iterator[Tensor]) -> float:
    """How far each pixel's mean and spread are from those of real digits, root mean square.

    Args:
        batches: The generated images, uint8 (B, 1, 8, 8).

    Returns:
        Grey levels; 0 is best.
    """
    pixels = torch.cat([batch.flatten(1) for batch in batches]).double().cpu().numpy()
    mean, spread = real_moments()
    gaps = np.concatenate([pixels.mean(0) - mean, pixels.std(0) - spread])
    return float(np.sqrt(np.square(gaps).mean()))


def unlike_discs(batches: Iterator[Tensor]) -> float:
    """How far the share of bright pixels is from that of a disc of radius 4 in 16x16 pixels, in per cent.

    Args:
        batches: The generated images, uint8 (B, 1, 16, 16).
    """
    bright = torch.cat([batch.flatten(1) > 128 for batch in batches]).double().mean()
    return 100 * abs(float(bright) - math.pi * 4**2 / 16**2)
