"""What holds for every test: nobody is phoned, and parallel work does not fight for two cores."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
# Before anything imports torch or NumPy; child processes get it too.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# On a busy machine an example may take any time.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

ALONE = ("cluster", "endtoend", "faults", "study")
"""Folders of tests that start clusters and servers."""
PURE = ("results", "search", "spec", "surface")
"""Folders below tests/study that do not."""


# First, since xdist reads the groups in a hook of the same name.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keeps heavy tests that start clusters and servers to one process: two at a time disturb each other."""
    root = Path(__file__).parent
    for item in items:
        top, *below = item.path.relative_to(root).parts
        if top in ALONE and below[0] not in PURE:
            item.add_marker(pytest.mark.xdist_group("alone"))
