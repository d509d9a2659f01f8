"""The GAN trial: rates reach the updates, one seed one result, pausing, saving, divergence."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from trainables.gan.trial import GanTrial
from trainables.kinds import build_trial
from trainables.levels import Score
from trainables.protocol import Context, Diverged, Measurement, Parameters, Trial

BASE: dict[str, Any] = {
    "kind": "gan",
    "data": "digits",
    "networks": {"name": "dcgan", "width": 2, "latent": 4},
    "batch_size": 8,
    "steps": 5,
    "evaluate_every": 2,
    "score": {"extractor": "digits", "samples": 64},
}


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def make(
    cache: Path,
    *,
    b: float = 2e-3,
    a: float = 1e-3,
    d_steps: int = 1,
    seed: int = 0,
    **further: Any,
) -> GanTrial:
    trial = build_trial(
        {**BASE, **further},
        Parameters(b=b, a=a, d_steps=d_steps),
        Context(seed=seed, cache=str(cache)),
    )
    assert isinstance(trial, GanTrial)
    return trial


def run(trial: Trial) -> list[Measurement | Diverged]:
    found = []
    while not trial.finished:
        result = trial.advance()
        assert result is not None
        found.append(result)
    return found


def weights(trial: GanTrial) -> list[torch.Tensor]:
    both = [*trial.game.generator.parameters(), *trial.game.discriminator.parameters()]
    return [weight.detach().clone() for weight in both]


def same(left: list[torch.Tensor], right: list[torch.Tensor]) -> bool:
    return all(torch.equal(one, other) for one, other in zip(left, right, strict=True))


def content(measurement: Measurement | Diverged | None) -> Any:
    """What may not depend on the clock."""
    assert isinstance(measurement, Measurement)
    metrics = {k: v for k, v in measurement.metrics.items() if k != "steps_per_second"}
    return measurement.step, measurement.score, measurement.noise, metrics


def rates(trial: GanTrial) -> tuple[float, float]:
    return (
        trial.game.d_optimiser.param_groups[0]["lr"],
        trial.game.g_optimiser.param_groups[0]["lr"],
    )


def updates_made(trial: GanTrial) -> tuple[int, int]:
    """Updates that Adam itself has counted, of D and of G."""
    d_state, g_state = (
        list(optimiser.state_dict()["state"].values())
        for optimiser in (trial.game.d_optimiser, trial.game.g_optimiser)
    )
    return int(d_state[0]["step"]), int(g_state[0]["step"])


def test_it_is_a_trial_with_an_evaluation_at_every_cadence_and_at_the_end(cache: Path) -> None:
    trial = make(cache)
    assert isinstance(trial, Trial)
    assert trial.score_name == "fd_digits_64"
    found = run(trial)
    assert [result.step for result in found] == [2, 4, 5]
    assert all(isinstance(r, Measurement) and r.score > 0 and r.seconds > 0 for r in found)
    with pytest.raises(RuntimeError, match="finished"):
        trial.advance()


@pytest.mark.parametrize(("b", "a", "d_steps"), [(3e-3, 1e-4, 1), (1e-4, 2e-3, 3)])
def test_rates_and_d_steps_reach_the_updates_fresh_and_restored(
    cache: Path, b: float, a: float, d_steps: int
) -> None:
    fresh = make(cache, b=b, a=a, d_steps=d_steps)
    assert rates(fresh) == (b, a)
    fresh.advance()
    assert rates(fresh) == (b, a)
    assert updates_made(fresh) == (2 * d_steps, 2)
    restored = make(cache, b=b, a=a, d_steps=d_steps)
    restored.load(fresh.save())
    assert rates(restored) == (b, a)
    restored.advance()
    assert rates(restored) == (b, a)
    assert updates_made(restored) == (4 * d_steps, 4)


def test_the_first_update_is_as_large_as_the_rates(cache: Path) -> None:
    """Adam's first update moves every weight by its rate, up to eps."""
    trial = make(cache, b=3e-3, a=2e-4, evaluate_every=1)
    before = weights(trial)
    trial.advance()
    moved = [
        (now - then).abs().max().item() for now, then in zip(weights(trial), before, strict=True)
    ]
    count = len(list(trial.game.generator.parameters()))
    assert max(moved[:count]) == pytest.approx(2e-4, rel=1e-2)
    assert max(moved[count:]) == pytest.approx(3e-3, rel=1e-2)


def test_scheduled_rates_continue_where_they_were(cache: Path) -> None:
    options: dict[str, Any] = {"schedule": {"name": "power", "tau_b": 0.6, "tau_a": 0.9}}
    trial = make(cache, **options)
    trial.advance()
    restored = make(cache, **options)
    restored.load(trial.save())
    restored.advance()
    assert rates(restored) == pytest.approx((2e-3 * 4**-0.6, 1e-3 * 4**-0.9))


def test_one_seed_gives_one_result_and_another_seed_another(cache: Path) -> None:
    first, second, other = make(cache), make(cache), make(cache, seed=1)
    results = [content(trial.advance()) for trial in (first, second, other)]
    assert results[0] == results[1] != results[2]
    assert same(weights(first), weights(second))
    assert not same(weights(first), weights(other))


def test_the_global_stream_is_neither_used_nor_moved(cache: Path) -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = make(cache)
    first.advance()
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(2)
    second = make(cache)
    second.advance()
    assert same(weights(first), weights(second))


def test_pausing_changes_nothing(cache: Path) -> None:
    whole = run(make(cache))
    paused, found, pauses = make(cache), [], 0
    while not paused.finished:
        answers = iter([False, True])
        result = paused.advance(lambda answers=answers: next(answers))  # type: ignore[misc]
        if result is None:
            pauses += 1
        else:
            found.append(result)
    assert [content(result) for result in found] == [content(result) for result in whole]
    assert pauses == 5
    assert make(cache).advance(lambda: True) is None


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_a_saved_trial_continues_bit_for_bit(cache: Path, ema: float) -> None:
    whole = make(cache, ema=ema)
    expected = run(whole)
    stopped = make(cache, ema=ema)
    stopped.advance()
    answers = iter([False, True])
    assert stopped.advance(lambda: next(answers)) is None  # between two evaluations
    buffer = io.BytesIO()
    torch.save(stopped.save(), buffer)
    buffer.seek(0)
    continued = make(cache, ema=ema)
    continued.load(torch.load(buffer, weights_only=True))
    assert continued.step == 3
    assert [content(r) for r in run(continued)] == [content(r) for r in expected[1:]]
    assert same(weights(continued), weights(whole))
    assert continued.artifacts() == whole.artifacts()


def test_a_state_is_a_copy(cache: Path) -> None:
    trial = make(cache)
    trial.advance()
    state = trial.save()
    before = {key: value.clone() for key, value in state["game"]["generator"].items()}
    trial.advance()
    after = state["game"]["generator"]
    assert all(torch.equal(before[key], after[key]) for key in before)


@pytest.mark.parametrize(
    ("further", "field"),
    [
        ({"b": 1e-4}, r"parameters\.b is 0\.002, not 0\.0001"),
        ({"d_steps": 2}, r"parameters\.d_steps"),
        ({"seed": 1}, r"seed is 0, not 1"),
        ({"loss": "hinge"}, r"settings\.loss is 'non_saturating', not 'hinge'"),
    ],
)
def test_a_state_of_another_trial_is_refused(
    cache: Path, further: dict[str, Any], field: str
) -> None:
    state = make(cache).save()
    with pytest.raises(ValueError, match=rf"the state is of another trial: its {field}"):
        make(cache, **further).load(state)


def test_rates_that_are_far_too_large_diverge(cache: Path) -> None:
    trial = make(cache, b=1e30, a=1e30, optimiser="sgd", steps=200, evaluate_every=200)
    result = trial.advance()
    assert isinstance(result, Diverged)
    assert result.step == trial.step < 200
    assert trial.finished
    again = make(cache, b=1e30, a=1e30, optimiser="sgd", steps=200, evaluate_every=200)
    again.load(trial.save())
    assert again.finished


def test_a_weight_that_is_not_finite_is_never_used(cache: Path) -> None:
    trial = make(cache)
    trial.advance()
    with torch.no_grad():
        next(trial.game.discriminator.parameters()).view(-1)[3] = math.nan
    before = weights(trial)
    result = trial.advance()
    assert isinstance(result, Diverged)
    assert (result.step, result.reason[:17]) == (2, "the discriminator")
    after = weights(trial)
    assert all(
        torch.equal(one.nan_to_num(), other.nan_to_num())
        for one, other in zip(before, after, strict=True)
    )


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_score_that_is_not_finite_is_divergence(
    cache: Path, monkeypatch: pytest.MonkeyPatch, value: float
) -> None:
    trial = make(cache)
    monkeypatch.setattr(trial, "_score", lambda _: Score(value, 0.0))
    result = trial.advance()
    assert isinstance(result, Diverged)
    assert result.reason == f"the score fd_digits_64 is {value} with noise 0.0"


def test_images_that_are_not_finite_are_divergence(cache: Path) -> None:
    trial = make(cache, evaluate_every=5)
    answers = iter([False] * 5 + [True])
    assert trial.advance(lambda: next(answers)) is None
    for name, buffer in trial.game.generator.named_buffers():
        if name.endswith("running_mean"):
            buffer.fill_(math.nan)
    result = trial.advance()
    assert isinstance(result, Diverged)
    assert result.reason == "the generator's image is nan"


def test_minutes_end_a_trial_before_its_steps(cache: Path) -> None:
    trial = make(cache, minutes=1e-9, steps=1000, evaluate_every=100)
    (result,) = run(trial)
    assert isinstance(result, Measurement)
    assert result.step == 1
    continued = make(cache, minutes=1e-9, steps=1000, evaluate_every=100)
    continued.load(trial.save())
    assert continued.finished


def test_mean_losses_are_those_since_the_last_evaluation(cache: Path) -> None:
    trial = make(cache)
    losses: list[float] = []
    check = trial.game._watch.check

    def listen(player: str, loss: Any, *further: Any) -> None:
        if player == "generator":
            losses.append(loss.item())
        check(player, loss, *further)

    trial.game._watch.check = listen  # type: ignore[method-assign]
    trial.advance()
    second = trial.advance()
    assert isinstance(second, Measurement)
    assert second.metrics["g_loss"] == pytest.approx(sum(losses[2:]) / 2)


def test_the_artifact_is_a_grid_of_64_images(cache: Path) -> None:
    picture = Image.open(io.BytesIO(make(cache).artifacts()["samples.png"]))
    assert picture.size == (8 * 36, 8 * 36)


def test_too_few_images_for_a_batch_are_refused(cache: Path) -> None:
    with pytest.raises(ValueError, match="batch_size is 2000, but the data are 1797 images"):
        make(cache, batch_size=2000)
