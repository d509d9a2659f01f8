"""Ray's own start; what the engine does with trials is in tests/endtoend and tests/faults."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml

from study.errors import Unreachable, UserError
from study.spec.model import Resources

pytestmark = pytest.mark.slow  # Ray takes seconds to import

TOO_LATE = "The current node timed out during startup. This could happen because ..."


def starts(monkeypatch: pytest.MonkeyPatch, *errors: Exception) -> list[dict[str, Any]]:
    """Makes the first calls of ray.init fail; returns the calls."""
    from study.engine import cluster as ray_cluster

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
    from study.engine import cluster as ray_cluster

    calls = starts(monkeypatch, Exception(TOO_LATE), Exception(TOO_LATE))
    with ray_cluster.cluster(None, Resources(cpus=3)):
        assert [call["num_cpus"] for call in calls] == [3, 3, 3]
    assert caplog.text.count("trying again") == 2


def test_it_is_not_tried_for_ever_nor_after_another_error(monkeypatch: pytest.MonkeyPatch) -> None:
    from study.engine import cluster as ray_cluster

    calls = starts(monkeypatch, *[Exception(TOO_LATE)] * 9)
    with (
        pytest.raises(Unreachable, match="Ray did not start in 3 tries of 30 s each") as raised,
        ray_cluster.cluster(None, Resources(cpus=1)),
    ):
        pass
    assert "launch again" in str(raised.value)
    assert TOO_LATE in str(raised.value.__cause__)
    assert len(calls) == 3
    calls = starts(monkeypatch, OSError("no space left"))
    with pytest.raises(OSError, match="no space"), ray_cluster.cluster(None, Resources(cpus=1)):
        pass
    assert len(calls) == 1


def test_an_address_where_nobody_listens_is_bad_input_at_once() -> None:
    from study.engine import cluster as ray_cluster

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, so that nobody else can listen, and not listening
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with (
            pytest.raises(UserError, match=f"--address {address}: no Ray cluster answers there"),
            ray_cluster.cluster(address, Resources()),
        ):
            pass


class FakeCluster:
    """A cluster of our choosing, in place of what Ray says."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, folder: Path, *nodes: dict[str, float]
    ) -> None:
        from study.engine import cluster as ray_cluster
        from study.engine import private

        self.nodes = list(nodes)
        self.asked: list[list[dict[str, float]]] = []
        self.report: dict[str, Any] | None = None
        self.bootstrap = folder / "ray_bootstrap_config.yaml"
        monkeypatch.setattr(ray_cluster.ray, "nodes", self._nodes)
        monkeypatch.setattr(ray_cluster, "embedded", lambda: False)
        monkeypatch.setattr(private, "is_autoscaler_v2", lambda **_: False)
        monkeypatch.setattr(private, "_internal_kv_get", lambda key: self._status())
        monkeypatch.setattr(ray_cluster, "request_resources", self._requested)
        monkeypatch.setattr(ray_cluster, "BOOTSTRAP", self.bootstrap)
        monkeypatch.setattr(ray_cluster, "AUTOSCALER_SECONDS", 2.0)
        monkeypatch.setattr(ray_cluster, "REPORT_SECONDS", 0.0)

    def autoscales(self, **types: dict[str, float]) -> None:
        """Makes it the cluster of an autoscaler with these node types."""
        self.report = {"node_type_mapping": {"10.0.0.1": "head"}}
        kinds = {name: {"resources": held} for name, held in types.items()}
        self.bootstrap.write_text(yaml.safe_dump({"available_node_types": kinds}))

    def _nodes(self) -> list[dict[str, Any]]:
        return [{"Alive": True, "Resources": held} for held in self.nodes]

    def _status(self) -> bytes | None:
        return json.dumps({"autoscaler_report": self.report}).encode() if self.report else None

    def _requested(self, bundles: list[dict[str, float]]) -> None:
        self.asked.append(bundles)
        if bundles and self.report is not None:
            self.nodes += self.will_bring

    will_bring: ClassVar[list[dict[str, float]]] = []


def test_a_trial_that_fits_a_node_is_let_through(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from study.engine import cluster as ray_cluster

    cluster = FakeCluster(monkeypatch, tmp_path, {"CPU": 2.0}, {"CPU": 4.0, "GPU": 1.0})
    ray_cluster.check_fit(4, 0.25)
    assert cluster.asked == []


def test_no_single_node_holds_it_and_nobody_brings_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from study.engine import cluster as ray_cluster

    cluster = FakeCluster(monkeypatch, tmp_path, {"CPU": 8.0}, {"CPU": 2.0, "GPU": 1.0})
    # Every head reports; without a provider it calls each node a type of its own.
    cluster.report = {"node_type_mapping": {"4f2": "node_4f2"}}
    sentence = (
        "a trial asks for 4 CPU and 0.5 GPU, but the largest node of the cluster has 2 CPU and 1"
    )
    with pytest.raises(UserError, match=sentence):
        ray_cluster.check_fit(4, 0.5)
    assert cluster.asked == []


def test_an_autoscaler_is_asked_and_waited_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from study.engine import cluster as ray_cluster

    cluster = FakeCluster(monkeypatch, tmp_path, {"CPU": 0.0})
    cluster.autoscales(gpu={"CPU": 8, "GPU": 1})
    monkeypatch.setattr(FakeCluster, "will_bring", [{"CPU": 8.0, "GPU": 1.0}])
    ray_cluster.check_fit(4, 0.5)
    assert cluster.asked == [[{"CPU": 4, "GPU": 0.5}], []]


def test_an_autoscaler_that_brings_nothing_is_not_waited_for_for_ever(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from study.engine import cluster as ray_cluster

    cluster = FakeCluster(monkeypatch, tmp_path, {"CPU": 1.0})
    cluster.autoscales()
    with pytest.raises(UserError, match="the autoscaler brought none that does"):
        ray_cluster.check_fit(4, 0)
    assert cluster.asked[-1] == []  # the request is taken back
    ray_cluster.check_fit(4, 0, given_up=lambda: True)  # a launch that was asked to end


def test_node_types_that_cannot_hold_it_are_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from study.engine import cluster as ray_cluster

    cluster = FakeCluster(monkeypatch, tmp_path, {"CPU": 0.0})
    cluster.autoscales(gpu={"CPU": 8, "GPU": 1})
    with pytest.raises(UserError, match="none of the autoscaler's node types holds it"):
        ray_cluster.check_fit(16, 0)
    assert cluster.asked == []


@pytest.mark.parametrize(
    ("cpu", "gpu", "expected"), [(1, 0, 6), (1, 0.25, 4), (3, 0, 1), (0.1, 0.1, 10), (8, 0, 0)]
)
def test_trials_have_room_node_by_node(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cpu: float, gpu: float, expected: int
) -> None:
    from study.engine import cluster as ray_cluster

    FakeCluster(monkeypatch, tmp_path, {"CPU": 2.0}, {"CPU": 4.0, "GPU": 1.0}, {})
    assert ray_cluster.room(cpu, gpu) == expected


@pytest.mark.parametrize(
    ("gpu", "accelerated", "expected"),
    [("auto", True, 1.0), ("auto", False, 0.0), (0.25, True, 0.25)],
)
def test_auto_is_a_gpu_where_one_is_or_may_come(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    gpu: Any,
    accelerated: bool,
    expected: float,
) -> None:
    from study.engine import cluster as ray_cluster

    cluster = FakeCluster(monkeypatch, tmp_path, {"CPU": 0.0})
    resources = Resources(gpu=gpu)
    if gpu == "auto":
        assert ray_cluster.gpus(resources, accelerated) == 0.0
    cluster.autoscales(gpu={"CPU": 8, "GPU": 4})
    assert ray_cluster.gpus(resources, accelerated) == expected


@pytest.mark.parametrize(
    ("address", "kept", "made"),
    [
        (None, False, True),
        (None, True, True),
        ("head:6379", False, True),
        ("head:6379", True, False),
    ],
)
def test_a_token_is_made_unless_it_is_the_clusters_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, address: str | None, kept: bool, made: bool
) -> None:
    from study.engine import cluster as ray_cluster

    token = tmp_path / "token"
    if kept:
        token.write_text("the user's")
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", "")
    monkeypatch.delenv("RAY_AUTH_TOKEN")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(token))
    ray_cluster._provide_token(address)
    assert ("RAY_AUTH_TOKEN" in os.environ) == made


def test_a_process_that_uses_ray_already_keeps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from study.engine import cluster as ray_cluster

    calls = starts(monkeypatch)
    monkeypatch.setattr(ray_cluster.ray, "is_initialized", lambda: True)
    monkeypatch.setattr(ray_cluster.ray, "shutdown", lambda: calls.append({}))
    with (
        pytest.raises(UserError, match="connected to Ray already"),
        ray_cluster.cluster(None, Resources()),
    ):
        pass
    assert calls == []
