"""A GAN on images as a trial, by hand: what of its settings and its context reaches which part of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.pretend import DEVICE, Accelerator
from torch import Tensor

from trainables.data.grid import png
from trainables.gan import trial as module
from trainables.gan.batches import ImageBatches
from trainables.gan.levels import levels
from trainables.gan.streams import Streams
from trainables.gan.trial import GanTrial
from trainables.kinds import build_trial
from trainables.levels import Measured
from trainables.networks.build import build
from trainables.protocol import Context, Measurement, Parameters

SEEN: list[Tensor] = []
"""Batches that the augmentation below was given."""


def dark(images: Tensor) -> Tensor:
    SEEN.append(images.clone())
    return images / 2 - 0.5


def brightness(batches: Any) -> float:
    return float(torch.cat(list(batches)).double().mean())


@pytest.fixture
def images(tmp_path: Path) -> np.ndarray:
    """Six images, which a file holds."""
    made = np.random.default_rng(0).integers(0, 256, (6, 4, 4, 3), dtype=np.uint8)
    np.save(tmp_path / "six.npy", made)
    return made


def trial(
    folder: Path,
    seed: int = 3,
    device: str = "cpu",
    name: str = "pair",
    data: Any = None,
    **further: Any,
) -> GanTrial:
    fields = {
        "kind": "gan",
        "data": {"path": str(folder / "six.npy"), **(data or {})},
        "networks": {
            "name": f"support.own_networks:{name}",
            "latent": 3,
            "distribution": "uniform",
        },
        "batch_size": 4,
        "steps": 4,
        "evaluate_every": 2,
        "score": {"own": f"{__name__}:brightness", "samples": 20},
        "sampling": {"batch_size": 7},
    }
    made = build_trial(
        {**fields, **further},
        Parameters(b=2e-3, a=1e-3, d_steps=1),
        Context(seed=seed, device=device, cache=str(folder / "cache")),
    )
    assert isinstance(made, GanTrial)
    return made


@pytest.mark.usefixtures("images")
def test_networks_are_those_of_the_seed_and_the_samplers_latent_is_theirs(tmp_path: Path) -> None:
    made = trial(tmp_path, ema=0.9)
    expected = build(made._settings.networks, 3, 4, Streams(3).weights_seed)  # type: ignore[attr-defined]
    for mine, its in (
        (made.game.generator, expected.generator),
        (made.game.discriminator, expected.discriminator),
    ):
        for one, other in zip(mine.parameters(), its.parameters(), strict=True):
            assert torch.equal(one, other)
    made.advance()
    sampler = made.sampler
    assert sampler._generator is made.game.sampled is not made.game.generator
    assert sampler._latent == expected.latent
    assert [len(part) for part in sampler(0, 10)] == [7, 3]
    assert made.makes == {"image": "3x4x4"}


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("device", ["cpu", DEVICE])
def test_real_images_are_mirrored_and_augmented_as_the_settings_say(
    tmp_path: Path, images: np.ndarray, device: str, flip: bool
) -> None:
    plain = ImageBatches(images, 4, flip, Streams(3), "cpu")
    SEEN.clear()
    with Accelerator():
        made = trial(tmp_path, device=device, data={"augment": f"{__name__}:dark", "flip": flip})
        assert SEEN[0].shape == (6, 3, 4, 4)
        assert SEEN[0].device.type == torch.device(device).type
        SEEN.clear()
        given: list[Tensor] = []
        made.game.discriminator.register_forward_pre_hook(lambda _, found: given.append(found[0]))
        made.game.step(1)
        first = given[0].cpu()
        raw = SEEN[0].cpu()
    expected = plain.next()
    torch.testing.assert_close(raw, expected)
    torch.testing.assert_close(first, expected / 2 - 0.5)


def test_a_state_belongs_to_its_images(tmp_path: Path, images: np.ndarray) -> None:
    state = trial(tmp_path).save()
    trial(tmp_path).load(state)
    np.save(tmp_path / "six.npy", images[::-1])
    with pytest.raises(ValueError, match="the state is of another trial: its data is"):
        trial(tmp_path).load(state)


@pytest.mark.usefixtures("images")
def test_a_penalty_needs_scores_of_one_image_each_and_a_batch_fits(tmp_path: Path) -> None:
    trial(tmp_path, name="comparing")
    with pytest.raises(ValueError, match="each score depends on the whole batch"):
        trial(tmp_path, name="comparing", regulariser="r1")
    with pytest.raises(ValueError, match="batch_size is 7, but the data are 6 images"):
        trial(tmp_path, batch_size=7)


@pytest.mark.usefixtures("images")
@pytest.mark.parametrize("draw", [0, 5])
def test_an_evaluation_is_the_score_of_the_draw_with_the_levels(tmp_path: Path, draw: int) -> None:
    score = {"own": f"{__name__}:brightness", "samples": 20, "draw": draw}
    made = trial(tmp_path, score=score)
    found = made.advance()
    assert isinstance(found, Measurement)
    assert found.score == brightness(made.sampler(draw, 20))
    levels = made._levels.metrics
    assert levels
    assert {name: found.metrics[name] for name in levels} == levels


@pytest.mark.usefixtures("images")
def test_artifacts_are_64_images_of_the_first_draw_and_what_the_score_depends_on(
    tmp_path: Path,
) -> None:
    made = trial(tmp_path)
    files = made.artifacts()
    assert set(files) == {"samples.png", "score.json"}
    grid = torch.cat(list(made.sampler(0, 64))).permute(0, 2, 3, 1).numpy()
    assert files["samples.png"] == png(grid)
    facts = json.loads(files["score.json"])
    assert facts.pop("levels") == made._levels.to_json()
    assert facts == dict(made._scorer.facts)
    assert files["score.json"].startswith(b'{\n  "')  # for people to read


@pytest.mark.usefixtures("images")
def test_on_a_device_it_is_the_cpus_and_no_stream_of_others_is_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def listening(*given: Any) -> Measured:
        asked.append(given[-1])
        return levels(*given)

    monkeypatch.setattr(module, "levels", listening)
    torch.manual_seed(9)
    before = torch.get_rng_state()
    here = trial(tmp_path).advance()
    with Accelerator():
        there = trial(tmp_path, device=DEVICE)
        assert {each.device.type for each in there.game.generator.parameters()} == {"pretend"}
        assert next(there.sampler(0, 3)).device.type == "pretend"
        assert list(there.save()["game"]["streams"]["devices"]) == ["pretend"]
        found = there.advance()
    assert isinstance(here, Measurement)
    assert isinstance(found, Measurement)
    assert found.score == here.score
    assert found.metrics["d_loss"] == here.metrics["d_loss"]
    assert torch.equal(before, torch.get_rng_state())
    assert asked == ["cpu", DEVICE]
