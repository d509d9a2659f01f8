"""Settings of the analytic games: trials of milliseconds, to try a whole study out on."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from trainables.settings.base import TrialSettings
from trainables.settings.optimisation import MemoryName, ScheduleSettings, UpdateRuleName


class GameSettings(TrialSettings):
    """What every game has."""

    accelerated: ClassVar[bool] = False
    kind: str

    noise: float = Field(
        default=1.0, ge=0, description="Standard deviation of the noise added to every gradient."
    )
    near: float = Field(
        default=0.1,
        gt=0,
        description="Distance to the solution that counts as arrived; the first step below it "
        "is reported as a metric.",
    )
    seconds_per_step: float = Field(
        default=0.0,
        ge=0,
        le=3600,
        description="Simulated cost of a generator update in seconds; 0 means full speed.",
    )

    @property
    def score_name(self) -> str:
        """Mean distance to the solution since the last evaluation: ``<kind>_distance``."""
        return f"{self.kind}_distance"


class TwoPlayerSettings(GameSettings):
    """A game of two scalar players, x (the generator) and y (the discriminator)."""

    update_rule: UpdateRuleName = Field(
        default="alternating", description="How the two players move within one step."
    )
    start: tuple[float, float] = Field(
        default=(0.5, -0.4), description="Where (x, y) begins; the solution is (0, 0)."
    )

    @property
    def score_name(self) -> str:
        """The solution is (0, 0), so the distance to it is the norm: ``<kind>_norm``."""
        return f"{self.kind}_norm"


class SaddleSettings(TwoPlayerSettings):
    """The min-max problem of the paper's Fig. 4: f(x, y) = (1 + x^2)(100 - y^2)."""

    kind: Literal["saddle"] = Field(default="saddle", description="The kind of trial.")
    steps: int = Field(default=5000, gt=0, description="Updates of x in a whole trial.")
    evaluate_every: int = Field(
        default=250, gt=0, description="Updates of x between two evaluations."
    )


class BilinearSettings(TwoPlayerSettings):
    """The bilinear game f(x, y) = strength * x * y."""

    kind: Literal["bilinear"] = Field(default="bilinear", description="The kind of trial.")
    steps: int = Field(default=2000, gt=0, description="Updates of x in a whole trial.")
    evaluate_every: int = Field(
        default=100, gt=0, description="Updates of x between two evaluations."
    )
    noise: float = Field(
        default=0.0, ge=0, description="Standard deviation of the noise added to every gradient."
    )
    update_rule: UpdateRuleName = Field(
        default="extragradient", description="How the two players move within one step."
    )
    strength: float = Field(default=1.0, gt=0, description="Factor of x * y.")


class NetworkFlowSettings(GameSettings):
    """Distributed utility maximisation on a line of four nodes, the setting of Fig. 1 (right)."""

    kind: Literal["network_flow"] = Field(default="network_flow", description="The kind of trial.")
    steps: int = Field(default=5000, gt=0, description="Updates of the prices in a whole trial.")
    evaluate_every: int = Field(
        default=250, gt=0, description="Updates of the prices between two evaluations."
    )
    schedule: ScheduleSettings = Field(
        default_factory=ScheduleSettings,
        description="How b and a change with the step; two time scales settle with name power.",
    )
    start_rate: float = Field(
        default=0.5, gt=0, le=1, description="Rate of every source at the start."
    )
    start_price: float = Field(default=0.5, ge=0, description="Price of every link at the start.")


class HeavyBallSettings(GameSettings):
    """The heavy ball of Fig. 2 on a slope with a sharp and a flat minimum."""

    kind: Literal["heavy_ball"] = Field(default="heavy_ball", description="The kind of trial.")
    steps: int = Field(default=4000, gt=0, description="Updates in a whole trial.")
    evaluate_every: int = Field(default=200, gt=0, description="Updates between two evaluations.")
    noise: float = Field(
        default=0.0, ge=0, description="Standard deviation of the noise added to every gradient."
    )
    method: Literal["heavy_ball", "gradient_descent"] = Field(
        default="heavy_ball", description="Whether the past gradients are remembered (Eq. 4)."
    )
    memory: MemoryName = Field(
        default="exponential",
        description="r(n) = b / a (exponential) or (b / a) / (a(1) + ... + a(n)) (polynomial, whose "
        "ball never slows down unless b / a > 0.5).",
    )
    schedule: ScheduleSettings = Field(
        default_factory=ScheduleSettings,
        description="How a changes with the step; the memory's rate a(n) r(n) follows it.",
    )
    start: float = Field(default=-1.5, description="Where the ball begins, at rest.")


class PlayersSettings(GameSettings):
    """The noisy quadratic game of n players, by extragradient with player sampling."""

    kind: Literal["players"] = Field(default="players", description="The kind of trial.")
    steps: int = Field(default=2000, gt=0, description="Updates in a whole trial.")
    evaluate_every: int = Field(default=100, gt=0, description="Updates between two evaluations.")
    noise: float = Field(
        default=0.02, ge=0, description="Standard deviation of the noise added to every gradient."
    )
    players: int = Field(default=50, ge=2, le=500, description="Number of players n.")
    dimension: int = Field(default=1, ge=1, le=100, description="Variables of each player.")
    skewness: float = Field(
        default=0.9,
        ge=0,
        lt=1,
        description="Share of pure competition: 0 is a joint minimisation, near 1 the game is "
        "almost bilinear.",
    )
    game_seed: int = Field(default=0, ge=0, description="Seed of the game's random matrix.")
    sampling: Literal["full", "random", "cyclic"] = Field(
        default="full",
        description="Who looks ahead and moves in a step: every player, a random subset of "
        "players_per_step, or one pair after the other.",
    )
    players_per_step: int = Field(
        default=1, ge=1, description="random: players that look ahead, and players that move."
    )
    variance_reduction: bool = Field(
        default=False,
        description="Whether the last gradient of each player is kept to correct for sampling.",
    )

    @model_validator(mode="after")
    def _makes_sense(self) -> PlayersSettings:
        if self.sampling != "random" and self.players_per_step != 1:
            raise ValueError(
                f"players_per_step is {self.players_per_step}, but sampling is {self.sampling}, "
                "which takes every player or one; set sampling to random or remove it"
            )
        if self.players_per_step > self.players:
            raise ValueError(
                f"players_per_step is {self.players_per_step}, but there are only "
                f"{self.players} players; lower it"
            )
        if self.variance_reduction and self.sampling == "full":
            raise ValueError(
                "variance_reduction is true, but sampling is full, so there is no sampling noise "
                "to reduce; set sampling to random or cyclic"
            )
        return self
