"""A GAN as a trial, by hand: its clock, its measurements, its weights, and where a divergence leaves it."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from support.pretend import DEVICE, Accelerator
from torch import Tensor, nn

from trainables.gan.adversarial import AdversarialTrial
from trainables.gan.game import GanGame
from trainables.gan.streams import Streams
from trainables.kinds import parse_settings
from trainables.levels import Score
from trainables.networks.pair import Latent, Networks
from trainables.protocol import Context, Diverged, Measurement, Parameters
from trainables.settings.gan import GanSettings

DATA, UPDATE, WAIT, SCORE = 0.5, 2.0, 8.0, 32.0
"""Seconds of a batch, of an update without it, of the wait for a device, and of a scoring."""


class Batches:
    """The same real samples again and again, (4, 5)."""

    def __init__(self, device: str) -> None:
        self.batch = torch.linspace(-1, 1, 20).reshape(4, 5).to(device)

    def next(self) -> Tensor:
        return self.batch

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


class Small(AdversarialTrial):
    """Scores are 1, 2, 3, ... with a tenth of them as noise."""

    scored = 0

    @property
    def score_name(self) -> str:
        return "small_1"

    @property
    def makes(self) -> Mapping[str, str]:
        return {}

    def artifacts(self) -> Mapping[str, bytes]:
        return {}

    def _score(self, early: bool = False) -> Score:
        self.scored += 1
        return Score(float(self.scored), self.scored / 10, {"further": self.scored * 7.0})


def trial(device: str = "cpu", **further: Any) -> Small:
    fields = {"kind": "gan", "data": "digits", "steps": 5, "evaluate_every": 3, "batch_size": 4}
    settings = parse_settings({**fields, **further})
    assert isinstance(settings, GanSettings)
    torch.manual_seed(0)
    networks = Networks(nn.Linear(3, 5), nn.Linear(5, 1), Latent(3, "normal"))
    rates, context = Parameters(b=2e-3, a=1e-3, d_steps=2), Context(seed=3, device=device, cache="")
    return Small(settings, rates, context, networks, Batches(device), Streams(3, device))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that moves only by what is done."""
    now = 1000.0
    monkeypatch.setattr(time, "perf_counter", lambda: now)
    lasting = ((Batches, "next", DATA), (GanGame, "settle", WAIT), (Small, "_score", SCORE))
    for owner, name, seconds in (*lasting, (GanGame, "step", UPDATE)):
        done = getattr(owner, name)

        def slow(*given: Any, done: Any = done, seconds: float = seconds) -> Any:
            nonlocal now
            now += seconds
            return done(*given)

        monkeypatch.setattr(owner, name, slow)


STEP = 2 * DATA + UPDATE
"""Seconds of a step with two updates of D."""


@pytest.mark.usefixtures("clock")
def test_measurements_and_times_are_of_what_was_done() -> None:
    made = trial()
    assert made.times == {"data": 0.0, "training": 0.0, "evaluation": 0.0}
    answers = iter([False, True])
    assert made.advance(lambda: next(answers)) is None  # a pause after a step waits for the device
    first, second = made.advance(), made.advance()
    assert isinstance(first, Measurement)
    assert isinstance(second, Measurement)
    assert made.finished
    trained = 3 * STEP + 2 * WAIT
    assert (first.step, first.score, first.noise, first.seconds) == (3, 1.0, 0.1, trained + SCORE)
    assert first.metrics["steps_per_second"] == 3 / trained
    assert set(first.metrics) == {"d_loss", "g_loss", "steps_per_second", "further"}
    assert first.metrics["further"] == 7.0
    assert (second.step, second.score, second.noise) == (5, 2.0, 0.2)
    assert second.metrics["steps_per_second"] == 2 / (2 * STEP + WAIT)
    assert made.times == {
        "data": 10 * DATA,
        "training": 5 * UPDATE + 3 * WAIT,
        "evaluation": 2 * SCORE,
    }
    assert second.seconds == sum(made.times.values())


@pytest.mark.usefixtures("clock")
def test_times_go_on_from_a_saved_state() -> None:
    begun, whole = trial(), trial()
    for each in (begun, whole):
        each.advance()
    continued = trial()
    continued.load(begun.save())
    assert continued.times == begun.times
    continued.scored = 1
    found, expected = continued.advance(), whole.advance()
    assert isinstance(found, Measurement)
    assert isinstance(expected, Measurement)
    assert (found.seconds, found.metrics) == (expected.seconds, expected.metrics)
    assert continued.times == whole.times
    old = begun.save()
    del old["data_seconds"]  # of an older version
    again = trial()
    again.load(old)
    assert again.times["data"] == 0.0


def test_mean_losses_of_an_evaluation_are_of_the_updates_since_the_last_one() -> None:
    made = trial()
    losses: dict[str, list[float]] = {"discriminator": [], "generator": []}
    check = made.game._watch.check

    def listen(player: str, loss: Tensor, *further: Any) -> None:
        losses[player].append(loss.item())
        check(player, loss, *further)

    made.game._watch.check = listen  # type: ignore[assignment,method-assign]
    for _ in range(2):
        found = made.advance()
        assert isinstance(found, Measurement)
        for name, player in (("d_loss", "discriminator"), ("g_loss", "generator")):
            assert found.metrics[name] == pytest.approx(sum(losses[player]) / len(losses[player]))
            losses[player].clear()


@pytest.mark.parametrize("device", ["cpu", DEVICE])
def test_a_divergence_is_said_with_the_updates_that_were_made_and_kept(device: str) -> None:
    with Accelerator():
        made = trial(device)
        made.advance(lambda: made.step == 2)
        with torch.no_grad():
            made.game.generator.bias[0] = math.nan  # type: ignore[operator]
        found = made.advance()
        assert isinstance(found, Diverged)
        assert found.step == made.step == 2
        assert made.finished
        again = trial(device)
        again.load(made.save())
    assert again._diverged == found
    assert again.finished


def test_weights_that_are_not_finite_at_an_evaluation_leave_the_step_as_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = trial()
    monkeypatch.setattr(made, "_score", lambda _: Score(1.0, math.nan))
    found = made.advance()
    assert isinstance(found, Diverged)
    assert (found.step, found.reason) == (3, "the score small_1 is 1.0 with noise nan")


@pytest.mark.parametrize("ema", [0.0, 0.5])
def test_weights_are_those_of_the_generator_and_of_its_average(ema: float) -> None:
    made = trial(ema=ema)
    made.advance()
    parts = {"generator": made.game.generator, "average": made.game.sampled}
    expected = {"generator.weight", "generator.bias"}
    weights = made.weights()
    assert set(weights) == expected | ({"average.weight", "average.bias"} if ema else set())
    for name, tensor in weights.items():
        part, _, rest = name.partition(".")
        assert torch.equal(tensor, parts[part].get_parameter(rest))
    assert torch.equal(*(parts[part].get_parameter("bias") for part in parts)) is not bool(ema)


@pytest.mark.parametrize("ema", [0.0, 0.5])
@pytest.mark.parametrize("kept", [True, False])
def test_kept_weights_take_the_place_of_fresh_ones(ema: float, kept: bool) -> None:
    """Where no average was kept, it begins as the generator."""
    given = {
        part: {"weight": torch.full((5, 3), number), "bias": torch.full((5,), number)}
        for part, number in (("generator", 2.0), ("average", 3.0))
    }
    if not kept:
        del given["average"]
    made = trial(ema=ema)
    made.start_from(given)
    assert set(made.game.generator.weight.flatten().tolist()) == {2.0}  # type: ignore[operator]
    sampled = 3.0 if ema and kept else 2.0
    assert set(made.game.sampled.bias.tolist()) == {sampled}  # type: ignore[operator]
    with pytest.raises(ValueError, match="the kept weights do not fit the trial's networks"):
        made.start_from({"generator": {"weight": torch.zeros(5, 4), "bias": torch.zeros(5)}})
    with pytest.raises(ValueError, match="do not fit"):
        made.start_from({})
