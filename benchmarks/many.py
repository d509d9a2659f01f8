"""Simulated studies in several processes, handed out in turn until a time limit."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from multiprocessing import get_context
from typing import TypeVar

Job = TypeVar("Job")
Found = TypeVar("Found")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Adds ``--processes`` and ``--seconds`` to a benchmark's arguments."""
    parser.add_argument("--processes", type=int, default=1, help="studies side by side")
    parser.add_argument(
        "--seconds",
        type=float,
        default=float("inf"),
        help="begin no study after so long; the table says how many of each there are",
    )


def in_turn(
    jobs: Sequence[Job], work: Callable[[Job], Found], processes: int, seconds: float
) -> Iterator[tuple[Job, Found]]:
    """Each job with what came of it, as they end.

    Args:
        jobs: What to do, the first first: in turn over the cases, so that a run that is cut has as many
            of each.
        work: A function of a module (it goes to other processes); what it finds depends on its job alone.
        processes: How many at a time; 1: in this process.
        seconds: No job is begun after so long; those that run are waited for.
    """
    ends = time.monotonic() + seconds
    if processes == 1:
        for job in jobs:
            if time.monotonic() >= ends:
                return
            yield job, work(job)
        return
    left = iter(jobs)
    # A forked process could hang on a lock that a thread of this one held.
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        running: dict[Future[Found], Job] = {}
        while True:
            while len(running) < processes and time.monotonic() < ends:
                job = next(left, None)
                if job is None:
                    break
                running[pool.submit(work, job)] = job
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                yield running.pop(future), future.result()
