"""Records how real GANs score all over the plane of learning rates, once, for the simulations of searches.

    python -m benchmarks.record_surfaces digits [--processes 2] [--device cpu] [--minutes 60]

Every point of a grid of (b, a) over three decades is trained with each d_steps and seed, by the product's
own trials, and every evaluation is kept: ``benchmarks/surfaces/NAME.parquet`` has the columns b, a, d_steps,
seed, step, score, noise, seconds and outcome (``complete`` or ``diverged``; a trial that diverged without a
score has one row, whose score is empty). The trial's settings stand in the file's metadata. What is recorded
already is not trained again, so a recording may be cut off and gone on with.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

SURFACES = Path(__file__).parent / "surfaces"
SCHEMA = pa.schema(
    [
        ("b", pa.float64()),
        ("a", pa.float64()),
        ("d_steps", pa.int16()),
        ("seed", pa.int16()),
        ("step", pa.int32()),
        ("score", pa.float32()),
        ("noise", pa.float32()),
        ("seconds", pa.float32()),
        ("outcome", pa.string()),
    ]
)
Row = dict[str, Any]


@dataclass(frozen=True)
class Surface:
    """A GAN and the grid on which it is recorded.

    Attributes:
        trial: The ``trial`` part of a spec.
        rates: Lowest and highest of b and of a, and how many of each, evenly spaced in the logarithm.
        d_steps: Discriminator updates per generator update.
        seeds: How many seeds of each point.
    """

    trial: Row
    rates: tuple[float, float, int]
    d_steps: tuple[int, ...]
    seeds: int


_ADAM = {"name": "adam", "beta1": 0.0, "beta2": 0.9}
_DIGITS: Row = {
    "kind": "gan",
    "data": "digits",
    "networks": {"name": "dcgan", "width": 16},
    "loss": "non_saturating",
    "optimiser": _ADAM,
    "batch_size": 32,
    "steps": 500,
    "evaluate_every": 100,
    "score": {"extractor": "digits", "samples": 1000},
}

RECORDED: dict[str, Surface] = {
    # The quickstart's GAN.
    "digits": Surface(_DIGITS, (10**-4.5, 10**-1.5, 9), (1, 2, 5), 2),
    # DCGAN on natural-size handwriting at 16 x 16; the set is given with --data.
    "mnist": Surface(
        {
            **_DIGITS,
            "data": {"path": "", "size": 16, "limit": 10000},
            "optimiser": {"name": "adam", "beta1": 0.5, "beta2": 0.999},
            "steps": 600,
            "score": {"extractor": "efficientnet_lite0", "samples": 1000},
        },
        (10**-4.5, 10**-1.5, 7),
        (1, 2),
        3,
    ),
    # The critic with its penalty.
    "wgan_gp": Surface(
        {
            **_DIGITS,
            "networks": {"name": "wgan_gp", "width": 8},
            "loss": "wasserstein",
            "regulariser": {"gradient_penalty": 10},
            "sampling": {"batch_norm": "training", "batch_size": 500},
            "steps": 400,
        },
        (10**-4.5, 10**-1.5, 7),
        (1, 5),
        2,
    ),
    # The character GAN with the paper's penalty, small, on Python's language reference.
    "language": Surface(
        {
            "kind": "language",
            "data": {"path": "pydoc", "line_length": 16, "vocabulary": 64},
            "networks": {"width": 64, "blocks": 1},
            "loss": "wasserstein",
            "regulariser": {"gradient_penalty": 10},
            "optimiser": _ADAM,
            "batch_size": 32,
            "steps": 600,
            "evaluate_every": 100,
            "score": {"name": "jsd2", "samples": 640},
        },
        (10**-4.5, 10**-1.5, 7),
        (1, 5),
        2,
    ),
}


@dataclass(frozen=True)
class Point:
    """One trial of a surface."""

    b: float
    a: float
    d_steps: int
    seed: int

    @property
    def key(self) -> tuple[float, float, int, int]:
        """What tells it from the others, whatever the rounding of a file."""
        return (round(math.log10(self.b), 6), round(math.log10(self.a), 6), self.d_steps, self.seed)


def points(surface: Surface) -> list[Point]:
    """Every point of a surface, in an order in which a part of them covers the plane."""
    low, high, count = surface.rates
    rates = [low * (high / low) ** (i / (count - 1)) for i in range(count)]
    found = [
        Point(b, a, d_steps, seed)
        for b in rates
        for a in rates
        for d_steps in surface.d_steps
        for seed in range(surface.seeds)
    ]
    random.Random(0).shuffle(found)
    return sorted(found, key=lambda point: point.seed)


def record(task: tuple[Row, Point, str, str]) -> list[Row]:
    """Trains one point and returns its rows."""
    import torch

    from trainables.kinds import build_trial
    from trainables.protocol import Context, Diverged, Parameters

    torch.set_num_threads(1)
    trial, point, device, cache = task
    parameters = Parameters(b=point.b, a=point.a, d_steps=point.d_steps)
    began = time.monotonic()
    run = build_trial(trial, parameters, Context(seed=point.seed, device=device, cache=cache))
    rows: list[Row] = []
    outcome = "complete"
    base = {"b": point.b, "a": point.a, "d_steps": point.d_steps, "seed": point.seed}
    while not run.finished:
        event = run.advance()
        if event is None:
            continue
        seconds = time.monotonic() - began
        if isinstance(event, Diverged):
            outcome = "diverged"
            if not rows:
                rows.append({**base, "step": event.step, "score": None, "noise": None})
                rows[-1]["seconds"] = seconds
            break
        rows.append({**base, "step": event.step, "score": event.score, "noise": event.noise})
        rows[-1]["seconds"] = seconds
    return [{**row, "outcome": outcome} for row in rows]


def recorded(path: Path) -> list[Row]:
    """The rows of a file, none if it is not there."""
    return pq.read_table(path).to_pylist() if path.exists() else []


def _named(trial: Row) -> Row:
    """The settings as they stand in a file: a data set by the name of its file, not by where it lay."""
    data = trial["data"]
    if isinstance(data, dict):
        return {**trial, "data": {**data, "path": Path(data["path"]).name}}
    return trial


def keep(path: Path, surface: Surface, rows: list[Row]) -> None:
    """Writes a surface, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = sorted(rows, key=lambda r: (r["b"], r["a"], r["d_steps"], r["seed"], r["step"]))
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    table = table.replace_schema_metadata(
        {"trial": json.dumps(_named(surface.trial), sort_keys=True)}
    )
    partial = path.with_suffix(".partial")
    pq.write_table(table, partial, compression="zstd")
    partial.replace(path)


def results(tasks: list[Any], processes: int, until: float) -> Iterator[list[Row]]:
    """The rows of trial after trial, as they end; no more once the time is over."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(processes) as pool:
        running = pool.imap_unordered(record, tasks)
        while True:
            try:
                yield running.next(timeout=max(0.1, until - time.monotonic()))
            except (StopIteration, multiprocessing.TimeoutError):
                return


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="+", choices=sorted(RECORDED))
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--minutes", type=float, default=600.0)
    parser.add_argument("--data", help="an .npz of images for the surface mnist")
    parser.add_argument("--out", type=Path, default=SURFACES)
    given = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    until = time.monotonic() + 60 * given.minutes
    for name in given.names:
        surface, path = RECORDED[name], given.out / f"{name}.parquet"
        if name == "mnist":
            if given.data is None:
                sys.exit("mnist needs --data FILE, an .npz with handwritten digits")
            surface.trial["data"]["path"] = str(Path(given.data).resolve())
        rows = recorded(path)
        done = {Point(r["b"], r["a"], r["d_steps"], r["seed"]).key for r in rows}
        with tempfile.TemporaryDirectory() as cache:
            left = [point for point in points(surface) if point.key not in done]
            tasks = [(surface.trial, point, given.device, cache) for point in left]
            for count, found in enumerate(results(tasks, given.processes, until), 1):
                rows += found
                if count % 20 == 0 or count == len(tasks):
                    keep(path, surface, rows)
                    print(f"{name}: {count} of {len(tasks)} trials", flush=True)
        keep(path, surface, rows)


if __name__ == "__main__":
    main()
