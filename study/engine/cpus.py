"""The number of CPUs of this machine that a process may use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import psutil


def usable_cpus(root: Path = Path("/")) -> int:
    """Returns the least of what the system, a container's quota and Slurm grant this process; at least 1.

    A quota is rounded down: 2.5 CPUs are two trials of one CPU.

    Args:
        root: Where the file system begins, for tests.
    """
    granted = [float(_scheduled()), *_quotas(root)]
    slurm = os.environ.get("SLURM_CPUS_ON_NODE", "")
    # Without a plugin that binds tasks, a job of one CPU is scheduled on all of them.
    granted += [float(slurm)] if slurm.isdigit() else []
    return max(1, int(min(granted)))


def _scheduled() -> int:
    """CPUs that the system schedules this process on; macOS binds nothing, so it has them all."""
    if hasattr(os, "process_cpu_count"):  # Python 3.13
        return os.process_cpu_count() or 1
    process = psutil.Process()
    return len(process.cpu_affinity()) if hasattr(process, "cpu_affinity") else os.cpu_count() or 1


def _quotas(root: Path) -> Iterator[float]:
    """CPUs that the control groups of this process grant, each of its groups and all above them.

    A container sees its own group as the root, whatever its path is called outside.
    """
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if not controllers:
            top, read = root / "sys/fs/cgroup", _second_version
        elif "cpu" in controllers.split(","):
            top, read = root / "sys/fs/cgroup/cpu", _first_version
        else:
            continue
        group = top / path.strip("/")
        while True:
            quota = read(group)
            if quota is not None:
                yield quota
            if group == top or top not in group.parents:
                break
            group = group.parent


def _second_version(group: Path) -> float | None:
    return _share(*_numbers(group / "cpu.max"))


def _first_version(group: Path) -> float | None:
    return _share(*_numbers(group / "cpu.cfs_quota_us"), *_numbers(group / "cpu.cfs_period_us"))


def _numbers(file: Path) -> list[int]:
    """The numbers in a file; -1 for the word max, and none if it cannot be read."""
    try:
        return [-1 if word == "max" else int(word) for word in file.read_text().split()]
    except (OSError, ValueError):
        return []


def _share(*quota_and_period: int) -> float | None:
    if len(quota_and_period) != 2 or min(quota_and_period) <= 0:
        return None
    quota, period = quota_and_period
    return quota / period
