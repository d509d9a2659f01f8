"""The files that a newcomer reads who follows ``ttur launch``: they do not become more unnoticed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow


def test_the_way_of_a_launch_leads_through_so_many_files() -> None:
    command = [sys.executable, "-m", "benchmarks.reading", "--list"]
    run = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )
    assert run.returncode == 0, run.stderr
    path, all_that_ran = map(int, re.findall(r": (\d+) files", run.stdout))
    listed = run.stdout.partition("\n\n")[0].splitlines()[2:]
    assert len(listed) == len(set(listed)) == path
    assert path <= 63
    assert all_that_ran <= 123
    drawn = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = drawn.partition("## The way of a launch")[2].partition("\n## ")[0]
    assert set(re.findall(r"\| `([\w/]+\.py)` \|", table)) <= set(listed)
