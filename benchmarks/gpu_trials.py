"""Trials an hour with 1, 2, 4 and 8 at a time on one GPU, with CUDA's multi-process service and without."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from trainables.kinds import build_trial
from trainables.protocol import Context, Parameters

RATES = {"b": 1e-4, "a": 5e-4}
TOGETHER = (1, 2, 4, 8)
SERVED = (4, 8)
"""How many at a time are measured with the service, too."""
SERVICE = "nvidia-cuda-mps-control"


def one_trial(device: str, cache: str, seed: int, steps: int, graphs: bool) -> None:
    """A whole trial on the digits, evaluations included."""
    config: dict[str, Any] = {
        "kind": "gan",
        "data": "digits",
        "networks": {"name": "dcgan", "width": 32},
        "steps": steps,
        "evaluate_every": steps // 2,
        "score": {"extractor": "digits", "samples": 1000},
        "cuda_graphs": graphs,
    }
    context = Context(seed=seed, device=device, cache=cache)
    trial = build_trial(config, Parameters(d_steps=1, **RATES), context)
    while not trial.finished:
        trial.advance()


def measured(device: str, cache: str, count: int, steps: int, graphs: bool) -> float:
    """Seconds of so many trials at a time, in processes that have begun already."""
    # Two processes share 16 cores as eight do.
    os.environ["OMP_NUM_THREADS"] = str(max(1, (os.cpu_count() or 1) // max(TOGETHER)))
    with multiprocessing.get_context("spawn").Pool(count) as pool:
        pool.starmap(one_trial, [(device, cache, i, 20, graphs) for i in range(count)], 1)
        began = time.perf_counter()
        pool.starmap(one_trial, [(device, cache, i, steps, graphs) for i in range(count)], 1)
        return time.perf_counter() - began


@contextmanager
def service() -> Iterator[None]:
    """Inside, processes that begin share the GPU through CUDA's multi-process service."""
    with tempfile.TemporaryDirectory() as folder:
        places = {"CUDA_MPS_PIPE_DIRECTORY": folder, "CUDA_MPS_LOG_DIRECTORY": folder}
        os.environ.update(places)
        subprocess.run([SERVICE, "-d"], check=True, timeout=20)
        try:
            yield
        finally:
            subprocess.run([SERVICE], input="quit\n", text=True, check=False, timeout=30)
            for name in places:
                del os.environ[name]


def side_by_side(device: str, steps: int, served: bool) -> None:
    """Prints trials an hour: without the service and, if ``served``, only with it."""
    print(f"Trials of {steps:,} updates on the digits (DCGAN 8x8, width 32): trials an hour")
    with tempfile.TemporaryDirectory() as cache:
        one_trial("cpu", cache, 0, 2, False)  # prepares what all share
        if served:
            _with_the_service(device, cache, steps)
            return
        for count in TOGETHER:
            for graphs in (True, False) if count in (1, 4) else (True,):
                _row(device, cache, count, steps, graphs)


def _row(device: str, cache: str, count: int, steps: int, graphs: bool, note: str = "") -> None:
    took = measured(device, cache, count, steps, graphs)
    how = "in a graph" if graphs else "one by one"
    text = f"  {count} at a time, {how}{note}"
    print(f"{text:44s}{3600 * count / took:8.0f}   ({took:.1f} s)", flush=True)


def _with_the_service(device: str, cache: str, steps: int) -> None:
    if device != "cuda" or shutil.which(SERVICE) is None:
        print(f"  with {SERVICE}: not measured: it is not on this machine")
        return
    try:
        with service():
            for count in SERVED:
                _row(device, cache, count, steps, True, ", with the service")
    except (OSError, subprocess.SubprocessError, RuntimeError) as error:
        print(f"  with {SERVICE}: not measured: {str(error).splitlines()[0]}")
