"""A game's small rules by hand: layouts, which update is penalised, the time of the data, its state."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import Any

import pytest
import torch
from support.pretend import DEVICE, Accelerator
from support.small_games import LAYOUTS, PENALISED, PLAIN, Given, assert_same, game, pair
from torch import Tensor, nn

from trainables.devices import at_precision
from trainables.gan.state import snapshot
from trainables.gan.watch import NonFiniteError
from trainables.networks.pair import Latent, Networks


def given_to(network: nn.Module) -> list[Tensor]:
    """What a network is given from now on."""
    given: list[Tensor] = []
    network.register_forward_pre_hook(lambda _, arguments: given.append(arguments[0]))
    return given


@pytest.mark.parametrize("layout", LAYOUTS)
def test_weights_and_real_images_lie_as_the_networks_ask(layout: torch.memory_format) -> None:
    networks = pair(layout)
    playing = game(networks=networks)
    for network in (playing.generator, playing.discriminator):
        maps = [weight for weight in network.parameters() if weight.dim() == 4]
        assert all(weight.is_contiguous(memory_format=layout) for weight in maps)
    for layer in (playing.generator[2], playing.discriminator[1]):
        assert layer.weight.stride()[-1] == (1 if layout is LAYOUTS[0] else 2)
    given = given_to(playing.discriminator)
    playing.step(1)
    # Of one channel: counts as contiguous in both, but what a view takes apart are the strides.
    assert given[0].shape == (4, 1, 4, 4)
    assert given[0].stride() == ((16, 16, 4, 1) if layout is LAYOUTS[0] else (16, 1, 4, 1))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_real_samples_that_are_not_maps_are_left_as_they_are(layout: torch.memory_format) -> None:
    text = torch.rand(4, 6, 5).transpose(1, 2)
    g = nn.Sequential(nn.Linear(3, 30), nn.Unflatten(1, (5, 6)))
    d = nn.Sequential(nn.Flatten(), nn.Linear(30, 1))
    networks = Networks(g, d, Latent(3, "normal"), layout)
    playing = game(networks=networks, batches=Given(text))
    given = given_to(playing.discriminator)
    playing.step(1)
    assert given[0] is text


def test_of_all_updates_of_d_one_in_so_many_is_penalised() -> None:
    """Three updates of D a step, and a penalty in each fourth: numbers 0, 4, 8 of all."""
    playing = game(d_steps=3, regulariser={"r1": 1.0, "every": 4})
    given = given_to(playing.discriminator)
    penalised = []
    for n in (1, 2, 3, 4):
        playing.step(n)
        penalised.append(sum(samples.is_leaf and samples.requires_grad for samples in given))
        given.clear()
    assert penalised == [1, 1, 1, 0]
    assert [at // 3 for at in (0, 4, 8)] == [0, 1, 2]


def test_which_update_of_d_within_a_step_is_penalised() -> None:
    playing = game(d_steps=3, regulariser={"gradient_penalty": 1.0, "every": 2})
    given = given_to(playing.discriminator)
    playing.step(1)  # updates 0, 1 and 2, then the generator's
    asked = [samples.is_leaf and samples.requires_grad for samples in given]
    assert asked == [False, False, True, False, False, False, False, True, False]


def test_steps_of_a_kind_are_those_with_the_penalty_in_the_same_updates(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of D's updates 0 to 9, two a step, those with the numbers 0, 3, 6 and 9."""
    playing = game(d_steps=2, regulariser={"r1": 1.0, "every": 3})
    kinds: list[Any] = []
    monkeypatch.setattr(playing._steps, "make", kinds.append)
    for n in (1, 2, 3, 4, 5):
        playing.step(n)
    assert kinds == [(True, False), (False, True), (False, False), (True, False), (False, True)]


def test_the_time_of_the_data_is_the_sum_of_that_of_the_batches(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1000.0

    class Slow(Given):
        def next(self) -> Tensor:
            nonlocal now
            now += 0.5
            return super().next()

    monkeypatch.setattr(time, "perf_counter", lambda: now)
    playing = game(d_steps=3, batches=Slow(torch.zeros(4, 1, 4, 4)))
    assert playing.data_seconds == 0.0
    playing.step(1)
    playing.step(2)
    assert playing.data_seconds == 3.0


def test_what_is_not_finite_is_said_with_the_updates_that_were_made() -> None:
    playing = game()
    for n in (1, 2, 3):
        playing.step(n)
    with torch.no_grad():
        playing.discriminator[0].weight[0] = math.nan
    with pytest.raises(NonFiniteError) as caught:
        playing.step(4)
    assert caught.value.done == 3


@pytest.mark.parametrize("player", ["discriminator", "generator"])
def test_a_weight_that_is_not_finite_is_said_with_its_network(player: str) -> None:
    playing = game()
    playing.check_weights()
    with torch.no_grad():
        getattr(playing, player)[0].weight.view(-1)[1] = -math.inf
    with pytest.raises(NonFiniteError) as caught:
        playing.check_weights()
    assert str(caught.value) == f"the {player}'s weight is inf"


def test_a_state_has_every_stream_by_its_name() -> None:
    class Flipped(Given):
        """Their own stream of flips is ahead of what was handed out; the rest is the order's."""

        def state_dict(self) -> dict[str, Any]:
            return {"order": 3, "flip": torch.tensor([5, 6], dtype=torch.uint8)}

    batch = torch.zeros(4, 1, 4, 4)
    plain, flipped = (game(batches=each).state_dict() for each in (Given(batch), Flipped(batch)))
    names = {"flip", "latent", "regulariser", "networks", "devices"}
    for state in (plain, flipped):
        assert set(state["streams"]) == names
        # None has been drawn from yet: each is a stream of its own.
        states = [state["streams"][name] for name in ("flip", "latent", "regulariser", "networks")]
        assert all(isinstance(each, Tensor) for each in states)
        assert len({each.numpy().tobytes() for each in states}) == 4
    assert (plain["batches"], flipped["batches"]) == ({}, {"order": 3})
    assert flipped["streams"]["flip"].tolist() == [5, 6]
    assert plain["streams"]["flip"].numel() > 2


@pytest.mark.parametrize("further", [PENALISED, PLAIN], ids=["penalised", "plain"])
def test_a_state_is_the_same_wherever_it_was_taken_and_is_gone_on_from_anywhere(
    further: dict[str, Any],
) -> None:
    """On a device, where draws are made ahead and uploaded together, it is after those handed out."""
    on_cpu = game(d_steps=2, **further)
    for n in (1, 2):
        on_cpu.step(n)
    begun = snapshot(on_cpu.state_dict())
    assert set(begun["streams"]) == {"flip", "latent", "regulariser", "networks", "devices"}
    on_cpu.step(3)
    expected = snapshot(on_cpu.state_dict())
    losses = on_cpu.mean_losses()
    assert expected["loss_counts"] == [6, 3]
    assert expected["loss_sums"].dtype == torch.float64
    assert (expected["loss_sums"] / torch.tensor([6.0, 3.0])).tolist() == pytest.approx(losses)
    with Accelerator():
        there = game(DEVICE, d_steps=2, **further)
        for n in (1, 2):
            there.step(n)
        taken = snapshot(there.state_dict())
        moved = game(DEVICE, d_steps=2, **further)
        moved.load_state_dict(begun)
        for playing in (there, moved):
            playing.step(3)
        ended = [snapshot(playing.state_dict()) for playing in (there, moved)]
    for state in (taken, *ended):
        assert list(state["streams"].pop("devices")) == [torch.device(DEVICE).type]
    for state in (begun, expected):
        assert state["streams"].pop("devices") == {}
    assert_same(taken, begun)
    for state in ended:
        assert_same(state, expected)


def test_on_a_device_an_update_that_is_not_finite_is_not_made() -> None:
    with Accelerator():
        playing = game(DEVICE)
        playing.step(1)
        with torch.no_grad():
            playing.discriminator[0].weight[0] = math.nan
        before = snapshot(dict(playing.generator.state_dict()))
        playing.step(2)
        assert_same(before, snapshot(dict(playing.generator.state_dict())))
        with pytest.raises(NonFiniteError, match="the discriminator's") as caught:
            playing.settle()
    assert caught.value.done == 1


def test_in_tf32_a_penalty_is_computed_in_full() -> None:
    playing = game(precision="tf32", regulariser="r1")
    found: list[tuple[bool, str]] = []

    def note(_: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        penalised = arguments[0].is_leaf and arguments[0].requires_grad
        found.append((penalised, torch.get_float32_matmul_precision()))

    playing.discriminator.register_forward_pre_hook(note)
    with at_precision("tf32", "cuda"):  # what it sets is torch's, whichever device there is
        playing.step(1)
    assert found == [(False, "high"), (False, "high"), (True, "highest"), (False, "high")]


def test_in_bfloat16_networks_compute_so_and_samples_and_scores_are_float32() -> None:
    playing = game(precision="bf16")
    made: list[torch.dtype] = []
    for network in (playing.generator, playing.discriminator):
        network.register_forward_hook(lambda *arguments: made.append(arguments[2].dtype))
    given = given_to(playing.discriminator)
    scores: list[torch.dtype] = []
    d_loss = playing._loss.discriminator

    def listening(real: Tensor, fake: Tensor) -> Tensor:
        scores.extend((real.dtype, fake.dtype))
        return d_loss(real, fake)

    playing._loss = replace(playing._loss, discriminator=listening)
    playing.step(1)
    assert (
        made == [torch.bfloat16] * 5
    )  # D's of real and generated samples, and G's with D's of them
    assert {samples.dtype for samples in given} == {torch.float32}
    assert scores == [torch.float32] * 2
