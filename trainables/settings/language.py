"""Settings of a language trial: the paper's character WGAN-GP on lines of text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from trainables.settings.adversarial import AdversarialSettings, LossName
from trainables.settings.base import Contents, Settings, Step
from trainables.settings.early import Early, EarlySettings
from trainables.settings.optimisation import OptimiserSettings, RegulariserSettings
from trainables.settings.score import Draw, count_label, short_of
from trainables.settings.text import BUNDLED, TextSettings, expanded_text, text_labels

PAPER_SAMPLES = 640
"""Generated lines in the paper's JSD; a score of another number says so in its name."""


class CharacterNetworkSettings(Settings):
    """The residual 1-d convolutional networks of Gulrajani et al. (2017), Sec. 5.4."""

    width: int = Field(default=512, ge=1, description="Channels of every block of G and D.")
    blocks: int = Field(default=5, ge=1, le=32, description="Residual blocks of G and of D.")
    kernel: int = Field(
        default=5, ge=1, le=31, description="Characters a convolution sees; an odd number."
    )
    latent: int = Field(default=128, ge=1, description="Length of z, which is N(0, 1).")

    @model_validator(mode="after")
    def _kernel_has_a_centre(self) -> Self:
        if self.kernel % 2 == 0:
            raise ValueError(
                f"networks.kernel is {self.kernel}; it must be odd, so that a line keeps its length"
            )
        return self


class NgramScoreSettings(Settings):
    """The Jensen-Shannon divergence between n-grams of generated and of real lines, in [0, 1]."""

    name: Literal["jsd1", "jsd2", "jsd3", "jsd4", "jsd5", "jsd6"] = Field(
        default="jsd4",
        description="What is minimised, by the n of its n-grams; all of 1 to 6 are recorded.",
    )
    samples: int = Field(
        default=PAPER_SAMPLES,
        ge=16,
        description="Generated lines per evaluation. Scores of different counts are never compared.",
    )
    batch_size: int = Field(default=64, ge=1, description="Lines generated at a time.")
    early: Early = None
    draw: Draw = 0

    @model_validator(mode="after")
    def _early_is_fewer(self) -> Self:
        if self.early is not None:
            self.early.check(self.samples)
        return self

    @model_validator(mode="before")
    @classmethod
    def _name_alone(cls, data: Any) -> Any:
        return {"name": data} if isinstance(data, str) else data

    @property
    def order(self) -> int:
        """The n of the n-grams whose divergence is minimised."""
        return int(self.name.removeprefix("jsd"))

    @property
    def score_name(self) -> str:
        """``jsd4`` is the paper's protocol (640 lines); other counts are stated: ``jsd4_10k``."""
        if self.samples == PAPER_SAMPLES:
            return self.name
        return f"{self.name}_{count_label(self.samples)}"


class LanguageSettings(AdversarialSettings):
    """One character GAN in training; unless set otherwise with the paper's WGAN-GP settings."""

    added: ClassVar[tuple[str, ...]] = (*AdversarialSettings.added, "score.draw", "score.early")
    paths: ClassVar[tuple[str, ...]] = ("data.path",)
    levels_by: ClassVar[str] = "trainables.language.levels"

    kind: Literal["language"] = Field(default="language", description="The kind of trial.")
    data: TextSettings = Field(description="The real text.")
    networks: CharacterNetworkSettings = Field(
        default_factory=CharacterNetworkSettings, description="Generator and discriminator."
    )
    loss: LossName = Field(
        default="wasserstein",
        description="What D and what G minimise, as of a GAN on images (default: wasserstein).",
    )
    regulariser: RegulariserSettings = Field(
        default_factory=lambda: RegulariserSettings(gradient_penalty=10.0),
        description="Terms added to the losses (default: gradient penalty 10).",
    )
    optimiser: OptimiserSettings = Field(
        default_factory=lambda: OptimiserSettings(beta1=0.5, beta2=0.9),
        description="The optimiser of both players (default: Adam with betas 0.5 and 0.9).",
    )
    score: NgramScoreSettings = Field(
        default_factory=NgramScoreSettings, description="What is minimised."
    )

    @classmethod
    def written_out(cls, data: Mapping[str, Any]) -> dict[str, Any]:
        """As the base; ``data`` may be a bare path."""
        return {**data, "data": expanded_text(data["data"])} if "data" in data else dict(data)

    @classmethod
    def with_paths(cls, data: Mapping[str, Any], resolve: Callable[[str], str]) -> dict[str, Any]:
        """As the base; the word for the bundled text is not a path."""
        return super().with_paths(data, lambda path: path if path == BUNDLED else resolve(path))

    @property
    def score_name(self) -> str:
        """Name of the score; it states the protocol."""
        return "_".join([self.score.score_name, *text_labels(self.data)])

    @property
    def early(self) -> EarlySettings | None:
        """Which evaluations take fewer lines."""
        return self.score.early

    def preparation(self, cache: str) -> list[Step]:
        """Returns what has to be done before the trial can run: converting the text, once a node."""
        from trainables.language.text import preparation

        there = self.data.path == BUNDLED or Path(self.data.path).exists()
        return [Step(text, automatic=there) for text in preparation(self.data, Path(cache))]

    def check(self, cache: str, searched: Sequence[LanguageSettings] = ()) -> None:
        """Looks whether the text fills a batch, and at losses of a user's own."""
        from trainables.gan.losses import build_loss
        from trainables.language.text import check_text

        batch = max(each.batch_size for each in (self, *searched))
        check_text(self.data, Path(cache), batch)
        for name in {each.loss: None for each in (self, *searched)}:
            build_loss(name)

    def short(self, cache: str) -> str | None:
        """Compares ``data.limit`` with the lines there are."""
        from trainables.language.text import available

        limit = self.data.limit
        if limit is None:
            return None
        return short_of(limit, available(self.data, Path(cache), limit), "lines")

    def contents(self, cache: str, report: Callable[[str], None]) -> Contents:
        """The lines of the text."""
        from trainables.data.store import in_words
        from trainables.language.text import load_text

        text = load_text(self.data, Path(cache), in_words(report))
        return Contents(len(text.tokens), "lines", text.left_out, {"data": text.fingerprint})

    def prepare(self, cache: str, device: str, report: Callable[[str], None]) -> None:  # noqa: ARG002
        """Converts the text and counts its n-grams."""
        from trainables.data.store import in_words
        from trainables.language.text import load_text

        load_text(self.data, Path(cache), in_words(report))

    @model_validator(mode="after")
    def _critic_is_bounded(self) -> Self:
        self.require_bounded_critic(False, "regulariser.gradient_penalty (10)")
        return self
