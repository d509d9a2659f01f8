"""Real data that tests use where it is: a folder of files, named by TTUR_TEST_DATA."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def real_data(name: str) -> Path:
    """Returns the path of a file of real data; skips the test where it is not there."""
    beside = Path(__file__).parents[2] / "shared" / "data"
    path = Path(os.environ.get("TTUR_TEST_DATA", beside)) / name
    if not path.is_file():
        pytest.skip(f"no {name}: set TTUR_TEST_DATA to the folder that has it")
    return path
