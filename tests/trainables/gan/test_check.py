"""What is refused when a GAN on images is built: networks that do not fit, and what of a score is tried."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.own_networks import Comparing, maker
from torch import Tensor, nn

from trainables.gan import check as module
from trainables.gan.check import VARIANTS, Wanted, check, fitting_networks
from trainables.networks.build import build
from trainables.settings.data import DataSettings
from trainables.settings.networks import NetworkSettings
from trainables.settings.score import OwnScoreSettings, ScoreSettings

SEEN: list[tuple[int, ...]] = []
"""Shapes of what a user's functions below were given."""


def of(judge: type[nn.Linear], channels: int, side: int, latent: int) -> Any:
    g = maker(channels, side, latent)
    SEEN.append((channels, side, side))
    return g, nn.Sequential(nn.Flatten(), judge(channels * side**2, 1))


def alone(*, channels: int, side: int, latent: int, width: int) -> Any:
    return of(nn.Linear, channels, side, latent)


def comparing(*, channels: int, side: int, latent: int, width: int) -> Any:
    return of(Comparing, channels, side, latent)


def same(images: Tensor) -> Tensor:
    SEEN.append(tuple(images.shape))
    return images


def contrast(batches: Any) -> float:
    images = torch.cat(list(batches))
    SEEN.append(tuple(images.shape))
    return float(images.double().std())


def nothing(batches: Any) -> None: ...


def networks(name: str = "dcgan", **further: Any) -> NetworkSettings:
    own = {"name": f"{__name__}:{name}"} if name in ("alone", "comparing") else {"name": name}
    return NetworkSettings(**{"width": 2, "latent": 3, **own, **further})


def wanted(name: str = "dcgan", batch_size: int = 4, penalised: bool = False) -> Wanted:
    return Wanted(networks(name), batch_size, penalised)


@pytest.fixture(autouse=True)
def nothing_seen() -> None:
    SEEN.clear()


def images(folder: Path, count: int = 6, channels: int = 3) -> DataSettings:
    drawn = np.random.default_rng(0).integers(0, 256, (count, 8, 8, channels), dtype=np.uint8)
    np.save(folder / "images.npy", drawn)
    return DataSettings.model_validate(str(folder / "images.npy"))


DIGITS = ScoreSettings(extractor="digits", samples=64)


@pytest.mark.parametrize("name", ["dcgan", "alone"])
def test_networks_are_those_of_the_images_and_of_the_seed(name: str) -> None:
    made = fitting_networks(wanted(name), (4, 8, 8, 3), seed=7)
    expected = build(networks(name), 3, 8, 7)
    for part in ("generator", "discriminator"):
        mine, its = (getattr(each, part).state_dict() for each in (made, expected))
        assert mine.keys() == its.keys()
        assert all(torch.equal(mine[key], its[key]) for key in its)


def test_images_must_be_square_and_fill_a_batch() -> None:
    with pytest.raises(ValueError, match="the images are 8 x 16 pixels; a GAN needs square ones"):
        fitting_networks(wanted(), (9, 16, 8, 3), seed=0)
    with pytest.raises(ValueError, match="batch_size is 4, but the data are 3 images; lower it"):
        fitting_networks(wanted(), (3, 8, 8, 3), seed=0)


def test_only_a_penalty_needs_scores_of_a_users_that_are_of_one_image_each() -> None:
    shape = (9, 8, 8, 3)
    fitting_networks(wanted("comparing"), shape, seed=0)
    fitting_networks(wanted("alone", penalised=True), shape, seed=0)
    fitting_networks(wanted("dcgan", penalised=True), shape, seed=0)  # has a rule of its own
    own = f"networks {__name__}:comparing: the regulariser penalises"
    with pytest.raises(ValueError, match=own):
        fitting_networks(wanted("comparing", penalised=True), shape, seed=0)


def test_each_variant_that_is_searched_is_tried_up_to_so_many(tmp_path: Path) -> None:
    data, cache = images(tmp_path), tmp_path / "cache"
    many = [wanted("alone", batch_size=size) for size in (1, 2, 3, 4)]
    penalised = [Wanted(each.networks, each.batch_size, True) for each in many]
    wide = [Wanted(networks("alone", width=5), *pair) for pair in ((1, True), (2, True), (3, True))]
    wide += [Wanted(networks("alone", width=6), n, False) for n in (1, 2, 3, 4)]
    fitting = [*many, *penalised, *wide]
    assert len(fitting) == VARIANTS - 1
    bad = wanted("alone", batch_size=7)
    with pytest.raises(ValueError, match="batch_size is 7, but the data are 6 images"):
        check(data, DIGITS, cache, [*fitting, *fitting, bad])  # what is there twice is tried once
    assert len(SEEN) == VARIANTS - 1
    check(data, DIGITS, cache, [*fitting, wanted("dcgan"), bad])
    assert not cache.exists()


def test_an_augmentation_and_a_score_of_ones_own_are_tried_on_such_images(tmp_path: Path) -> None:
    data = images(tmp_path)
    augmented = data.model_copy(update={"augment": f"{__name__}:same"})
    own = OwnScoreSettings(own=f"{__name__}:contrast", samples=20)
    check(augmented, own, tmp_path / "cache", [wanted("alone")])
    assert [shape[-3:] for shape in SEEN] == [(3, 8, 8)] * 4  # networks, augmentation, score twice
    assert len(SEEN[0]) == 3
    bad = OwnScoreSettings(own=f"{__name__}:nothing", samples=20)
    with pytest.raises(ValueError, match=f"score.own {__name__}:nothing returned None"):
        check(data, bad, tmp_path / "cache", [wanted("alone")])


@pytest.mark.parametrize(
    ("fields", "known"),
    [
        ({"name": "cifar10"}, (3, 32)),
        ({"name": "cifar10", "size": 16, "channels": 1}, (1, 16)),
        ({"path": "/far/away", "size": 16}, None),
        ({"path": "/far/away", "channels": 1}, None),
    ],
    ids=str,
)
def test_of_images_that_are_not_here_yet_the_shape_may_be_known(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fields: dict[str, Any], known: Any
) -> None:
    """How many there are is not known, so a large batch is let through."""
    monkeypatch.setattr(module, "look_at", lambda settings, cache: None)
    data = DataSettings(**fields, augment=f"{__name__}:same")
    own = OwnScoreSettings(own=f"{__name__}:contrast", samples=20)
    check(data, own, tmp_path, [wanted("alone", batch_size=10**6)])
    shapes = {shape[-3:] for shape in SEEN}
    assert shapes == (set() if known is None else {(known[0], known[1], known[1])})


def test_images_are_looked_for_in_the_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[Any] = []

    def look(*given: Any) -> tuple[int, int, int, int]:
        asked.append(given)
        return 9, 16, 8, 3

    monkeypatch.setattr(module, "look_at", look)
    data = DataSettings(name="digits")
    with pytest.raises(ValueError, match="8 x 16 pixels"):
        check(data, DIGITS, tmp_path, [wanted()])
    assert asked == [(data, tmp_path)]
    check(data.model_copy(update={"augment": f"{__name__}:same"}), DIGITS, tmp_path, [])
    assert SEEN[-1][1:] == (3, 16, 8)


def test_files_of_a_score_are_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[Any] = []
    for name in ("build_extractor", "check_statistics"):
        monkeypatch.setattr(module, name, lambda *given, n=name: asked.append((n, *given)))
    monkeypatch.setattr(module, "look_at", lambda *given: None)
    data = DataSettings(name="digits")
    check(data, DIGITS, tmp_path, [])
    assert asked == []
    given = ScoreSettings(extractor="inception", samples=64, weights="w.pth", statistics="s.npz")
    check(data, given, tmp_path, [])
    assert asked == [
        ("build_extractor", given, tmp_path, "cpu"),
        ("check_statistics", Path("s.npz"), "inception", 2048, tmp_path),
    ]
