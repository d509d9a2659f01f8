"""Batches and coins on a pretend device: the CPU's, however many go there at once and wherever one stops."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support.pretend import DEVICE, Accelerator

from trainables.gan import ahead, batches
from trainables.gan.ahead import Ahead
from trainables.gan.batches import EpochOrder, ImageBatches, RowBatches
from trainables.gan.state import snapshot
from trainables.gan.streams import Streams

ROWS = np.arange(33, dtype=np.uint8).reshape(11, 3)


def rows_on(device: str, seed: int = 5) -> RowBatches:
    return RowBatches(ROWS, EpochOrder(11, 4, "rows", Streams(seed)), device)


@pytest.mark.parametrize(("resident", "uploads"), [(33, 1 + 2), (32, 9)])
def test_rows_lie_there_or_go_there_some_batches_at_a_time(
    resident: int, uploads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """33 bytes lie there whole, with one order of 64 batches at a time; or the rows of 8 batches go."""
    monkeypatch.setattr(batches, "RESIDENT_BYTES", resident)
    expected = [rows.next().tolist() for rows in [rows_on("cpu")] for _ in range(70)]
    with Accelerator() as gpu:
        made = rows_on(DEVICE)
        found, states = [], []
        for _ in range(70):
            states.append(made.state_dict())
            batch = made.next()
            assert batch.device.type == torch.device(DEVICE).type
            found.append(batch.cpu().tolist())
        assert gpu.uploads == uploads
        assert found == expected
        for at in (0, 3, 69):
            other = rows_on(DEVICE, seed=9)
            other.next()
            other.load_state_dict(states[at])
            assert other.next().cpu().tolist() == expected[at]


def test_coins_go_there_64_at_a_time_and_a_checkpoint_is_after_those_handed_out() -> None:
    def coin(stream: torch.Generator) -> torch.Tensor:
        return torch.rand(2, generator=stream)

    assert ahead._DRAWS == 64
    plain = torch.Generator().manual_seed(3)
    expected = [coin(plain).tolist() for _ in range(70)]
    with Accelerator() as gpu:
        stream = torch.Generator().manual_seed(3)
        made = Ahead(coin, stream, DEVICE)
        assert [made.next().cpu().tolist() for _ in range(67)] == expected[:67]
        assert gpu.uploads == 2
        again = torch.Generator().set_state(made.state())
        assert [coin(again).tolist() for _ in range(3)] == expected[67:]
        stream.set_state(made.state())
        made.restart()
        assert [made.next().cpu().tolist() for _ in range(3)] == expected[67:]
    at_hand = torch.Generator().manual_seed(3)
    on_cpu = Ahead(coin, at_hand, "cpu")
    assert [on_cpu.next().tolist() for _ in range(3)] == expected[:3]
    assert torch.equal(at_hand.get_state(), on_cpu.state())  # on a CPU it does not run ahead
    rest = torch.Generator().set_state(on_cpu.state())
    assert coin(rest).tolist() == expected[3]


def test_mirrored_images_go_on_where_they_were() -> None:
    images = np.random.default_rng(0).integers(0, 256, (11, 2, 3, 1), dtype=np.uint8)
    plain = ImageBatches(images, 4, True, Streams(5), "cpu")
    expected = [plain.next() for _ in range(6)]
    with Accelerator():
        streams = Streams(5, DEVICE)
        made = ImageBatches(images, 4, True, streams, DEVICE)
        for batch in expected[:4]:
            assert torch.equal(made.next().cpu(), batch)
        state = snapshot(made.state_dict())
        later = Streams(5, DEVICE)
        other = ImageBatches(images, 4, True, later, DEVICE)
        other.next()
        later.flip.set_state(state["flip"])
        other.load_state_dict(state)
        for batch in expected[4:]:
            assert torch.equal(other.next().cpu(), batch)


def test_the_devices_stream_is_the_trials_own_and_in_its_state() -> None:
    with Accelerator():
        made = Streams(4, DEVICE)
        torch.rand(1, device=DEVICE)

        def inside(streams: Streams) -> list[float]:
            with streams.inside_networks():
                return torch.rand(2, device=DEVICE).cpu().tolist()  # type: ignore[no-any-return]

        first, state = inside(made), snapshot(made.state_dict())
        assert set(state["devices"]) == {torch.device(DEVICE).type}
        before = torch.rand(1, device=DEVICE).cpu().tolist()
        second = inside(made)
        assert inside(Streams(4, DEVICE)) == first != second
        assert inside(Streams(5, DEVICE)) != first
        other = Streams(5, DEVICE)
        other.load_state_dict(state)
        assert inside(other) == second
        assert before != torch.rand(1, device=DEVICE).cpu().tolist()
        assert Streams(4).state_dict()["devices"] == {}
