"""The levels of the score of a GAN on images: of real images, of pictures of nothing, of an untrained G."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from trainables.data import store
from trainables.data.images import ImageData, image_folder, load_images
from trainables.data.sources import find_source
from trainables.devices import own_random_numbers
from trainables.gan.check import Wanted, fitting_networks
from trainables.gan.sampling import ImageSampler
from trainables.gan.watch import NonFiniteError
from trainables.levels import Measured, Score
from trainables.own_code import code_sha256, loaded
from trainables.scores import ceiling
from trainables.scores.ceiling import pictures
from trainables.scores.own import OwnScorer
from trainables.scores.scorer import Sampler, Scorer, build_scorer
from trainables.scores.statistics import DRAWS, floor_of
from trainables.settings.gan import GanSettings
from trainables.settings.score import OwnScoreSettings


def levels(
    settings: GanSettings, data: ImageData, scorer: Scorer, cache: Path, device: str
) -> Measured:
    """What the score of generators can be seen against; measured once per node and kept.

    Args:
        settings: The trial.
        data: Its real images.
        scorer: Its score.
        cache: Folder of this node.
        device: Where an untrained generator is sampled.
    """

    def nothing() -> Mapping[str, ceiling.Scored]:
        samplers = pictures(data.images) | {ceiling.UNTRAINED: _untrained(settings, data, device)}
        return {what: _scored(scorer, sampler) for what, sampler in samplers.items()}

    return ceiling.measured(
        path=levels_path(settings, data.fingerprint, cache),
        name=scorer.name,
        facts=scorer.facts,
        floor=lambda: scorer.floor if settings.frechet else _floor(scorer, data.images),
        nothing=nothing,
    )


def measured_levels(settings: GanSettings, cache: Path, device: str) -> Measured:
    """As :func:`levels`, for a trial that is not built; its images and weights must be here.

    Raises:
        DataError: They are not, or cannot be used.
    """
    data = load_images(settings.data, cache)
    with own_random_numbers(0):
        scorer = scorer_of(settings, data, cache, device)
    return levels(settings, data, scorer, cache, device)


def kept_levels(settings: GanSettings, cache: Path) -> Measured | None:
    """The levels that were measured already; None if they were not. Nothing is converted or written."""
    folder = image_folder(settings.data, find_source(settings.data, cache), cache)
    if not folder.exists():
        return None
    return ceiling.kept(levels_path(settings, store.read(folder).fingerprint, cache))


def scorer_of(settings: GanSettings, data: ImageData, cache: Path, device: str) -> Scorer:
    """Builds the score that a trial's settings say.

    Args:
        settings: The trial.
        data: Its real images.
        cache: Folder of this node.
        device: Where the extractor runs, or the images are that a function of a user's own gets.

    Raises:
        ValueError: Weights are missing, or the function cannot be used.
    """
    name = settings.score_name
    if isinstance(settings.score, OwnScoreSettings):
        _, height, width, channels = data.images.shape
        own = OwnScorer(settings.score, name)
        own.check((channels, height, width), device)
        return own
    return build_scorer(settings.score, data, cache, device, name=name)


def levels_path(settings: GanSettings, data: str, cache: Path) -> Path:
    """Where the levels are kept; networks of another kind begin at another score, so they have their own.

    Args:
        settings: The trial.
        data: Fingerprint of its real images.
        cache: Folder of this node.
    """
    networks = settings.networks
    own = "" if networks.built_in else code_sha256(loaded("networks", networks.name, "a pair"))
    key: list[Any] = [settings.score_name, data, own]
    # Not of early evaluations, which have no levels.
    key += [settings.score.model_dump(mode="json", exclude={"early"})]
    key += [part.model_dump(mode="json") for part in (networks, settings.sampling)]
    return ceiling.levels_path(cache, key)


def _scored(scorer: Scorer, sampler: Sampler) -> ceiling.Scored:
    def score() -> float:
        try:
            with own_random_numbers(0):
                return scorer.level(sampler)
        except NonFiniteError:  # an untrained generator may be as bad as that
            return math.nan

    return score


def _untrained(settings: GanSettings, data: ImageData, device: str) -> Sampler:
    """Samples of the networks before their first update, which are built when they are asked for."""

    def sample(draw: int, count: int) -> Iterator[torch.Tensor]:
        penalised = bool(settings.regulariser.at_samples)
        wanted = Wanted(settings.networks, settings.batch_size, penalised)
        made = fitting_networks(wanted, data.images.shape, seed=0)
        generator = made.generator.to(device)
        yield from ImageSampler(generator, made.latent, settings.sampling, device)(draw, count)

    return sample


def _floor(scorer: Scorer, images: np.ndarray) -> Score | None:
    """What real images score by a function of a user's own; None without a number."""
    values = [_scored(scorer, _real(images, place))() for place in range(DRAWS)]
    return floor_of(values) if np.isfinite(values).all() else None


def _real(images: np.ndarray, place: int) -> Sampler:
    def sample(draw: int, count: int) -> Iterator[torch.Tensor]:
        random = np.random.default_rng([draw, place])
        chosen = np.sort(random.integers(len(images), size=count))
        for part in np.array_split(chosen, max(1, count // 500)):
            yield torch.from_numpy(np.ascontiguousarray(images[part].transpose(0, 3, 1, 2)))

    return sample
