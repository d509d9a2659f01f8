"""Scores a generator: samples, extracts, and compares with the real side."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from trainables.counting import counted
from trainables.data.images import ImageData
from trainables.data.store import Report, silent
from trainables.levels import FLOOR, FLOOR_NOISE, Score
from trainables.scores import frechet, measures
from trainables.scores.extractor import (
    Extractor,
    Features,
    build_extractor,
    extract_parts,
    joined,
)
from trainables.scores.statistics import (
    RealStatistics,
    given_statistics,
    real_floor,
    real_statistics,
)
from trainables.settings.score import ScoreSettings

ALIKE = 2000
"""Samples of nothing that are scored at most: more of them change their distance by less than 1 %."""

Sampler = Callable[[int, int], Iterator[torch.Tensor]]
"""``sampler(draw, count)`` yields uint8 batches (B x C x H x W) that add up to ``count`` images.

``draw`` numbers the sets of z: 0 is the one that is the same across evaluations and trials."""


class Scorer(Protocol):
    """Scores generators under one protocol, which its name states."""

    name: str

    @property
    def facts(self) -> Mapping[str, str]:
        """What a score depends on besides its name: fingerprints and checksums, to be recorded."""
        ...

    @property
    def floor(self) -> Score | None:
        """What real data score; None if it is not known."""
        ...

    def evaluate(self, sampler: Sampler, draw: int = 0) -> Score:
        """Scores what the sampler yields for one draw of z."""
        ...

    def level(self, sampler: Sampler) -> float:
        """The bare score of samples of nothing, which need not be as many as an evaluation has."""
        ...

    def of_fewer(self, samples: int) -> Scorer:
        """The same of the fewer samples of early evaluations, without a floor and further measures."""
        ...


class FrechetScorer:
    """The Frechet distance between the features of real and of generated images."""

    def __init__(
        self,
        settings: ScoreSettings,
        name: str,
        extractor: Extractor,
        real: RealStatistics,
        floor: Score | None,
    ) -> None:
        self.name = name
        self._settings = settings
        self._extractor = extractor
        self._real = real
        self._floor = floor

    @property
    def facts(self) -> Mapping[str, str]:
        """What a score depends on besides its name, to be recorded with it."""
        return {
            "score_name": self.name,
            "extractor": self._extractor.name,
            "extractor_weights_sha256": self._extractor.weights_sha256,
            "real_fingerprint": self._real.fingerprint,
        }

    def evaluate(self, sampler: Sampler, draw: int = 0) -> Score:
        """Scores what the sampler yields.

        The result depends on the images alone: the same images give the same score, noise included.

        Args:
            sampler: Gives the generated images.
            draw: Which set of z; 0 is the fixed one.

        Raises:
            ValueError: The sampler does not yield what was asked of it.
        """
        generated, kept = self._gathered(
            sampler, draw, self._settings.samples, self._settings.extras
        )
        measured = generated.distance_with_noise()
        noise = measured.noise
        if self._settings.noise_draws:
            noise = self._redrawn_noise(sampler, draw, measured.value)
        if self._floor is not None:
            noise = max(noise, self._floor.noise)
        return Score(measured.value, noise, self._metrics(kept))

    @property
    def floor(self) -> Score | None:
        """What real images score; None if only their moments are known."""
        return self._floor

    def level(self, sampler: Sampler) -> float:
        """The distance of samples of nothing: of at most 2,000, since they are much alike.

        Args:
            sampler: Gives them.
        """
        count = min(self._settings.samples, ALIKE)
        return self._gathered(sampler, 0, count)[0].distance()

    def of_fewer(self, samples: int) -> FrechetScorer:
        """The same distance of the samples of early evaluations: no floor is measured of so few."""
        changes = {"samples": samples, "extras": (), "early": None}
        settings = self._settings.model_copy(update=changes)
        return FrechetScorer(settings, self.name, self._extractor, self._real, None)

    def _gathered(
        self, sampler: Sampler, draw: int, count: int, extras: Sequence[str] = ()
    ) -> tuple[frechet.Gathered, list[Features]]:
        """What the distance needs of one draw, and all features where further measures need them."""
        kept = list[Features]()
        generated = frechet.Gathered(self._real.reference)
        batches = sampler(draw, count)
        for part in extract_parts(self._extractor, batches, self._settings.batch_size):
            generated.add(part.features)
            if extras:
                kept.append(part.on_host())
        if len(generated) != count:
            raise ValueError(
                f"the sampler gave {counted(len(generated), 'images')} where {count} were asked"
            )
        return generated, kept

    def _redrawn_noise(self, sampler: Sampler, draw: int, value: float) -> float:
        """The spread over ``noise_draws`` draws of z, of which one is scored already."""
        others = range(draw + 1, draw + self._settings.noise_draws)
        count = self._settings.samples
        values = [self._gathered(sampler, other, count)[0].distance() for other in others]
        return float(np.std([value, *values], ddof=1))

    def _metrics(self, kept: Sequence[Features]) -> dict[str, float]:
        names = metric_names(self._extractor.name)
        floor, found = self._floor, dict[str, float]()
        if floor is not None:
            found[FLOOR], found[FLOOR_NOISE] = floor.value, floor.noise
        if not self._settings.extras:
            return found
        generated = joined(kept)
        for extra in self._settings.extras:
            if extra == "kid" and self._real.features is not None:
                value = measures.kernel_distance(self._real.features, generated.features)
            elif extra == "inception_score" and generated.logits is not None:
                value = measures.classifier_score(generated.logits)
            elif extra == "fid_inf":
                value = measures.distance_at_infinity(self._real.reference, generated.features)
            else:
                raise ValueError(f"extras has {extra}, which {self._extractor.name} cannot give")
            found[names[extra]] = value
        return found


def metric_names(extractor: str) -> dict[str, str]:
    """Names of the further measures: only Inception's are called KID, Inception Score and FID."""
    if extractor == "inception":
        return {"kid": "kid", "inception_score": "inception_score", "fid_inf": "fid_inf"}
    return {
        "kid": f"kd_{extractor}",
        "inception_score": f"class_score_{extractor}",
        "fid_inf": f"fd_{extractor}_inf",
    }


def build_scorer(
    settings: ScoreSettings,
    data: ImageData,
    cache: Path,
    device: str,
    report: Report = silent,
    name: str | None = None,
) -> Scorer:
    """Makes the scorer that the settings describe, computing the real statistics if need be.

    Args:
        settings: The protocol.
        data: The real images.
        cache: Folder of this node for statistics and weights.
        device: Where the extractor runs: ``cpu``, ``cuda``.
        report: Told how far the computation of the real statistics is.
        name: Name of the score; None: what the settings and the split of the data say.

    Raises:
        DataError: Weights or statistics are missing or wrong.
    """
    extractor = build_extractor(settings, cache, device)
    name = name or settings.name_for(data.split)
    if settings.statistics is not None:
        file, features = Path(settings.statistics), settings.features
        given = given_statistics(file, settings.extractor, features, cache)
        return FrechetScorer(settings, name, extractor, given, None)
    real = real_statistics(extractor, data, settings.batch_size, cache, report)
    return FrechetScorer(settings, name, extractor, real, real_floor(real, settings.samples, cache))
