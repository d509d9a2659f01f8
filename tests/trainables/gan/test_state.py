"""Snapshots of what is nested: copies on the CPU, of a device by one transfer, laid out as they were."""

from __future__ import annotations

from typing import Any

import torch
from support.pretend import DEVICE, Accelerator
from torch import Tensor

from trainables.gan.state import snapshot


def test_a_snapshot_is_a_copy_of_all_that_is_nested() -> None:
    weight = torch.arange(6.0).reshape(2, 3).t().requires_grad_()
    value = {"a": [weight, (1, "x")], "b": {"c": None, "d": torch.tensor(3)}}
    copied = snapshot(value)
    with torch.no_grad():
        weight.zero_()
    assert copied["a"][0].tolist() == [[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]]
    assert copied["a"][0].stride() == weight.stride()
    assert not copied["a"][0].requires_grad
    assert (copied["a"][1], copied["b"]["c"], int(copied["b"]["d"])) == ((1, "x"), None, 3)


def test_of_a_device_all_come_by_one_transfer_as_they_were() -> None:
    """Of many types and layouts, one twice, and one that does not fill its memory."""
    counted = torch.arange(24.0)
    here = torch.tensor([7, 8])
    on_cpu: dict[str, Tensor] = {
        "maps": counted.reshape(1, 2, 3, 4).contiguous(memory_format=torch.channels_last),
        "turned": counted.double().reshape(4, 6).t(),
        "bytes": torch.tensor([1, 2, 3], dtype=torch.uint8),
        "gaps": counted.reshape(4, 6)[:, ::2],
        "half": counted[:3].bfloat16(),
        "number": torch.tensor(3, dtype=torch.int64),
        "nothing": torch.zeros(0, 2),
        "yes": torch.tensor([True, False]),
    }
    with Accelerator() as gpu:
        there = {name: tensor.to(DEVICE) for name, tensor in on_cpu.items()}
        alone = torch.tensor([5.0]).to(DEVICE)
        there["gaps"] = counted.to(DEVICE).reshape(4, 6)[:, ::2]
        value: Any = {"a": there, "b": [there["turned"], (here, "x", None), alone]}
        reads = gpu.reads
        taken = snapshot(value)
        assert gpu.reads == reads + 1
        for tensor in (*there.values(), alone):
            tensor.zero_()
    here.zero_()
    assert list(taken["a"]) == list(on_cpu)
    for name, expected in on_cpu.items():
        found = taken["a"][name]
        assert found.device.type == "cpu"
        assert found.dtype == expected.dtype
        assert torch.equal(found, expected), name
        assert found.stride() == expected.clone().stride(), name
    assert torch.equal(taken["b"][0], on_cpu["turned"])
    assert type(taken["b"][1]) is tuple
    assert taken["b"][1][0].tolist() == [7, 8]
    assert taken["b"][1][1:] == ("x", None)
    assert taken["b"][2].device.type == "cpu"
    assert taken["b"][2].tolist() == [5.0]
