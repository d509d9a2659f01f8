"""Recorded steps are those that are not recorded, on a pretend device whose recordings are a CUDA graph's."""

from __future__ import annotations

import gc
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.own_networks import (
    Further,
    Own,
    collects,
    counts,
    draws_with_numpy,
    draws_with_python,
    draws_with_torch,
    drops,
    maker,
    reads,
    replaces,
)
from support.pretend import DEVICE, NAME, Accelerator
from support.recording import PretendCapture
from support.runs import come_to, played, small_assignment
from support.trials import mostly_slow
from torch import Tensor, nn

from trainables.assignment import Assignment
from trainables.gan import graphs
from trainables.gan.adversarial import AdversarialTrial
from trainables.run import TrialRun

DCGAN = {"name": "dcgan", "width": 2, "latent": 4}
ALONE = {**DCGAN, "d_norm": "layer"}
KINDS: dict[str, dict[str, Any]] = {
    "dcgan": {"data": {"name": "digits", "flip": True}},
    "same z, average": {"generator_latents": "same", "ema": 0.9},
    "ramp": {"ema": 0.9, "ema_start": 1, "ema_ramp": 0.5, "schedule": "cosine"},
    "spectral, hinge": {
        "loss": "hinge",
        "networks": {**DCGAN, "d_norm": "none", "d_spectral_norm": True},
        "ema": 0.9,
    },
    "extragradient": {"update_rule": "extragradient", "regulariser": "weight_decay"},
    "heavy ball": {
        "optimiser": {"name": "heavy_ball", "r": 50},
        "schedule": "power",
        "update_rule": "extragradient",
    },
    "polynomial": {
        "optimiser": {"name": "heavy_ball", "r": 50, "memory": "polynomial"},
        "schedule": "power",
    },
    "sgd": {
        "optimiser": {"name": "sgd", "beta1": 0.9},
        "schedule": "cosine",
        "update_rule": "simultaneous",
    },
    "wgan_gp": {
        "networks": {"name": "wgan_gp", "width": 2, "latent": 4},
        "loss": "wasserstein",
        "regulariser": "gradient_penalty",
    },
    "r1 lazily": {"networks": ALONE, "regulariser": {"r1": 1.0, "every": 3}, "ema": 0.9},
    "language": {},
}


@pytest.fixture(autouse=True)
def gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[Accelerator]:
    monkeypatch.setitem(graphs.CAPTURES, NAME, PretendCapture)
    with Accelerator() as accelerator:
        yield accelerator


def assignment(folder: Path, name: str, run: str, **further: Any) -> Assignment:
    kind = "language" if name == "language" else "gan"
    trial = {"steps": 12, "evaluate_every": 6, **KINDS.get(name, {}), **further}
    return small_assignment(kind, folder, run, **trial)


def run_of(given: Assignment) -> TrialRun:
    return TrialRun(given, DEVICE)


def outcome(run: TrialRun) -> Any:
    return come_to(run, "cuda_graphs")


def capture_of(run: TrialRun) -> Any:
    assert isinstance(run.trial, AdversarialTrial)
    return run.trial.game._steps._capture


@pytest.mark.parametrize("name", mostly_slow(KINDS))
def test_recorded_steps_are_those_made_by_themselves(tmp_path: Path, name: str) -> None:
    recorded = played(run_of(assignment(tmp_path, name, "recorded")))
    plain = played(run_of(assignment(tmp_path, name, "plain", cuda_graphs=False)))
    assert capture_of(plain) is None
    assert capture_of(recorded).recorded == (3 if name == "r1 lazily" else 1)
    # A step that is made elsewhere may leave autograd what breaks a recording.
    assert capture_of(recorded).warmed == 12 - capture_of(recorded).replayed
    assert capture_of(recorded).replayed == (6 if name == "r1 lazily" else 10)
    assert outcome(recorded) == outcome(plain)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "first"), [("heavy ball", True), ("r1 lazily", False)])
def test_a_trial_is_resumed_with_and_without_recordings(
    tmp_path: Path, name: str, first: bool
) -> None:
    whole = played(run_of(assignment(tmp_path, name, "whole")))
    begun = run_of(assignment(tmp_path, name, "stopped", cuda_graphs=first))
    begun.trial.advance(lambda: begun.trial.step == 5)
    begun.checkpoint()
    resumed = run_of(assignment(tmp_path, name, "stopped", cuda_graphs=not first))
    assert resumed.trial.step == 5
    assert outcome(played(resumed)) == outcome(whole)


@pytest.mark.slow
def test_what_was_recorded_is_forgotten_when_a_state_is_loaded(tmp_path: Path) -> None:
    """The optimisers' moments are other tensors afterwards."""
    run = run_of(assignment(tmp_path, "dcgan", "run"))
    run.trial.advance(lambda: run.trial.step == 2)
    state = run.trial.save()
    run.trial.advance(lambda: run.trial.step == 5)
    run.trial.load(state)
    assert outcome(played(run)) == outcome(played(run_of(assignment(tmp_path, "dcgan", "whole"))))


@pytest.mark.slow
def test_a_trial_goes_on_from_recorded_steps_on_a_cpu(tmp_path: Path) -> None:
    """What its numbers are held in on a device is not what is kept."""
    name = "polynomial"
    whole = played(TrialRun(assignment(tmp_path, name, "whole"), "cpu"))
    begun = run_of(assignment(tmp_path, name, "stopped"))
    begun.trial.advance(lambda: begun.trial.step == 5)
    begun.checkpoint()
    resumed = played(TrialRun(assignment(tmp_path, name, "stopped"), "cpu"))
    for ours, cpus in zip(resumed.history, whole.history, strict=True):
        assert ours.score == pytest.approx(cpus.score, rel=1e-4)
    group = resumed.trial.save()["game"]["d_optimiser"]["param_groups"][0]
    assert [type(value) for value in (group["lr"], *group["betas"])] == [float] * 3
    assert isinstance(group["beta2_product"], float)


_further: list[Further] = [drops]


def own_pair(*, channels: int, side: int, latent: int, width: int) -> tuple[nn.Module, nn.Module]:
    return maker(channels, side, latent), Own(channels * side**2, _further[-1])


def of_own(
    folder: Path, own: Further, run: str, graphs: bool, **further: Any
) -> tuple[Any, list[str], TrialRun]:
    _further.append(own)
    given = assignment(
        folder, "own", run, cuda_graphs=graphs, networks=f"{__name__}:own_pair", **further
    )
    run_ = run_of(given)
    random.seed(0)
    np.random.seed(0)
    notes: list[str] = []
    while not run_.finished:
        notes += run_.turn().notes
    return outcome(run_), notes, run_


@pytest.mark.parametrize(
    ("own", "reason"),
    [
        (reads, "a read cannot be recorded"),
        (counts, "outside of tensors"),
        pytest.param(collects, "outside of tensors", marks=pytest.mark.slow),
        pytest.param(replaces, "outside of tensors", marks=pytest.mark.slow),
        (draws_with_torch, "a network draws on the host"),
        pytest.param(draws_with_python, "a network draws on the host", marks=pytest.mark.slow),
        pytest.param(draws_with_numpy, "a network draws on the host", marks=pytest.mark.slow),
    ],
)
def test_what_cannot_be_recorded_is_made_by_itself_and_said_once(
    tmp_path: Path, own: Further, reason: str
) -> None:
    tried, notes, run = of_own(tmp_path, own, "tried", True)
    assert capture_of(run) is None
    (note,) = notes
    assert reason in note
    assert note.startswith("its updates are launched one kernel at a time")
    plain, none, _ = of_own(tmp_path, own, "plain", False)
    assert none == []
    assert tried == plain


def test_networks_that_draw_on_the_device_are_recorded(tmp_path: Path) -> None:
    further = {"data": {"name": "digits", "augment": "support.own_networks:rolled"}}
    recorded, notes, run = of_own(tmp_path, drops, "recorded", True, **further)
    assert (capture_of(run).recorded, notes) == (1, [])
    assert recorded == of_own(tmp_path, drops, "plain", False, **further)[0]


def test_batches_of_another_shape_are_not_replayed(tmp_path: Path) -> None:
    """An augmentation may give them; only where what is drawn lies as it did is a step replayed."""
    outcomes = []
    for recorded in (True, False):
        run = run_of(assignment(tmp_path, "dcgan", str(recorded), cuda_graphs=recorded))
        assert isinstance(run.trial, AdversarialTrial)
        batches = run.trial.game._batches
        given, honest = 0, batches.next

        def shorter(honest: Callable[[], Tensor] = honest) -> Tensor:
            nonlocal given
            given += 1
            return honest()[: 4 if given == 9 else 8]

        batches.next = shorter  # type: ignore[method-assign]
        outcomes.append(outcome(played(run)))
    assert capture_of(run) is None
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize(
    "name", ["dcgan", *(pytest.param(n, marks=pytest.mark.slow) for n in ("heavy ball", "sgd"))]
)
def test_an_update_that_is_not_finite_is_never_replayed(tmp_path: Path, name: str) -> None:
    before = run_of(assignment(tmp_path, name, "before"))
    before.trial.advance(lambda: before.trial.step == 4)
    run = run_of(assignment(tmp_path, name, "nan"))
    assert isinstance(run.trial, AdversarialTrial)
    assert isinstance(before.trial, AdversarialTrial)
    batches = run.trial.game._batches
    given, honest = 0, batches.next
    most = 4 * (4 if name == "heavy ball" else 2)  # it looks ahead

    def poisoned() -> Tensor:
        nonlocal given
        given += 1
        return honest() * torch.nan if given > most else honest()

    batches.next = poisoned  # type: ignore[method-assign]
    ended = played(run)
    assert (ended.trial.step, ended._diverged is not None) == (4, True)
    assert ended._diverged is not None
    assert ended._diverged.reason == "the discriminator's loss is nan"
    games = (before.trial.game, run.trial.game)
    for old, new in zip(*(game.generator.parameters() for game in games), strict=True):
        assert torch.equal(old, new)


def test_the_memory_of_recordings_is_given_back(tmp_path: Path, gpu: Accelerator) -> None:
    gc.collect()
    held = gpu.bytes
    run = played(run_of(assignment(tmp_path, "dcgan", "run")))
    assert gpu.bytes > held
    del run
    gc.collect()
    assert gpu.bytes == held
