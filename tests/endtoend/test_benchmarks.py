"""The benchmarks that launch studies run, at their smallest size."""

from __future__ import annotations

import pytest

from benchmarks.run import PARTS, section

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", [name for name, part in PARTS.items() if part.starts_ray])
def test_a_script_that_launches_studies_runs(name: str) -> None:
    text, whole = section(name, PARTS[name], "least")
    assert whole, text
