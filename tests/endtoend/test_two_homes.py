"""Two homes publish to one tracking server: a name in MLflow is one record's, whoever comes when."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.processes import end_hard, ended
from support.server import TrackingServer
from support.study import ARMS, Place, assert_whole, saddle_spec

pytestmark = pytest.mark.slow

REFUSED = "belongs to another record's study of the same name"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[TrackingServer]:
    server = TrackingServer(tmp_path)
    yield server
    server.kill()


@pytest.fixture
def places(tmp_path: Path, server: TrackingServer) -> list[Place]:
    made = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        made.append(Place(tmp_path / name, {"MLFLOW_TRACKING_URI": server.uri}))
    return made


def test_of_two_that_launch_one_name_at_once_one_is_refused(
    places: list[Place], server: TrackingServer
) -> None:
    server.start()
    spec = saddle_spec(trials=1)
    processes = [place.start("launch", str(place.write(spec))) for place in places]
    try:
        said = [ended(process) for process in processes]
    finally:
        for process in processes:
            end_hard(process)
    codes = [process.returncode for process in processes]
    assert sorted(codes) == [0, 2], said
    won, lost = codes.index(0), codes.index(2)
    assert REFUSED in said[lost]
    assert not any(places[lost].trials("little", arm) for arm in ARMS), "nothing was run for it"
    assert_whole(places[won], "little", 1)
    # Under a name of its own it is run, and the other's is as it was.
    places[lost].ttur("launch", "little.yaml", "--name", "other")
    assert_whole(places[lost], "other", 1)
    assert_whole(places[won], "little", 1)


def test_who_was_not_told_that_a_name_is_taken_is_shown_nobody_elses_answer(
    places: list[Place], server: TrackingServer
) -> None:
    """The server was away when it began, and is back before it ends."""
    server.start()
    first, late = places
    first.ttur("launch", str(first.write(saddle_spec(trials=1))))
    server.kill()
    late.hold(10)
    process = late.start("launch", str(late.write(saddle_spec(trials=2))))
    try:
        late.wait_for_checkpoints("little", 10, 2, process)
        server.start()
        late.let_go()
        said = ended(process)
    finally:
        end_hard(process)
    assert process.returncode == 0, said
    assert "belongs to another record" in said
    assert "at step" not in said, "a table of the other's trials"
    assert_whole(first, "little", 1)
