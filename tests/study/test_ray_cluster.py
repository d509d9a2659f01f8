"""Ray's own start; what the engine does with trials is in tests/endtoend and tests/faults."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from study.errors import UserError
from study.spec import Resources

pytestmark = pytest.mark.slow  # Ray takes seconds to import

TOO_LATE = "The current node timed out during startup. This could happen because ..."


def starts(monkeypatch: pytest.MonkeyPatch, *errors: Exception) -> list[dict[str, Any]]:
    """Makes the first calls of ray.init fail; returns the calls."""
    from study import ray_cluster

    calls: list[dict[str, Any]] = []
    left = list(errors)

    def init(**options: Any) -> None:
        calls.append(options)
        if left:
            raise left.pop(0)

    monkeypatch.setattr(ray_cluster.ray, "init", init)
    monkeypatch.setattr(ray_cluster.ray, "shutdown", lambda: None)
    return calls


def test_a_start_that_took_too_long_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from study import ray_cluster

    calls = starts(monkeypatch, Exception(TOO_LATE), Exception(TOO_LATE))
    with ray_cluster.cluster(None, Resources(cpus=3)):
        assert [call["num_cpus"] for call in calls] == [3, 3, 3]
    assert caplog.text.count("trying again") == 2


def test_it_is_not_tried_for_ever_nor_after_another_error(monkeypatch: pytest.MonkeyPatch) -> None:
    from study import ray_cluster

    calls = starts(monkeypatch, *[Exception(TOO_LATE)] * 9)
    with pytest.raises(Exception, match="timed out"), ray_cluster.cluster(None, Resources(cpus=1)):
        pass
    assert len(calls) == ray_cluster.START_ATTEMPTS
    calls = starts(monkeypatch, OSError("no space left"))
    with pytest.raises(OSError, match="no space"), ray_cluster.cluster(None, Resources(cpus=1)):
        pass
    assert len(calls) == 1


def test_an_address_where_nobody_listens_is_bad_input_at_once() -> None:
    from study import ray_cluster

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, so that nobody else can listen, and not listening
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with (
            pytest.raises(UserError, match=f"--address {address}: no Ray cluster answers there"),
            ray_cluster.cluster(address, Resources()),
        ):
            pass
