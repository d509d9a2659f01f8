"""A user's own augmentation: what D sees, what a resumed trial sees, and what is refused."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.pretend import DEVICE, Accelerator
from torch import Tensor

from trainables.gan.batches import ImageBatches, to_network
from trainables.gan.own_augment import build_augment
from trainables.gan.streams import Streams
from trainables.kinds import build_trial, parse_settings
from trainables.protocol import Context, Diverged, Measurement, Parameters

IMAGES = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 3), dtype=np.uint8)
CODE = """
import torch
SEEN = []
def shifted(images):
    SEEN.append(images)
    return torch.roll(images, int(torch.randint(-2, 3, ())), 3)
def noisy(images): return (images + 0.1 * torch.randn_like(images)).clamp(-1, 1)
def same(images): return images
def in_place(images): return images.neg_()
def none(images): pass
def cut(images): return images[:, :, 1:]
def doubles(images): return images.double()
def loud(images): return 2 * images
def nan(images): return images / 0 * 0
def wrong(images): raise KeyError("x")
"""


@pytest.fixture(autouse=True)
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_augment_code.py").write_text(CODE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "own_augment_code", raising=False)


def batches(name: str, seed: int = 1) -> tuple[ImageBatches, Streams]:
    streams = Streams(seed)
    augment = build_augment(f"own_augment_code:{name}", (3, 8, 8))
    return ImageBatches(IMAGES, 4, False, streams, "cpu", augment), streams


def test_each_batch_is_what_the_function_makes_of_the_images() -> None:
    plain = ImageBatches(IMAGES, 4, False, Streams(1), "cpu")
    shifted, _ = batches("shifted")
    moved = set()
    for _ in range(12):
        image, found = plain.next(), shifted.next()
        shifts = [by for by in range(-2, 3) if torch.equal(torch.roll(image, by, 3), found)]
        assert len(shifts) == 1
        moved.add(shifts[0])
        assert found.stride() == image.stride()  # channels last, as without
    assert len(moved) > 2


def test_its_randomness_is_the_trials_own_and_the_images_stay() -> None:
    torch.manual_seed(5)
    outside = torch.get_rng_state()
    first, again = batches("noisy")[0], batches("noisy")[0]
    for _ in range(3):
        assert torch.equal(first.next(), again.next())
        torch.rand(1)  # somebody else's draw
    other = batches("noisy", seed=2)[0]
    assert not torch.equal(batches("noisy")[0].next(), other.next())
    torch.set_rng_state(outside)
    before = IMAGES.copy()
    batches("in_place")[0].next()
    assert np.array_equal(IMAGES, before)


def config(**data: Any) -> dict[str, Any]:
    return {
        "kind": "gan",
        "data": {"name": "digits", **data},
        "networks": {"name": "dcgan", "width": 2, "latent": 4},
        "batch_size": 8,
        "steps": 6,
        "evaluate_every": 2,
        "score": {"extractor": "digits", "samples": 100},
    }


def scores(trial: Any) -> list[float]:
    found = []
    while not trial.finished:
        made = trial.advance()
        assert isinstance(made, Measurement) or not isinstance(made, Diverged)
        found.append(made.score)
    return found


def built(tmp_path: Path, **data: Any) -> Any:
    parameters = Parameters(b=1e-3, a=1e-3, d_steps=2)
    return build_trial(config(**data), parameters, Context(seed=3, cache=str(tmp_path / "c")))


@pytest.mark.slow
def test_a_resumed_trial_goes_on_with_what_it_would_have_seen(tmp_path: Path) -> None:
    augment = {"augment": "own_augment_code:noisy"}
    whole = scores(built(tmp_path, **augment))
    first = built(tmp_path, **augment)
    assert first.advance().score == whole[0]
    second = built(tmp_path, **augment)
    second.load(first.save())
    assert scores(second) == whole[1:]
    assert scores(built(tmp_path)) != whole
    assert scores(built(tmp_path, augment="own_augment_code:same")) == scores(built(tmp_path))


def test_it_is_part_of_what_names_a_study_and_not_of_the_prepared_images(tmp_path: Path) -> None:
    plain, changed = (parse_settings(config(**d)) for d in ({}, {"augment": "a:b"}))
    assert "augment" not in plain.identity()["data"]
    assert changed.identity()["data"]["augment"] == "a:b"
    built(tmp_path)
    built(tmp_path, augment="own_augment_code:same")
    assert len(list((tmp_path / "c" / "data").glob("digits-*/images.npy"))) == 1


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("none", "returned None; it must return a batch of images"),
        ("cut", r"returned \(6, 3, 7, 8\) of torch.float32; it must return what it is given"),
        ("doubles", r"of torch.float64; it must return what it is given, \(6, 3, 8, 8\)"),
        ("loud", "returned values from -.* to .*; images must stay within -1 and 1"),
        ("nan", "returned values from nan to nan"),
        ("wrong", r"called with images of shape \(6, 3, 8, 8\), raised KeyError"),
        ("missing", "cannot be imported"),
        ("SEEN", "is not a function but a list; name a function that returns a batch of images$"),
    ],
)
def test_what_breaks_the_contract_is_refused(tmp_path: Path, name: str, sentence: str) -> None:
    settings = parse_settings(config(augment=f"own_augment_code:{name}", channels=3))
    with pytest.raises(ValueError, match=sentence) as caught:
        settings.check(str(tmp_path / "c"))
    assert str(caught.value).replace("'", "").startswith(f"data.augment own_augment_code:{name}")


def test_it_is_tried_on_the_same_noise_of_the_trials_device_and_moves_no_stream() -> None:
    tried = []
    for seed, device in ((1, "cpu"), (2, "cpu"), (3, DEVICE)):
        torch.manual_seed(seed)
        before = torch.get_rng_state()
        with Accelerator():
            build_augment("own_augment_code:shifted", (3, 8, 8), device)
            seen = sys.modules["own_augment_code"].SEEN[-1]
            assert seen.device.type == torch.device(device).type
            tried.append(seen.cpu())
        assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(tried[0], tried[1])
    assert torch.equal(tried[0], tried[2])
    assert tried[0].shape == (6, 3, 8, 8)
    assert -1 <= tried[0].min() < -0.9 < 0.9 < tried[0].max() <= 1


def test_to_network_is_what_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    streams, seen = Streams(1), []

    def look(images: Tensor) -> Tensor:
        seen.append((images, torch.is_grad_enabled()))
        return images

    given = ImageBatches(IMAGES, 4, True, streams, "cpu", look).next()
    assert torch.equal(given, seen[0][0])
    assert not seen[0][1]
    rows = to_network(torch.from_numpy(IMAGES.copy()).permute(0, 3, 1, 2))
    for image in given:  # mirrored or not, each is one of the images
        assert any(torch.equal(image, r) or torch.equal(image, r.flip(2)) for r in rows)
