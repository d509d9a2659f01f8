"""Seconds of a score on a GPU: features and distance of generated images, and the distance alone."""

from __future__ import annotations

import argparse
import importlib
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from benchmarks.gpu_loops import images_of
from trainables.scores import frechet
from trainables.scores.extractor import Extractor, as_batches, build_extractor, extract
from trainables.settings.score import ScoreSettings

FEATURES, SAMPLES = 2048, 10_000


class Pictures(torch.utils.data.Dataset[torch.Tensor]):
    """Images as torch-fidelity takes them."""

    def __init__(self, images: torch.Tensor) -> None:
        self._images = images

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> torch.Tensor:
        return self._images[index]


def scoring(given: argparse.Namespace, device: str) -> None:
    """Prints seconds from images to the distance, features and moments included."""
    print(f"Score of {given.images:,} images at 32x32: seconds", flush=True)
    images = images_of(32, 2 * given.images)
    for name in ("efficientnet_lite0", "inception"):
        try:
            weights = given.weights if name == "inception" else None
            settings = ScoreSettings(extractor=name, samples=given.images, weights=weights)
            extractor = build_extractor(settings, Path(given.cache), device)
        except (ImportError, ValueError, OSError) as error:
            print(f"  {name}: not measured: {str(error).splitlines()[0]}")
            continue
        row(name, extractor, images, given.images)
        if name == "inception":
            peer(images, given.images, device)


def row(name: str, extractor: Extractor, images: np.ndarray, count: int) -> None:
    """Prints ours: the real side is made once, and not measured."""
    other = extract(extractor, as_batches(images[count:], 256), 256)
    real = frechet.reference(frechet.moments(other.features))
    torch.accelerator.synchronize()
    began = time.perf_counter()
    features = extract(extractor, as_batches(images[:count], 256), 256).features
    extracted = time.perf_counter() - began
    value = frechet.distance(real, features)
    whole = time.perf_counter() - began
    print(f"  {name}: ours {whole:.2f}, features {extracted:.2f} of it (distance {value:.4f})")


def peer(images: np.ndarray, count: int, device: str) -> None:
    """Prints torch-fidelity's, which extracts both sides: half of its time."""
    torch_fidelity = importlib.import_module("torch_fidelity")
    chw = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
    began = time.perf_counter()
    theirs = torch_fidelity.calculate_metrics(
        input1=Pictures(chw[:count]),
        input2=Pictures(chw[count:]),
        fid=True,
        cuda=device == "cuda",
        batch_size=256,
        verbose=False,
    )
    print(f"  torch-fidelity {(time.perf_counter() - began) / 2:.2f} ({theirs})")


def distances(device: str) -> None:
    """Seconds of one distance: the product's, on the CPU, and the same in float64 on the device."""
    print(f"Distance of {SAMPLES:,} samples in {FEATURES} dimensions: seconds", flush=True)
    random = np.random.default_rng(0)
    mixing = random.standard_normal((FEATURES, FEATURES)) / np.arange(1, FEATURES + 1) ** 0.7

    def features(count: int) -> np.ndarray:
        drawn = random.standard_normal((count, FEATURES)) @ mixing + 0.3
        return np.maximum(drawn, 0).astype(np.float32)

    real, generated = frechet.moments(features(2 * SAMPLES)), features(SAMPLES)
    kept = frechet.reference(real)
    timed("ours, on the CPU", lambda: frechet.distance(kept, generated))
    factor = torch.linalg.cholesky(
        torch.from_numpy(real.covariance).to(device)
        + 1e-12 * torch.eye(FEATURES, dtype=torch.float64, device=device)
    )

    def on_device() -> float:
        values = torch.from_numpy(generated).to(device).double()
        mean = values.mean(0)
        covariance = (values - mean).T @ (values - mean) / (len(values) - 1)
        roots = torch.linalg.eigvalsh(factor.T @ covariance @ factor).clamp_min(0).sqrt()
        gap = torch.from_numpy(real.mean).to(device) - mean
        traces = float(np.trace(real.covariance)) + covariance.trace()
        return float(gap @ gap + traces - 2 * roots.sum())

    on_device()
    timed("the same in float64, on the device", on_device)


def timed(name: str, compute: Callable[[], float]) -> None:
    began = time.perf_counter()
    value = compute()
    print(f"  {name:44s}{time.perf_counter() - began:8.2f}   ({value:.6f})", flush=True)
