"""Seconds of a score on a GPU: features and distance of generated images, and the distance alone."""

from __future__ import annotations

import argparse
import hashlib
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.fid import random_weights, torch_fidelity
from benchmarks.gpu_loops import images_of
from trainables.devices import full_precision
from trainables.scores import frechet
from trainables.scores.extractor import Extractor, as_batches, build_extractor, extract_parts
from trainables.settings.score import ScoreSettings

SIZES = ((64, 1000), (1280, 10_000), (2048, 10_000))
"""Features and samples of the distances: those of the digits, of EfficientNet and of FID."""
BATCH, ROUNDS = 100, 3
Fid = Callable[[], tuple[float, float]]
"""Returns the distance and the seconds of the features."""


def scoring(given: argparse.Namespace, device: str) -> None:
    """Prints seconds from images to the distance; the real side is made once, and not measured."""
    print(f"Score of {given.images:,} images at 32x32: seconds, medians of {ROUNDS}", flush=True)
    images = images_of(32, 2 * given.images)
    sides = images[given.images :], images[: given.images]
    with tempfile.TemporaryDirectory() as folder:
        for name in ("efficientnet_lite0", "inception"):
            try:
                weights = None if name != "inception" else _weights(given, Path(folder))
                settings = ScoreSettings(extractor=name, samples=given.images, **_said(weights))
                extractor = build_extractor(settings, Path(given.cache), device)
                peers = {"ours": ours(extractor, *sides)}
                if weights is not None:
                    theirs = peer(weights, *sides, device)
                    peers["torch-fidelity"] = theirs
                    peers["torch-fidelity, full float32"] = partial(_in_full, theirs)
                _table(
                    name if given.weights or weights is None else f"{name}, random weights", peers
                )
            except (ImportError, ValueError, OSError, RuntimeError) as error:
                print(f"  {name}: not measured: {str(error).splitlines()[0]}")


def _weights(given: argparse.Namespace, folder: Path) -> Path:
    return Path(given.weights) if given.weights else random_weights(folder)


def _said(weights: Path | None) -> dict[str, Any]:
    if weights is None:
        return {}
    return {
        "weights": str(weights),
        "weights_sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
    }


def _in_full(fid: Fid) -> tuple[float, float]:
    """As an extractor of ours computes: torch by itself lets convolutions round to TF32."""
    with full_precision():
        return fid()


def _table(title: str, peers: dict[str, Fid]) -> None:
    """Prints medians of rounds that take turns."""
    whole: dict[str, list[float]] = {name: [] for name in peers}
    extracted: dict[str, list[float]] = {name: [] for name in peers}
    values: dict[str, float] = {}
    for _ in range(ROUNDS):
        for name, fid in peers.items():
            began = time.perf_counter()
            values[name], seconds = fid()
            whole[name].append(time.perf_counter() - began)
            extracted[name].append(seconds)
    for name in peers:
        seconds, features = statistics.median(whole[name]), statistics.median(extracted[name])
        text = f"  {title}: {name}"
        print(f"{text:60s}{seconds:8.2f}, features {features:.2f} (distance {values[name]:.6g})")


def ours(extractor: Extractor, real: np.ndarray, made: np.ndarray) -> Fid:
    """The product's: moments and distance on the device, as an evaluation makes them."""
    total = frechet.MomentSum()
    for part in extract_parts(extractor, as_batches(real, BATCH), BATCH):
        total.add(part.features)
    kept = frechet.reference(total.moments())

    def fid() -> tuple[float, float]:
        began = time.perf_counter()
        gathered = frechet.Gathered(kept)
        for part in extract_parts(extractor, as_batches(made, BATCH), BATCH):
            gathered.add(part.features)
        torch.accelerator.synchronize()
        seconds = time.perf_counter() - began
        return gathered.distance_with_noise().value, seconds

    return fid


def peer(weights: Path, real: np.ndarray, made: np.ndarray, device: str) -> Fid:
    """torch-fidelity's on the device."""
    one, two = (torch.from_numpy(side).permute(0, 3, 1, 2).contiguous() for side in (real, made))
    return partial(torch_fidelity(weights, one, device, BATCH, time.perf_counter), two)


def distances(device: str) -> None:
    """Seconds of one distance of features that are at hand: on the CPU, and on the device."""
    for count, samples in SIZES:
        print(f"Distance of {samples:,} samples in {count} dimensions: seconds, the second time")
        random = np.random.default_rng(0)
        mixing = random.standard_normal((count, count)) / np.arange(1, count + 1) ** 0.7
        real, made = (
            np.maximum(random.standard_normal((n, count)) @ mixing + 0.3, 0).astype(np.float32)
            for n in (2 * samples, samples)
        )
        kept = frechet.reference(frechet.moments(real))
        places = {"on the CPU": made, "on the device": torch.from_numpy(made).to(device)}
        for name, features in places.items():
            _timed(f"ours, {name}", partial(frechet.distance, kept, features))
            _timed(f"ours with its noise, {name}", partial(_with_noise, kept, features))


def _with_noise(kept: frechet.Reference, features: np.ndarray | Tensor) -> float:
    return frechet.distance_with_noise(kept, features).value


def _timed(name: str, compute: Callable[[], float]) -> None:
    began = time.perf_counter()
    compute()
    first = time.perf_counter() - began
    began = time.perf_counter()
    value = compute()
    seconds = time.perf_counter() - began
    print(f"  {name:44s}{seconds:8.4f}   (first {first:.3f}; {value:.9f})", flush=True)
