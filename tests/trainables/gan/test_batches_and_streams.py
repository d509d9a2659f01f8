"""Batches of real images and the streams of a trial, each against a plain loop over the same numbers."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch

from trainables.gan.batches import (
    EpochOrder,
    ImageBatches,
    RowBatches,
    require_a_batch,
    to_network,
    to_uint8,
)
from trainables.gan.state import snapshot
from trainables.gan.streams import Streams, evaluation_stream, seed_of


def images(count: int = 11) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 2, 3, 3), dtype=np.uint8)


def epochs(count: int, size: int, seed: int) -> Any:
    """The order of all batches: permutations of one stream, their rests left out."""
    stream = torch.Generator().manual_seed(seed_of(seed, 1))
    while True:
        order = torch.randperm(count, generator=stream).tolist()
        for start in range(0, count - size + 1, size):
            yield order[start : start + size]


def test_pixels_there_and_back() -> None:
    pixels = torch.arange(256, dtype=torch.uint8)
    scaled = to_network(pixels)
    assert scaled.dtype == torch.float32
    expected = [value / 127.5 - 1 for value in range(256)]
    assert scaled.tolist() == pytest.approx(expected, abs=1e-6)
    back = to_uint8(scaled.clone())
    assert back.dtype == torch.uint8
    assert torch.equal(back, pixels)
    beyond = torch.tensor([-1.5, -1.0, 0.004, 0.0, 1.0, 7.0])
    assert to_uint8(beyond).tolist() == [0, 0, 128, 128, 255, 255]


def test_less_than_a_batch_is_refused() -> None:
    require_a_batch(4, 4, "images")
    with pytest.raises(ValueError, match="batch_size is 5, but the data are 4 lines; lower it"):
        require_a_batch(4, 5, "lines")
    with pytest.raises(ValueError, match="batch_size is 12, but the data are 11 images"):
        ImageBatches(images(), 12, False, Streams(0), "cpu")
    with pytest.raises(ValueError, match="the data are 2 rows"):
        EpochOrder(2, 3, "rows", Streams(0))


@pytest.mark.parametrize(("count", "size"), [(11, 4), (8, 4), (3, 3), (5, 1)])
def test_an_order_is_one_permutation_an_epoch(count: int, size: int) -> None:
    order = EpochOrder(count, size, "rows", Streams(5))
    expected = list(itertools.islice(epochs(count, size, 5), 9))
    assert [order.next().tolist() for _ in range(9)] == expected
    again = EpochOrder(count, size, "rows", Streams(6))
    first = EpochOrder(count, size, "rows", Streams(5))
    for _ in range(4):
        first.next()
    again.load_state_dict(snapshot(first.state_dict()))
    assert [again.next().tolist() for _ in range(5)] == expected[4:]


@pytest.mark.parametrize("as_type", [None, np.int64])
def test_rows_are_those_of_the_order(as_type: type | None) -> None:
    rows = np.arange(33, dtype=np.uint8).reshape(11, 3)
    rows.flags.writeable = False
    made = RowBatches(rows, EpochOrder(11, 4, "rows", Streams(5)), "cpu", as_type)
    states = []
    for chosen in itertools.islice(epochs(11, 4, 5), 5):
        states.append(made.state_dict())
        batch = made.next()
        assert batch.tolist() == rows[chosen].tolist()
        assert batch.dtype == (torch.uint8 if as_type is None else torch.int64)
    back = RowBatches(rows, EpochOrder(11, 4, "rows", Streams(9)), "cpu", as_type)
    back.next()
    back.load_state_dict(states[3])
    assert back.state_dict()["position"] == states[3]["position"] == 4
    assert back.next().tolist() == rows[next(itertools.islice(epochs(11, 4, 5), 3, None))].tolist()
    assert (back.state_dict()["position"], made.state_dict()["position"]) == (8, 4)


def test_on_a_cpu_one_batch_is_gathered_at_a_time() -> None:
    """The array is shared with other trials, so nothing of it is kept beside the batch."""
    order = EpochOrder(11, 4, "rows", Streams(5))
    made = RowBatches(images(), order, "cpu")
    for position in (4, 8, 4):
        made.next()
        assert order.state_dict()["position"] == position
    assert made._resident is None


def test_an_augmentation_gets_the_batch_and_draws_from_the_trials_own_stream() -> None:
    def shifted(batch: torch.Tensor) -> torch.Tensor:
        return (batch + torch.rand(len(batch), 1, 1, 1)).contiguous()

    plain = ImageBatches(images(), 4, False, Streams(5), "cpu")
    made = ImageBatches(images(), 4, False, Streams(5), "cpu", shifted)
    streams = Streams(5)
    torch.manual_seed(99)
    for _ in range(3):
        with streams.inside_networks():
            expected = plain.next() + torch.rand(4, 1, 1, 1)
        batch = made.next()
        assert torch.equal(batch, expected)
        assert batch.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("flip", [False, True])
def test_images_are_scaled_and_half_of_them_mirrored(flip: bool) -> None:
    pixels = images()
    made = ImageBatches(pixels, 4, flip, Streams(5), "cpu")
    coins = torch.Generator().manual_seed(seed_of(5, 2))
    turned = 0
    for chosen in itertools.islice(epochs(11, 4, 5), 12):
        batch = made.next()
        assert batch.shape == (4, 3, 2, 3)
        assert batch.is_contiguous(memory_format=torch.channels_last)
        mirrored = (torch.rand(4, generator=coins) < 0.5).tolist() if flip else [False] * 4
        for image, index, turn in zip(batch, chosen, mirrored, strict=True):
            expected = pixels[index][:, ::-1] if turn else pixels[index]
            turned += turn
            assert image.permute(1, 2, 0).numpy() == pytest.approx(expected / 127.5 - 1, abs=1e-6)
    assert 10 < turned < 38 if flip else turned == 0
    assert ("flip" in made.state_dict()) is flip


def test_seeds_of_different_keys_differ_and_are_numpys() -> None:
    sequence = np.random.SeedSequence(7, spawn_key=(3, 1))
    assert seed_of(7, 3, 1) == int(sequence.generate_state(1, np.uint64)[0])
    seeds = {seed_of(*key) for key in itertools.product(range(3), range(4))} | {seed_of(0)}
    assert len(seeds) == 13
    assert evaluation_stream(3).initial_seed() == seed_of(20170626, 3)


def test_each_stream_of_a_trial_has_a_seed_of_its_own() -> None:
    made = Streams(4)
    streams = (made.data, made.flip, made.latent, made.regulariser)
    assert made.weights_seed == seed_of(4, 0)
    assert [stream.initial_seed() for stream in streams] == [seed_of(4, n) for n in (1, 2, 3, 4)]


def test_inside_networks_torchs_stream_is_the_trials_and_outside_it_is_as_it_was() -> None:
    made = Streams(4)
    torch.manual_seed(99)
    expected_outside = torch.rand(2, generator=torch.Generator().manual_seed(99)).tolist()
    own = torch.rand(4, generator=torch.Generator().manual_seed(seed_of(4, 5))).tolist()
    with made.inside_networks():
        inside = torch.rand(2).tolist()
    outside = torch.rand(1).tolist()

    def fail() -> None:
        with made.inside_networks():
            inside.extend(torch.rand(2).tolist())
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    outside += torch.rand(1).tolist()
    assert (inside, outside) == (own, expected_outside)


def test_a_state_of_the_streams_is_taken_up_by_another_trial() -> None:
    made, other = Streams(4), Streams(5)
    for stream in (made.flip, made.latent, made.regulariser):
        torch.rand(3, generator=stream)
    with made.inside_networks():
        torch.rand(3)
    state = snapshot(made.state_dict())
    assert set(state) == {"flip", "latent", "regulariser", "networks", "devices"}
    data = other.data.get_state()
    other.load_state_dict(state)
    for name in ("flip", "latent", "regulariser"):
        one, two = (torch.rand(2, generator=getattr(each, name)) for each in (made, other))
        assert torch.equal(one, two)
    assert torch.equal(other.data.get_state(), data)
    drawn = []
    for each in (made, other):
        with each.inside_networks():
            drawn.append(torch.rand(2))
    assert torch.equal(*drawn)
    del state["devices"]  # an older version kept none
    Streams(6).load_state_dict(state)
