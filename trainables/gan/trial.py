"""A GAN on images as a trial."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from trainables.data.images import ImageData, load_images
from trainables.devices import own_random_numbers
from trainables.gan.adversarial import AdversarialTrial
from trainables.gan.batches import ImageBatches
from trainables.gan.check import Wanted, fitting_networks
from trainables.gan.levels import levels, scorer_of
from trainables.gan.own_augment import Augment, build_augment
from trainables.gan.sampling import ImageSampler, png_grid
from trainables.gan.streams import Streams
from trainables.levels import Score
from trainables.protocol import Context, Parameters
from trainables.settings.gan import GanSettings


class GanTrial(AdversarialTrial):
    """One GAN that learns to make images like those of a data set, scored as its settings say."""

    def __init__(self, settings: GanSettings, parameters: Parameters, context: Context) -> None:
        cache = Path(context.cache)
        data = load_images(settings.data, cache)
        streams = Streams(context.seed, context.device)
        wanted = Wanted(
            settings.networks, settings.batch_size, bool(settings.regulariser.at_samples)
        )
        networks = fitting_networks(wanted, data.images.shape, streams.weights_seed)
        batches = ImageBatches(
            data.images,
            settings.batch_size,
            settings.data.flip,
            streams,
            context.device,
            _augment(settings, data, context),
        )
        super().__init__(settings, parameters, context, networks, batches, streams)
        _, height, width, channels = data.images.shape
        self._image = f"{channels}x{height}x{width}"
        self._configuration["data"] = data.fingerprint
        self._draw = settings.score.draw
        self._sampler = ImageSampler(
            self.game.sampled, networks.latent, settings.sampling, context.device
        )
        with own_random_numbers(0):  # an extractor is built from random weights
            self._scorer = scorer_of(settings, data, cache, context.device)
            self._few = (
                self._scorer
                if settings.early is None
                else self._scorer.of_fewer(settings.early.samples)
            )
        self._levels = levels(settings, data, self._scorer, cache, context.device)

    @property
    def score_name(self) -> str:
        """Name of the score; it states the protocol (``fd_digits_1k``)."""
        return self._scorer.name

    @property
    def makes(self) -> Mapping[str, str]:
        """The shape of an image: ``3x64x64``."""
        return {"image": self._image}

    @property
    def sampler(self) -> ImageSampler:
        """Draws images from the generator as it stands."""
        return self._sampler

    def artifacts(self) -> Mapping[str, bytes]:
        """Returns ``samples.png``, 64 images of z that are the same in every trial, and ``score.json``.

        The latter holds what the score depends on besides its name (SHA-256 of the extractor's weights,
        fingerprint of the real images) and its levels: what real images and pictures of nothing score.
        """
        facts = json.dumps({**self._scorer.facts, "levels": self._levels.to_json()}, indent=2)
        return {"samples.png": png_grid(self._sampler), "score.json": facts.encode()}

    def _score(self, early: bool) -> Score:
        found = (self._few if early else self._scorer).evaluate(self._sampler, self._draw)
        return replace(found, metrics={**found.metrics, **self._levels.metrics})


def _augment(settings: GanSettings, data: ImageData, context: Context) -> Augment | None:
    if settings.data.augment is None:
        return None
    _, height, width, channels = data.images.shape
    return build_augment(settings.data.augment, (channels, height, width), context.device)
