"""What levels of an image score are measured with, real images and untrained networks, and where they are."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from support.pretend import DEVICE, Accelerator
from torch import Tensor

from trainables.data.images import ImageData
from trainables.gan import levels as module
from trainables.gan.levels import kept_levels, levels, levels_path, measured_levels, scorer_of
from trainables.gan.watch import NonFiniteError
from trainables.kinds import parse_settings
from trainables.levels import Score
from trainables.networks.build import build
from trainables.scores import ceiling
from trainables.settings.gan import GanSettings

IMAGES = np.random.default_rng(0).integers(0, 256, (30, 8, 8, 3), dtype=np.uint8)
SEEN: list[Tensor] = []
"""Images that a user's score below was given, a call each."""


def brightness(batches: Any) -> float:
    images = torch.cat(list(batches))
    SEEN.append(images)
    return float(images.double().mean() + torch.rand(()))


def of_nothing(batches: Any) -> float:
    return math.nan if len(torch.cat(list(batches)).unique()) > 50 else 1.0


def settings(**further: Any) -> GanSettings:
    made = parse_settings(
        {
            "kind": "gan",
            "data": "digits",
            "networks": {"name": "support.own_networks:pair", "latent": 3},
            "batch_size": 4,
            "steps": 4,
            "evaluate_every": 2,
            "score": {"own": f"{__name__}:brightness", "samples": 20},
            **further,
        }
    )
    assert isinstance(made, GanSettings)
    return made


DATA = ImageData(IMAGES, "thirty", "0" * 64)


@pytest.fixture(autouse=True)
def nothing_seen() -> None:
    SEEN.clear()


def rolled(seed: int) -> float:
    """What the trial's own score draws first: randomness inside it starts at ``seed``."""
    return float(torch.rand((), generator=torch.Generator().manual_seed(seed)))


def test_real_images_are_drawn_with_replacement_the_same_ones_whenever() -> None:
    for draw, place, count, sizes in (
        (0, 0, 40, [40]),
        (0, 1, 40, [40]),
        (2, 1, 1000, [500, 500]),
        (2, 1, 1100, [550, 550]),
    ):
        parts = list(module._real(IMAGES, place)(draw, count))
        random = np.random.default_rng([draw, place])
        chosen = sorted(random.integers(len(IMAGES), size=count).tolist())
        assert [len(part) for part in parts] == sizes
        expected = torch.from_numpy(IMAGES[chosen]).permute(0, 3, 1, 2)
        assert torch.equal(torch.cat(parts), expected)
        assert all(part.dtype is torch.uint8 and part.is_contiguous() for part in parts)


def test_the_floor_is_the_mean_over_sets_of_real_images_and_their_spread() -> None:
    scorer = scorer_of(settings(), DATA, Path("unused"), "cpu")
    SEEN.clear()
    found = module._floor(scorer, IMAGES)
    assert found is not None
    assert len(SEEN) == 5
    assert len({tuple(images.flatten().tolist()) for images in SEEN}) == 5
    values = [float(images.double().mean()) + rolled(0) for images in SEEN]
    assert found.value == pytest.approx(np.mean(values))
    assert found.noise == pytest.approx(np.std(values, ddof=1))
    odd = settings(score={"own": f"{__name__}:of_nothing", "samples": 20}).score

    class Odd:
        def level(self, sampler: Any) -> float:
            return of_nothing(sampler(0, 20))

    assert odd.samples == 20
    assert module._floor(Odd(), IMAGES) is None  # type: ignore[arg-type]


def test_samples_that_are_not_finite_have_no_level_and_randomness_in_a_score_is_its_own() -> None:
    class Wild:
        def level(self, sampler: Any) -> float:
            raise NonFiniteError("the generator's image is nan")

    class Plain:
        def level(self, sampler: Any) -> float:
            return float(torch.rand(())) + sampler

    assert math.isnan(module._scored(Wild(), None)())  # type: ignore[arg-type]
    torch.manual_seed(4)
    before = torch.get_rng_state()
    assert module._scored(Plain(), 3.0)() == 3.0 + rolled(0)  # type: ignore[arg-type]
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("device", ["cpu", DEVICE])
def test_an_untrained_generator_is_that_of_the_settings_on_the_device(device: str) -> None:
    chosen = settings(sampling={"batch_size": 6})
    with Accelerator():
        parts = list(module._untrained(chosen, DATA, device)(3, 10))
        assert {part.device.type for part in parts} == {torch.device(device).type}
        found = [part.cpu() for part in parts]
    assert [tuple(part.shape) for part in found] == [(6, 3, 8, 8), (4, 3, 8, 8)]
    made = build(chosen.networks, 3, 8, 0)
    stream = module.ImageSampler(made.generator, made.latent, chosen.sampling, "cpu")(3, 10)
    assert torch.equal(torch.cat(found), torch.cat(list(stream)))


def test_networks_that_a_penalty_refuses_are_refused_untrained_too() -> None:
    own = {"name": "support.own_networks:comparing", "latent": 3}
    list(module._untrained(settings(networks=own), DATA, "cpu")(0, 4))
    penalised = settings(networks=own, regulariser="r1")
    with pytest.raises(ValueError, match="each score depends on the whole batch"):
        list(module._untrained(penalised, DATA, "cpu")(0, 4))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nowhere:pair", "networks 'nowhere:pair' cannot be imported: "),
        (
            f"{__name__}:DATA",
            f"networks {__name__}:DATA is not a function but an ImageData; name a function that "
            "returns a pair",
        ),
    ],
)
def test_networks_that_are_not_a_function_are_said(tmp_path: Path, name: str, said: str) -> None:
    with pytest.raises(ValueError, match="networks") as caught:
        levels_path(settings(networks=name), "data", tmp_path)
    assert str(caught.value).startswith(said)
    assert str(caught.value).endswith(("'nowhere'", "a pair"))


def test_where_levels_are_kept_names_all_that_they_depend_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = settings()
    place = levels_path(plain, "data", tmp_path)
    assert place.parent == tmp_path / "statistics"
    assert levels_path(settings(steps=8, evaluate_every=4), "data", tmp_path) == place
    others = [
        levels_path(plain, "other", tmp_path),
        levels_path(settings(networks="dcgan"), "data", tmp_path),
        levels_path(settings(networks={"name": "dcgan", "width": 5}), "data", tmp_path),
        levels_path(settings(sampling={"batch_size": 6}), "data", tmp_path),
        levels_path(settings(score={"samples": 64}), "data", tmp_path),
        levels_path(
            settings(score={"own": f"{__name__}:brightness", "samples": 21}), "data", tmp_path
        ),
    ]
    monkeypatch.setattr(module, "code_sha256", lambda function: function.__name__)
    others.append(levels_path(plain, "data", tmp_path))
    monkeypatch.setattr(module, "code_sha256", lambda function: "another")
    others.append(levels_path(plain, "data", tmp_path))
    assert len({place, *others}) == 9
    again = levels_path(settings(networks="dcgan"), "data", tmp_path)
    assert again == others[1]  # built-in networks have no file of a user's
    plain = settings(networks="dcgan")
    parts = [part.model_dump() for part in (plain.score, plain.networks, plain.sampling)]
    assert parts[0].pop("early") is None  # the place is that of earlier versions
    assert again == ceiling.levels_path(tmp_path, [plain.score_name, "data", "", *parts])


def test_levels_of_a_users_score_are_those_of_its_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "load_images", lambda settings, cache: DATA)
    monkeypatch.setattr(module, "pictures", lambda images: {"grey": grey(images)})
    found = measured_levels(settings(), tmp_path, "cpu")
    assert found.nothing["grey"] == 128 + rolled(0)
    assert list(found.nothing) == ["grey", "an untrained generator"]
    made = build(settings().networks, 3, 8, 0)
    sampler = module.ImageSampler(made.generator, made.latent, settings().sampling, "cpu")
    untrained = torch.cat(list(sampler(0, 20))).double().mean().item() + rolled(0)
    assert found.nothing["an untrained generator"] == untrained
    assert found.floor == pytest.approx(IMAGES.mean(), rel=0.05)
    assert [tuple(images.shape[1:]) for images in SEEN] == [(3, 8, 8)] * len(SEEN)
    assert found.name == settings().score_name
    kept = levels_path(settings(), DATA.fingerprint, tmp_path)
    assert kept.is_file()
    calls = len(SEEN)
    scorer = scorer_of(settings(), DATA, tmp_path, "cpu")
    tried = len(SEEN) - calls
    assert levels(settings(), DATA, scorer, tmp_path, "cpu") == found
    assert len(SEEN) == calls + tried


def test_an_untrained_generator_is_scored_on_the_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "load_images", lambda settings, cache: DATA)
    monkeypatch.setattr(module, "pictures", lambda images: {})
    with Accelerator():
        measured_levels(settings(), tmp_path, DEVICE)
        assert SEEN[-1].device.type == torch.device(DEVICE).type


def grey(images: np.ndarray) -> Any:
    assert images is IMAGES

    def sample(draw: int, count: int) -> Iterator[Tensor]:
        yield torch.full((count, 3, 8, 8), 128, dtype=torch.uint8)

    return sample


def test_the_floor_of_a_frechet_distance_is_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Fake:
        name = "fd_fake"
        facts: ClassVar = {"score_name": "fd_fake"}
        floor = Score(7.0, 0.25)

        def level(self, sampler: Any) -> float:
            return 70.0

    monkeypatch.setattr(module, "pictures", lambda images: {})
    frechet = settings(score={"samples": 64}, networks={"name": "dcgan", "latent": 3, "width": 2})
    found = levels(frechet, DATA, Fake(), tmp_path, "cpu")  # type: ignore[arg-type]
    assert (found.floor, found.floor_noise) == (7.0, 0.25)
    assert found.nothing == {"an untrained generator": 70.0}


def test_nothing_is_kept_of_images_that_are_not_prepared(tmp_path: Path) -> None:
    assert kept_levels(settings(), tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_a_score_is_built_for_the_images_and_the_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def built(*given: Any, **named: Any) -> str:
        asked.append((given, named))
        return "scorer"

    monkeypatch.setattr(module, "build_scorer", built)
    frechet = settings(score={"samples": 64})
    made: Any = scorer_of(frechet, DATA, tmp_path, "cpu")
    assert made == "scorer"
    expected = (frechet.score, DATA, tmp_path, "cpu"), {"name": frechet.score_name}
    assert asked == [expected]
    wide = ImageData(IMAGES[:, :6], "wide", "1" * 64)
    with Accelerator():
        own = scorer_of(settings(), wide, tmp_path, DEVICE)
        assert {images.device.type for images in SEEN} == {torch.device(DEVICE).type}
    assert own.name == settings().score_name
    assert {tuple(images.shape[1:]) for images in SEEN} == {(3, 6, 8)}
