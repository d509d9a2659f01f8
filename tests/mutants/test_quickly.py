"""The plugin of a mutation run counts as a test's cost what the test does, and not what it imports first."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from quickly import Quickly

CLOCK = SimpleNamespace(now=0.0)
"""A clock that modules and tests set forward."""


@pytest.fixture(autouse=True)
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Two modules that take 3 and 4 seconds to import; the first imports the second."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "clock_of_the_test", CLOCK)
    CLOCK.now = 100.0
    passes = "import clock_of_the_test as clock\nclock.now += "
    (tmp_path / "outer_of_the_test.py").write_text(f"import inner_of_the_test\n{passes}3.0\n")
    (tmp_path / "inner_of_the_test.py").write_text(f"{passes}4.0\n")
    yield
    for name in ("outer_of_the_test", "inner_of_the_test"):
        sys.modules.pop(name, None)


def test_what_a_test_imports_is_no_cost_of_it() -> None:
    def by_statement() -> None:
        import outer_of_the_test  # type: ignore[import-not-found]  # noqa: F401

    def by_name() -> None:
        importlib.import_module("outer_of_the_test")

    importing = __import__
    for imports in (by_statement, by_name):
        plugin, item = Quickly(lambda: CLOCK.now), SimpleNamespace(nodeid="first")
        around = Quickly.pytest_runtest_protocol(plugin, item)  # type: ignore[arg-type]
        next(around)
        CLOCK.now += 0.5
        imports()
        CLOCK.now += 0.25
        with pytest.raises(StopIteration):
            around.send(None)
        assert plugin.costs == {"first": 0.75}
        sys.modules.pop("outer_of_the_test")
        sys.modules.pop("inner_of_the_test")
    assert CLOCK.now == 100.0 + 2 * 7.75
    assert __import__ is importing
