"""A launch where nothing is that only Linux has, as far as Python shows it: what macOS is short of."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.study import Place, assert_whole, saddle_spec

pytestmark = pytest.mark.slow

TAKEN_AWAY = """
import os, select, signal
import psutil

for module, names in {
    os: ("sched_getaffinity", "sched_setaffinity", "process_cpu_count", "memfd_create", "eventfd",
         "posix_fadvise", "posix_fallocate", "pidfd_open", "setns", "unshare", "copy_file_range"),
    select: ("epoll",),
    signal: ("sigtimedwait", "sigwaitinfo", "pidfd_send_signal"),
    psutil.Process: ("cpu_affinity", "rlimit"),
}.items():
    for name in names:
        if hasattr(module, name):
            delattr(module, name)
"""


def test_a_study_runs_without_what_only_linux_has(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(TAKEN_AWAY)
    place = Place(tmp_path)
    spec = saddle_spec(trials=1)
    del spec["resources"]["cpus"]
    said = place.ttur("launch", str(place.write(spec)))
    assert "is tried again" not in said
    assert_whole(place, "little", 1)
