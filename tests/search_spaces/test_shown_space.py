"""The search space that the pages show as an example of one's own is read and built as it stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from search_spaces import build_space


def test_the_space_that_the_documentation_shows_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "own-code.md").read_text(encoding="utf-8")
    section = page.partition("## A search space of your own")[2]
    code = section.partition("```python\n")[2].partition("```")[0]
    (tmp_path / "shown_spaces.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    arguments = {"b": [1e-4, 1e-2], "times": [1, 30]}
    space = build_space("shown_spaces:slower_generator", arguments)
    sampled = {"b": 0.008, "times": 8.0, "d_steps": 2}
    assert space.derive(sampled) == {"b": 0.008, "a": pytest.approx(0.001), "d_steps": 2}
