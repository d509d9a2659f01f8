"""The check of a GAN on images: what is refused when a trial is built, asked of the trial and ahead of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from trainables.data.images import look_at
from trainables.gan.batches import require_a_batch
from trainables.gan.own_augment import build_augment
from trainables.networks.build import build
from trainables.networks.contract import scores_alone
from trainables.networks.pair import Networks
from trainables.scores.extractor import build_extractor
from trainables.scores.own import OwnScorer
from trainables.scores.statistics import check_statistics
from trainables.settings.data import DataSettings
from trainables.settings.networks import NetworkSettings
from trainables.settings.score import OwnScoreSettings, ScoreSettings

VARIANTS = 16
"""Searched settings that are tried; building networks takes time."""


@dataclass(frozen=True)
class Wanted:
    """What of a trial's settings decides whether it can be built.

    Attributes:
        networks: The generator and the discriminator.
        batch_size: Images of a batch.
        penalised: Whether the discriminator's gradient is penalised at single images.
    """

    networks: NetworkSettings
    batch_size: int
    penalised: bool


def fitting_networks(wanted: Wanted, images: tuple[int, int, int, int], seed: int) -> Networks:
    """Builds the networks for images of a shape.

    Args:
        wanted: What the trial needs.
        images: N, H, W and C of the real images.
        seed: Seed of the initial weights.

    Raises:
        ValueError: The images are not square or fewer than a batch, or the networks cannot make them; the
            message says what to do.
    """
    count, height, side, channels = images
    if height != side:
        raise ValueError(f"the images are {side} x {height} pixels; a GAN needs square ones")
    require_a_batch(count, wanted.batch_size, "images")
    networks = build(wanted.networks, channels, side, seed)
    if not wanted.networks.built_in and wanted.penalised:
        _require_own_scores(wanted.networks.name, networks, (channels, side, side))
    return networks


def check(
    data: DataSettings,
    score: ScoreSettings | OwnScoreSettings,
    cache: Path,
    wanted: Sequence[Wanted],
) -> None:
    """Refuses what a trial would refuse when it is built; nothing is written or extracted.

    Args:
        data: The images.
        score: How they are scored.
        cache: Folder of this node.
        wanted: What trials need: as the settings are, and at the edges of what is searched.

    Raises:
        ValueError: A trial would be refused; the message is the one that it would give.
    """
    images = look_at(data, cache) or _known(data)
    if images is not None:
        for variant in list({repr(each): each for each in wanted}.values())[:VARIANTS]:
            fitting_networks(variant, images, seed=0)
        if data.augment is not None:
            _, *shape, channels = images
            build_augment(data.augment, (channels, shape[0], shape[1]))
    if isinstance(score, ScoreSettings):
        _check_score(score, cache)
    elif images is not None:
        _, *shape, channels = images
        OwnScorer(score, score.name_for()).check((channels, *shape))


def _known(data: DataSettings) -> tuple[int, int, int, int] | None:
    """The shape of a published set that is not here yet; how many images it has is not looked at."""
    if data.image_size is None or data.image_channels is None:
        return None
    return 1 << 62, data.image_size, data.image_size, data.image_channels


def _check_score(score: ScoreSettings, cache: Path) -> None:
    """Refuses files of the user's own that are not what they should be."""
    if score.weights is not None:
        build_extractor(score, cache, "cpu")
    if score.statistics is not None:
        check_statistics(Path(score.statistics), score.extractor, score.features, cache)


def _require_own_scores(name: str, networks: Networks, image: tuple[int, int, int]) -> None:
    if not scores_alone(networks, image):
        raise ValueError(
            f"networks {name}: the regulariser penalises the discriminator's gradient at one image, but "
            "each score depends on the whole batch; let it depend on its own image only"
        )
