"""Each row of the mutation run has modules that take faults, and tests; what is left out is there, too."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from rows import LEFT_OUT, ROWS
from run import ROOT, left_of, takes_faults


@pytest.mark.parametrize(
    ("module", "takes"),
    [
        ("X = 1", False),
        ("def f():\n    return 1", True),
        ("async def f():\n    return 1", True),
        ("@cache\ndef f():\n    def g():\n        return 1\n    return g", False),
        ("@cache\ndef f():\n    return 1\ndef g():\n    return 1", True),
        ("class A:\n    @property\n    def f(self):\n        return 1", False),
        ("class A:\n    @staticmethod\n    def f():\n        return 1", True),
        ("class A:\n    @staticmethod\n    @cache\n    def f():\n        return 1", False),
        ("class A:\n    def f(self):\n        return 1", True),
    ],
)
def test_a_module_of_decorated_functions_takes_no_fault(module: str, takes: bool) -> None:
    assert takes_faults(module) is takes


def test_no_row_is_empty_but_what_is_left_of_a_folder() -> None:
    for row, (modules, tests) in enumerate(ROWS):
        assert left_of(row) or modules.endswith("*.py"), modules
        assert [name for name in tests if not (ROOT / name).exists()] == []


def test_what_is_left_out_is_there() -> None:
    assert [name for name in LEFT_OUT if not (ROOT / name).is_file()] == []


def test_no_module_has_two_rows() -> None:
    taken = [path for row in range(len(ROWS)) for path in left_of(row)]
    assert len(taken) == len(set(taken))
