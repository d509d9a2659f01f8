"""A real ``ttur delete`` is killed at each of its points, and the next one finishes what it began."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from support.homes import NAMES, Homes, gone
from support.study import Place, saddle_spec

pytestmark = pytest.mark.faults

KILLS = (
    "delete-intended:1",
    "delete-experiment:1",
    "delete-experiment:2",
    "delete-mlflow:1",
    "delete-checkpoints:1",
    "delete-record:1",
)
"""Its points in their order, but the last; the confirming study has an experiment and a record of its own."""


def killed(place: Place, at: str) -> None:
    place.ttur("delete", "study", "--yes", expect=-signal.SIGKILL, TTUR_FAULT=at)


@pytest.mark.parametrize(
    "kills",
    [
        pytest.param((KILLS[0], KILLS[3], KILLS[-1]), id="some"),
        pytest.param(KILLS, id="all", marks=pytest.mark.exhaustive),
    ],
)
def test_a_deletion_that_is_killed_at_any_point_is_finished_by_the_next(
    tmp_path: Path, kills: tuple[str, ...]
) -> None:
    homes, place = Homes(tmp_path), Place(tmp_path)
    whole = {where: sorted(NAMES) for where in gone()}
    others = set(gone()["record"])
    spec = str(place.write(saddle_spec("study", trials=1)))
    for kill in kills:
        assert homes.there() == whole
        killed(place, kill)
        left = homes.there()
        assert others | {"study"} <= set(left["record"]), "the next one knows what to do by it"
        assert all(others <= set(names) for names in left.values()), kill
        if kill in (KILLS[0], KILLS[-1]):  # between them the record says the same
            assert "with `ttur delete study`" in place.ttur("launch", spec, expect=2)
        assert "study is deleted." in place.ttur("delete", "study", "--yes")
        assert homes.there() == gone(), kill
        for name in NAMES[:2]:
            homes.fill(name)
    killed(place, "delete-record:2")  # all is gone but the note of where it was
    assert homes.there() == gone() | {"memory": sorted([*others, "study"])}
    assert "study is deleted." in place.ttur("delete", "study", "--yes")
    assert homes.there() == gone()
    assert "study is not a study in this" in place.ttur("delete", "study", "--yes", expect=2)
