"""How many CPUs count: the least of what the system, a container's quota and Slurm grant."""

from __future__ import annotations

from pathlib import Path

import pytest

from study.engine import cpus
from study.engine.cpus import usable_cpus


@pytest.fixture(autouse=True)
def _machine_of_64(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpus, "_scheduled", lambda: 64)
    monkeypatch.delenv("SLURM_CPUS_ON_NODE", raising=False)


def write(root: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)


V1 = "4:memory:/docker/ab\n3:cpu,cpuacct:/docker/ab\n"
FIRST = "sys/fs/cgroup/cpu/"


@pytest.mark.parametrize(
    ("files", "count"),
    [
        ({}, 64),
        # docker run --cpus=2, as the container sees it, and as the host does
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "200000 100000\n"}, 2),
        (
            {
                "proc/self/cgroup": "0::/system.slice/docker-ab.scope\n",
                "sys/fs/cgroup/system.slice/docker-ab.scope/cpu.max": "200000 100000\n",
            },
            2,
        ),
        # a quota of a group above (a pod's) counts too, and what is unlimited does not
        (
            {
                "proc/self/cgroup": "0::/pod/container\n",
                "sys/fs/cgroup/pod/cpu.max": "350000 100000\n",
                "sys/fs/cgroup/pod/container/cpu.max": "max 100000\n",
            },
            3,
        ),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "50000 100000\n"}, 1),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"}, 64),
        # the first version: the container's path is not what it sees
        (
            {
                "proc/self/cgroup": V1,
                FIRST + "cpu.cfs_quota_us": "200000\n",
                FIRST + "cpu.cfs_period_us": "100000\n",
            },
            2,
        ),
        (
            {
                "proc/self/cgroup": V1,
                FIRST + "cpu.cfs_quota_us": "-1\n",
                FIRST + "cpu.cfs_period_us": "100000\n",
                FIRST + "docker/ab/cpu.cfs_quota_us": "400000\n",
                FIRST + "docker/ab/cpu.cfs_period_us": "100000\n",
            },
            4,
        ),
    ],
)
def test_a_quota_counts(tmp_path: Path, files: dict[str, str], count: int) -> None:
    write(tmp_path, files)
    assert usable_cpus(tmp_path) == count


def test_slurm_counts_where_it_grants_less(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_CPUS_ON_NODE", "3")
    assert usable_cpus(tmp_path) == 3
    monkeypatch.setenv("SLURM_CPUS_ON_NODE", "128")
    assert usable_cpus(tmp_path) == 64
