"""The watch over updates: sums of losses, what of an update is not finite, and when the host reads it."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from support.pretend import DEVICE, Accelerator
from torch import Tensor

from trainables.gan import watch as module
from trainables.gan.watch import NonFiniteError, Watch, require_finite

WEIGHTS, GRADIENT = [[1.0, -2.0], [3.0]], [[4.0], [-5.0, 6.0], [7.0]]
"""Of one update: two weights, and the terms of a gradient."""


def update(watch: Watch, player: str, loss: float, device: str = "cpu", **bad: Any) -> None:
    """Reports an update of a player; ``bad`` is a value for one number of a group."""
    dtype = bad.pop("dtype", torch.float32)
    groups = {"weights": WEIGHTS, "gradient": GRADIENT}
    made: dict[str, list[Tensor]] = {}
    for name, rows in groups.items():
        made[name] = [torch.tensor(row, dtype=dtype) for row in rows]
        if name in bad:
            place, value = bad[name]
            made[name][place][-1] = value
        made[name].insert(1, torch.zeros(0, dtype=dtype))  # has no largest number
        made[name] = [tensor.to(device) for tensor in made[name]]
    report = torch.tensor(loss, dtype=dtype, requires_grad=True).to(device)
    watch.check(player, report, made["weights"], made["gradient"])


def test_on_a_cpu_losses_are_summed_up_by_player() -> None:
    watch = Watch("cpu")
    assert watch.stop is None
    assert watch.update == 0
    assert (watch.mean_loss("D"), watch.totals("D")) == (0.0, (0.0, 0))
    for player, loss in (("D", 1.5), ("G", -2.0), ("D", 2.5), ("D", 5.0)):
        update(watch, player, loss)
    assert (watch.totals("D"), watch.totals("G")) == ((9.0, 3), (-2.0, 1))
    assert (watch.mean_loss("D"), watch.mean_loss("G")) == (3.0, -2.0)
    watch.begin_means()
    assert (watch.totals("D"), watch.totals("G")) == ((0.0, 0), (0.0, 0))
    watch.set_totals("D", 4.0, 2)
    update(watch, "D", 5.0)
    assert (watch.totals("D"), watch.mean_loss("D")) == ((9.0, 3), 3.0)


BAD: list[tuple[dict[str, Any], str]] = [
    ({"loss": math.nan}, "loss is nan"),
    ({"loss": -math.inf}, "loss is -inf"),
    ({"weights": (0, -math.inf)}, "weight is inf"),
    ({"weights": (1, math.nan)}, "weight is nan"),
    ({"gradient": (0, math.inf)}, "gradient is inf"),
    ({"gradient": (2, math.nan)}, "gradient is nan"),
]


@pytest.mark.parametrize("device", ["cpu", DEVICE])
@pytest.mark.parametrize(("bad", "said"), BAD, ids=[said for _, said in BAD])
def test_the_first_update_that_is_not_finite_is_said_with_what_was_done(
    device: str, bad: dict[str, Any], said: str
) -> None:
    with Accelerator():
        watch = Watch(device)
        for n in (1, 2, 3):
            watch.update = n
            update(watch, "D", 1.0, device)
        assert watch.stop is None or watch.stop.item() == 0.0
        watch.update = 4

        def spoilt() -> None:
            update(watch, "G", **{"loss": 1.0, **bad}, device=device)
            assert watch.stop is not None
            assert watch.stop.item() == 1.0
            watch.update = 5
            update(watch, "D", 1.0, device)
            assert watch.stop.item() == 1.0
            watch.settle()

        with pytest.raises(NonFiniteError) as caught:
            spoilt()
    assert str(caught.value) == f"the G's {said}"
    assert caught.value.done == 3


@pytest.mark.parametrize(("chunk", "pieces"), [(2**16, 1), (12, 3), (17, 3), (11, 6), (1, 6)])
def test_on_a_device_the_host_reads_when_it_settles_once_a_piece(
    monkeypatch: pytest.MonkeyPatch, chunk: int, pieces: int
) -> None:
    """An update has a loss, two weights and three terms of a gradient: six numbers."""
    monkeypatch.setattr(module, "_CHUNK", chunk)
    with Accelerator() as gpu:
        watch = Watch(DEVICE)
        for n in range(1, 7):
            update(watch, "DG"[n % 2], float(n), DEVICE)
        before = gpu.reads
        watch.settle()
        assert gpu.reads - before == pieces
        assert (watch.totals("D"), watch.totals("G")) == ((12.0, 3), (9.0, 3))
        watch.settle()
        assert (watch.mean_loss("D"), watch.mean_loss("G")) == (4.0, 3.0)
        assert gpu.reads - before == pieces
        update(watch, "D", 5.0, DEVICE)
        watch.begin_means()
        assert watch.totals("D") == (0.0, 0)
        update(watch, "D", 5.0, DEVICE)
        assert watch.mean_loss("D") == 5.0


def test_numbers_of_both_precisions_go_together() -> None:
    with Accelerator():
        watch = Watch(DEVICE)
        exact = 1 + 2.0**-40
        for dtype in (torch.float32, torch.float64, torch.float32):
            update(watch, "D", exact, DEVICE, dtype=dtype)
        assert watch.totals("D") == (2 + exact, 3)
        mixed = [torch.ones(2, dtype=torch.float64).to(DEVICE)]
        watch.check("D", torch.tensor(2.0).to(DEVICE), mixed, mixed)
        assert watch.totals("D") == (4 + exact, 4)
    on_cpu = Watch("cpu")
    mixed = [torch.ones(2, dtype=torch.float64), torch.ones(2)]
    on_cpu.check("D", torch.tensor(2.0), mixed[:1], mixed[1:])
    assert on_cpu.totals("D") == (2.0, 1)


def test_a_state_is_required_to_be_finite_whatever_its_types() -> None:
    tensors = [torch.ones(2), torch.zeros(0), torch.full((2,), -3e38), torch.ones(1).double()]
    require_finite("generator", "image", tensors)
    tensors[0][1] = -math.inf
    with pytest.raises(NonFiniteError) as caught:
        require_finite("generator", "image", tensors)
    assert str(caught.value) == "the generator's image is inf"
    assert caught.value.done is None
