"""deploy/aws-gpu-spot.yaml, which is not run: what can be read off it. Ray's schema: tests/cluster."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from support.postgres import DEPLOY

TEXT = (DEPLOY / "aws-gpu-spot.yaml").read_text()
CONFIG: dict[str, Any] = yaml.safe_load(TEXT)
KINDS: dict[str, dict[str, Any]] = CONFIG["available_node_types"]


def test_it_says_first_that_it_was_never_run() -> None:
    assert TEXT.startswith("# NOT RUN")


@pytest.mark.parametrize("kind", KINDS)
def test_no_host_is_reached_from_outside(kind: str) -> None:
    host = KINDS[kind]["node_config"]
    assert CONFIG["provider"]["use_internal_ips"] is True
    # Ray makes a group of its own where none is named, which lets ssh in from everywhere.
    assert host["SecurityGroupIds"] == ["sg-00000000000000000"]
    assert "security_group" not in CONFIG["provider"]
    assert "NetworkInterfaces" not in host
    assert host["MetadataOptions"] == {"HttpTokens": "required"}
    assert all(disk["Ebs"]["Encrypted"] for disk in host["BlockDeviceMappings"])


@pytest.mark.parametrize("part", ["head", "worker"])
def test_every_call_of_ray_names_the_mode_of_authentication(part: str) -> None:
    for command in CONFIG[f"{part}_start_ray_commands"]:
        before, called, _ = command.partition("ray st")
        assert not called or "RAY_AUTH_MODE=token" in before


def test_the_heads_services_listen_on_its_private_address() -> None:
    start = CONFIG["head_start_ray_commands"][-1]
    private = "$(hostname -I | cut -d ' ' -f 1)"
    assert f"--node-ip-address={private}" in start
    assert f"--dashboard-host={private}" in start
    assert "0.0.0.0" not in TEXT


def test_a_launch_can_tell_what_a_worker_will_hold() -> None:
    assert KINDS["head"]["resources"] == {"CPU": 0}
    assert KINDS["gpu_spot"]["resources"] == {"CPU": 8, "GPU": 1}
    assert KINDS["gpu_spot"]["min_workers"] == 0
