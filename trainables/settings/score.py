"""The settings of a score, and its name, which states the protocol.

Only a Frechet distance on the pool3 features of the 2015 Inception-v3 is called ``fid_*``; other
extractors give ``fd_<extractor>_*``, and a score of a user's own is ``own_<function>_*``.
Nothing here needs torch or the data: a spec can be checked,
and its score named, anywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from trainables.counting import counted
from trainables.settings.base import Settings
from trainables.settings.data import DataSettings
from trainables.settings.early import Early
from trainables.settings.extractors import EXTRACTORS, Extractor
from trainables.settings.named import REFERENCE, NameOf

ExtractorName = Annotated[str, NameOf(EXTRACTORS)]
Extra = Literal["kid", "inception_score", "fid_inf"]

Draw = Annotated[
    int,
    Field(
        ge=0,
        le=2**31,
        description="Which draw of z every evaluation is made with. One number gives the same z in every "
        "trial; a confirmation takes another one than the search, whose winners also won by their z.",
    ),
]
"""The number of a set of z."""


class ScoreSettings(Settings):
    """The Frechet distance between the features of real and of generated images."""

    extractor: ExtractorName = Field(
        default="digits",
        description="Network whose features are compared: `inception` (FID), the bundled `digits` "
        "classifier (the default for digits and mnist; for other images name one), `efficientnet_lite0` "
        "(extra `efficientnet`), or another one of torch-fidelity.",
    )
    samples: int = Field(
        default=1000,
        ge=8,
        description="Generated images per evaluation. Scores of different counts are never compared.",
    )
    batch_size: int = Field(
        default=100, ge=1, description="Images that go through the extractor at once."
    )
    input_size: int | None = Field(
        default=None,
        ge=32,
        le=512,
        description="Side in pixels that efficientnet_lite0 sees (48, unless set); part of the name.",
    )
    weights: str | None = Field(
        default=None,
        description="Path of the extractor's weights file (inception, vgg16, clip) where it cannot be "
        "downloaded; its SHA-256 is checked and recorded.",
    )
    weights_sha256: str | None = Field(
        default=None,
        pattern=r"^[0-9a-f]{64}$",
        description="SHA-256 that `weights` must have, if not that of the published file.",
    )
    statistics: str | None = Field(
        default=None,
        description="Path of an .npz with mu and sigma of the real side (the layout of TTUR and "
        "pytorch-fid), used instead of the statistics of the training images.",
    )
    extras: tuple[Extra, ...] = Field(
        default=(),
        description="Further measures of the same features, recorded as metrics: `kid`, "
        "`inception_score` (needs an extractor with logits), `fid_inf` (a line in 1/N; needs a quarter of "
        "`samples` to be more than the extractor has features: inception from 8,196 samples on, "
        "efficientnet_lite0 from 5,124, digits from 260).",
    )
    noise_draws: int = Field(
        default=0,
        ge=0,
        le=100,
        description="How the score's noise over redrawn z is measured: 0 estimates it from the features "
        "of the one draw (the delta method: no further images; about a tenth too high at 1,000 "
        "samples), 2 or more take the spread over that many draws at each evaluation, the scored one "
        "among them. It counts as at least what real images show against real ones (score_floor_noise).",
    )

    early: Early = None
    draw: Draw = 0

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.input_size is None and self.row.side:
            # Written out, so that a record says which default was meant.
            self.__dict__["input_size"] = self.row.side
        if self.input_size is not None and not self.row.side:
            raise ValueError(
                f"input_size is {self.input_size}, but {self.extractor} has a fixed input; remove it"
            )
        if self.weights is not None and not self.row.takes_file:
            raise ValueError(
                f"weights is {self.weights!r}, but {self.extractor} takes no weights file; remove it"
            )
        if self.weights_sha256 is not None and self.weights is None:
            raise ValueError(
                "weights_sha256 is set without weights; set weights to the file's path"
            )
        if self.noise_draws == 1:
            raise ValueError("noise_draws is 1; a spread needs 2 or more redraws (0 for none)")
        if self.early is not None:
            self.early.check(self.samples)
        return self._check_extras()

    def _check_extras(self) -> Self:
        if len(set(self.extras)) < len(self.extras):
            raise ValueError(f"extras is {list(self.extras)}; name each measure once")
        if "inception_score" in self.extras and not self.row.has_logits:
            able = (name for name, row in EXTRACTORS.items() if row.has_logits)
            raise ValueError(
                f"extras has inception_score, but {self.extractor} has no logits; "
                f"use one of {', '.join(able)}"
            )
        if "kid" in self.extras and self.statistics is not None:
            raise ValueError(
                "extras has kid, which needs features of real images, but statistics holds only "
                "mu and sigma; remove one of the two"
            )
        if "fid_inf" in self.extras and self.samples // 4 <= self.features:
            raise ValueError(
                f"extras has fid_inf with samples {self.samples}, but its line in 1/N needs blocks of "
                f"samples / 4 to have more images than {self.extractor} has features "
                f"({self.features}); set samples to {4 * self.features + 4} or more, or remove fid_inf"
            )
        return self

    @property
    def row(self) -> Extractor:
        """What is known of the extractor."""
        return EXTRACTORS[self.extractor]

    @property
    def features(self) -> int:
        """How many features the extractor has (d)."""
        return self.row.features

    @property
    def seen_size(self) -> int:
        """Side in pixels that an extractor sees whose input has no fixed size."""
        return self.input_size or self.row.side

    @property
    def extractor_label(self) -> str:
        """The extractor as names state it: ``digits``, ``efficientnet_lite0_64px``."""
        label = self.extractor.replace("-", "_")
        return f"{label}_{self.seen_size}px" if self.row.side else label

    def name_for(self, split: str | None, labels: Sequence[str] = ()) -> str:
        """Names the score.

        Args:
            split: Part of the real data that is compared with; None if it has no parts.
            labels: What else is said of the images (:func:`image_labels`).

        Returns:
            For example ``fid_10k_train``, ``fd_digits_1k``, ``fid_50k_given`` (given statistics),
            ``fid_10k_64px`` (images of one's own, at 64 pixels).
        """
        stem = "fid" if self.extractor == "inception" else f"fd_{self.extractor_label}"
        real = split if self.statistics is None else "given"
        return "_".join(part for part in (stem, count_label(self.samples), real, *labels) if part)


class OwnScoreSettings(Settings):
    """A score of a user's own: a number to minimise, from generated images alone."""

    own: str = Field(
        pattern=f"^{REFERENCE}$",
        description="package.module:function; it is called with batches of images, uint8 (B, C, H, W), and "
        "returns a number, the lower the better.",
    )
    samples: int = Field(
        default=1000,
        ge=8,
        description="Generated images per evaluation. Scores of different counts are never compared.",
    )
    noise_draws: int = Field(
        default=4,
        ge=0,
        le=100,
        description="The score's noise is its spread over so many draws of z at each evaluation, the scored "
        "one among them; 0 counts it as exact.",
    )

    early: Early = None
    draw: Draw = 0

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.noise_draws == 1:
            raise ValueError("noise_draws is 1; a spread needs 2 or more redraws (0 for none)")
        if self.early is not None:
            self.early.check(self.samples)
        return self

    def name_for(self, labels: Sequence[str] = ()) -> str:
        """Names the score: ``own_sharpness_1k``, and what else is said of the images."""
        function = self.own.partition(":")[2].replace(".", "_")
        return "_".join(["own", function, count_label(self.samples), *labels])


def count_label(count: int) -> str:
    """Shortens whole thousands: 1000 is ``1k``, 50000 is ``50k``, 1500 stays ``1500``."""
    return f"{count // 1000}k" if count % 1000 == 0 else str(count)


def short_of(limit: int, there: int | None, what: str) -> str | None:
    """Says of a ``data.limit`` that is above what there is that a score's name would state it falsely.

    Args:
        limit: The limit.
        there: How many there are; None if that is not known.
        what: Of what, in the plural.

    Returns:
        One sentence; None if there are enough.

    Examples:
        >>> short_of(1000, 60, "images")
        'data.limit is 1000, but 60 images are all there are, and the score would say of_1k; remove it'
        >>> short_of(60, 60, "images")
    """
    if there is None or there >= limit:
        return None
    return (
        f"data.limit is {limit}, but {counted(there, what)} are all there are, and the score would say "
        f"of_{count_label(limit)}; remove it"
    )


def image_labels(data: DataSettings) -> list[str]:
    """What a score's name says of the images: all in which they differ from what is usual for the data set.

    The scores of images at 64 and at 32 pixels, or of another crop, are two measures. Images of one's own
    without a ``size`` are scored as they are, which is not stated.

    Returns:
        For example ``["64px", "crop108", "squash", "grey", "of_5k", "on_black"]``. None of a study that
        began when names did not state it: it goes on under its name.
    """
    if data.rules == 1:
        return []
    usual = DataSettings(name=data.name, path=data.path)
    own = {
        f"{data.image_size}px": data.image_size != usual.image_size,
        f"crop{data.image_crop}": data.image_crop != usual.image_crop,
        data.image_fit: data.image_fit != usual.image_fit,
        "grey" if data.image_channels == 1 else "rgb": data.image_channels != usual.image_channels,
        f"of_{count_label(data.limit or 0)}": data.limit is not None,
        f"on_{data.background.removeprefix('#')}": data.background != usual.background,
        "range_{:g}_{:g}".format(*(data.range or (0, 0))): data.range is not None,
    }
    return [label for label, differs in own.items() if differs]


def score_name(settings: ScoreSettings | OwnScoreSettings, data: DataSettings) -> str:
    """Names the score of a generator of these data; computed without torch and without the data."""
    if isinstance(settings, OwnScoreSettings):
        return settings.name_for(image_labels(data))
    return settings.name_for(data.stated_split, image_labels(data))
