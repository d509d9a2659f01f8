"""The settings of every trial of a generator against a discriminator, whatever the two make and judge."""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from trainables.counting import counted
from trainables.settings.base import TrialSettings
from trainables.settings.early import EarlySettings
from trainables.settings.losses import LOSSES
from trainables.settings.named import NameOf
from trainables.settings.optimisation import (
    OptimiserSettings,
    PrecisionName,
    RegulariserSettings,
    ScheduleSettings,
    UpdateRuleName,
)

LossName = Annotated[str, NameOf(LOSSES, or_own=True)]

LEAST_SHARE_OF_A_RATE = 0.05
"""What a decaying rate must have left at the last step for nothing to be said."""

LEAST_FRICTION = 25.0
"""heavy_ball: r below which beta1 is above 0.975 at a rate of 1e-3."""


class AdversarialSettings(TrialSettings):
    """Loss, regularisers and updates; b, a and d_steps come from the search space, not from here."""

    added: ClassVar[tuple[str, ...]] = (
        "ema_start",
        "ema_ramp",
        "precision",
        "deterministic",
        "regulariser.every",
    )
    costs: ClassVar[tuple[str, ...]] = ("cuda_graphs",)

    loss: LossName = Field(
        default="non_saturating",
        description="What D and what G minimise: a name of the table of losses, or "
        "package.module:function (a pair of a user's own).",
    )
    regulariser: RegulariserSettings = Field(
        default_factory=RegulariserSettings, description="Terms added to the losses."
    )
    update_rule: UpdateRuleName = Field(
        default="alternating", description="alternating, simultaneous or extragradient."
    )
    generator_latents: Literal["fresh", "same"] = Field(
        default="fresh",
        description="z of G's update: fresh ones, or those of the D update before (the paper's DCGAN).",
    )
    optimiser: OptimiserSettings = Field(
        default_factory=OptimiserSettings, description="The optimiser of both players."
    )
    schedule: ScheduleSettings = Field(
        default_factory=ScheduleSettings, description="How b and a change with the step."
    )
    ema: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Decay of a moving average of G's weights, scored in G's place; 0 is off.",
    )
    ema_start: int = Field(
        default=0,
        ge=0,
        description="Generator updates after which averaging begins; until then the average is G itself.",
    )
    ema_ramp: float | None = Field(
        default=None,
        gt=0,
        description="The average's half-life is at most this share of the updates since ema_start, so that "
        "the first weights are soon forgotten (ema_rampup of StyleGAN2-ADA: 0.05); null: no such limit.",
    )
    precision: PrecisionName = Field(
        default="fp32",
        description="How updates are computed: fp32, tf32 (in products and convolutions of an NVIDIA GPU) "
        "or bf16 (both networks under autocast). Penalties, weights, optimisers and scores stay in fp32.",
    )
    deterministic: bool = Field(
        default=True,
        description="Of an NVIDIA GPU: only algorithms that give the same result every time; false: the "
        "fastest that cuDNN finds by trying, so that a trial cannot be repeated exactly.",
    )
    cuda_graphs: bool = Field(
        default=True,
        description="Of an NVIDIA GPU: all kernels of a step are launched at once, as one CUDA graph, where "
        "they can be recorded as one; false: one by one. The numbers are the same, so a study may change it.",
    )
    batch_size: int = Field(default=64, ge=2, description="Real samples in a discriminator update.")
    minutes: float | None = Field(
        default=None,
        gt=0,
        description="Ends the trial after this much training time (evaluations excluded), if steps "
        "are not done before; such a trial cannot be repeated exactly.",
    )

    @model_validator(mode="after")
    def _heavy_ball_needs_decay(self) -> AdversarialSettings:
        if self.optimiser.name == "heavy_ball" and self.schedule.name != "power":
            raise ValueError(
                f"optimiser.name is heavy_ball and schedule.name is {self.schedule.name}, but "
                "Theorem 2 is about rates a n^-tau; set schedule.name to power"
            )
        return self

    @property
    @abstractmethod
    def early(self) -> EarlySettings | None:
        """Which evaluations take fewer samples; None if all are alike."""

    @model_validator(mode="after")
    def _early_evaluations_come_first(self) -> AdversarialSettings:
        early = self.early
        if early is None:
            return self
        if early.until < self.evaluate_every:
            raise ValueError(
                f"score.early.until is {early.until}, but the first evaluation is at step "
                f"{self.evaluate_every} (evaluate_every); raise it or remove score.early"
            )
        if early.until >= self.steps:
            raise ValueError(
                f"score.early.until is {early.until}, but a trial has {counted(self.steps, 'steps')} and "
                "needs evaluations that are scores; lower it"
            )
        return self

    @model_validator(mode="after")
    def _average_is_taken(self) -> AdversarialSettings:
        for field, value in (("ema_start", self.ema_start), ("ema_ramp", self.ema_ramp)):
            if value and not self.ema:
                raise ValueError(
                    f"{field} is {value:g}, but ema is 0, so no average is taken; set ema (0.999, say) or "
                    f"remove {field}"
                )
        if self.ema_start >= self.steps:
            raise ValueError(
                f"ema_start is {self.ema_start}, but a trial has {counted(self.steps, 'steps')}, so no "
                "average is taken; lower it"
            )
        return self

    def warnings(self) -> list[str]:
        """What is legal but doubtful: rates outside assumption A2, that vanish, or that never come down."""
        found = self.schedule.warnings()
        remedies = [*self._slower_decay(), *self._shorter_memory()]
        if remedies:
            found.append("; ".join(remedies))
        if self.minutes is not None and self.schedule.name == "cosine":
            found.append(
                f"minutes is {self.minutes:g} and schedule is cosine, which comes down over the {self.steps} "
                "steps: a trial that ends by the clock before them keeps a high rate; set steps to what "
                "the minutes allow"
            )
        return found

    def _slower_decay(self) -> list[str]:
        """Says what is left of the rates after the last step, if that is too little to learn with."""
        if self.schedule.name != "power":
            return []
        b, a = self.schedule.decay(self.steps)
        if min(b, a) >= LEAST_SHARE_OF_A_RATE:
            return []
        stretch = max(1, self.steps // 10)
        then_b, then_a = self.schedule.model_copy(update={"stretch": stretch}).decay(self.steps)
        return [
            f"schedule is power with stretch {self.schedule.stretch}: step {self.steps} has {b:.2g} of b and "
            f"{a:.2g} of a, so little is learnt; set schedule.stretch to {stretch}, a tenth of steps "
            f"({then_b:.2g} and {then_a:.2g})"
        ]

    def _shorter_memory(self) -> list[str]:
        """Says that a ball with so little friction hardly gets under way."""
        optimiser = self.optimiser
        heavy = optimiser.name == "heavy_ball" and optimiser.memory == "exponential"
        if not heavy or optimiser.r >= LEAST_FRICTION:
            return []
        return [
            f"optimiser.r of heavy_ball is {optimiser.r:g}: at a rate of 1e-3 its beta1 is "
            f"{1 - 1e-3 * optimiser.r:.4g}, so it takes {1e3 / optimiser.r:.0f} updates to get under way; "
            "set optimiser.r to 250 and optimiser.alpha to 0.1"
        ]

    def require_bounded_critic(self, bounded: bool, remedy: str) -> None:
        """Refuses a loss without a minimum (Wasserstein's) where nothing bounds D's slope.

        Args:
            bounded: Whether something other than a penalty on D's gradient bounds it.
            remedy: What to set, for the message.
        """
        known = LOSSES.get(self.loss)  # of a user's own only the user knows
        unbounded = known is not None and not known.bounded
        if unbounded and not (bounded or self.regulariser.at_samples):
            raise ValueError(
                f"loss is {self.loss}, but nothing bounds D's slope, so its loss has no minimum; set "
                f"{remedy}"
            )
