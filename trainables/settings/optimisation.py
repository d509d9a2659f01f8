"""The settings of updates: optimiser, learning-rate schedule, regularisers."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from trainables.settings.base import Settings
from trainables.settings.named import NamedSettings, refuse_idle

OptimiserName = Literal["adam", "sgd", "heavy_ball"]
ScheduleName = Literal["constant", "cosine", "power"]
MemoryName = Literal["exponential", "polynomial"]
UpdateRuleName = Literal["alternating", "simultaneous", "extragradient"]

REGULARISER_DEFAULTS = {"gradient_penalty": 10.0, "r1": 10.0, "weight_decay": 1e-4}
"""Weights that a regulariser has when a spec gives its name alone."""


_FIELDS_OF_OPTIMISERS = {
    "eps": ("adam", "heavy_ball"),
    "memory": ("heavy_ball",),
    "r": ("heavy_ball",),
    "alpha": ("heavy_ball",),
}
_FIELDS_OF_SCHEDULES = {
    "final": ("cosine",),
    "tau_b": ("power",),
    "tau_a": ("power",),
    "stretch": ("power",),
}
"""Fields that only some of the names have a use for."""


class OptimiserSettings(NamedSettings):
    """The optimiser of both players; each has its own learning rate (b, a) and its own state.

    ``adam`` and ``sgd`` are the usual ones; ``heavy_ball`` is Adam with the coefficients of the
    paper's Theorem 2, beta1 = 1 - a(n+1) r(n) and beta2 = 1 - alpha a(n+1) r(n).
    """

    name: OptimiserName = Field(default="adam", description="adam, sgd or heavy_ball.")
    beta1: float | None = Field(
        default=None,
        ge=0,
        lt=1,
        description="Averaging of the gradient: Adam's beta1 (0.5 unless set), SGD's momentum (0).",
    )
    beta2: float | None = Field(
        default=None,
        ge=0,
        lt=1,
        description="Averaging of the squared gradient: Adam's beta2 (0.999 unless set).",
    )
    eps: float = Field(
        default=1e-8,
        gt=0,
        description="Added to the root of the squared gradient (adam, heavy_ball).",
    )
    memory: MemoryName = Field(
        default="exponential",
        description="heavy_ball: r(n) = r (exponential) or r / (a(1) + ... + a(n)) (polynomial).",
    )
    r: float = Field(
        default=1.0,
        gt=0,
        description="heavy_ball: r of the memory; exponential memory has beta1 = 1 - r x rate.",
    )
    alpha: float = Field(
        default=1.0, gt=0, description="heavy_ball: beta2 = 1 - alpha x rate x r(n) (Theorem 2)."
    )

    @model_validator(mode="after")
    def _makes_sense(self) -> OptimiserSettings:
        if self.name == "sgd" and self.beta2 is not None:
            raise ValueError(
                f"optimiser.beta2 is {self.beta2}, but sgd averages no squared gradient; remove it"
            )
        refuse_idle(self, "optimiser", _FIELDS_OF_OPTIMISERS)
        if self.name == "heavy_ball" and (self.beta1, self.beta2) != (None, None):
            raise ValueError(
                "optimiser.beta1 and beta2 of heavy_ball follow from the rate (Theorem 2); "
                "remove them and set optimiser.r and optimiser.alpha"
            )
        if self.name == "heavy_ball" and self.memory == "polynomial" and self.r <= 0.5:
            raise ValueError(
                f"optimiser.r is {self.r}; with polynomial memory the friction is (2 r - 1) / t, "
                "so r must be > 0.5"
            )
        return self


class ScheduleSettings(NamedSettings):
    """How b and a change with the generator update n = 1, 2, ...

    ``cosine`` multiplies both by the same factor, so their ratio is kept; ``power`` is the decay of
    the paper's assumption A2, b(n) = b n^-tau_b and a(n) = a n^-tau_a.
    """

    name: ScheduleName = Field(default="constant", description="constant, cosine or power.")
    final: float = Field(
        default=0.0, ge=0, le=1, description="cosine: the factor of both rates after the last step."
    )
    tau_b: float = Field(
        default=0.6, ge=0, le=2, description="power: exponent of the discriminator's decay."
    )
    tau_a: float = Field(
        default=0.9, ge=0, le=2, description="power: exponent of the generator's decay."
    )
    stretch: int = Field(
        default=1, ge=1, description="power: generator updates for which n stays the same."
    )

    @model_validator(mode="after")
    def _makes_sense(self) -> ScheduleSettings:
        refuse_idle(self, "schedule", _FIELDS_OF_SCHEDULES)
        return self

    def decay(self, n: int) -> tuple[float, float]:
        """The shares of b and of a that ``power`` leaves at generator update ``n`` (>= 1)."""
        units = 1 + (n - 1) // self.stretch
        return float(units**-self.tau_b), float(units**-self.tau_a)

    def warnings(self) -> list[str]:
        """Says where a pair of decaying rates leaves the paper's assumption A2; one sentence each.

        A2 asks that the sums of b(n) and of a(n) diverge, that those of their squares converge
        (Robbins and Monro), and that a(n) = o(b(n)). A constant or cosine rate of a finite run claims
        nothing about n to infinity and gives no warning.
        """
        if self.name != "power":
            return []
        found = []
        for name, tau in (("tau_b", self.tau_b), ("tau_a", self.tau_a)):
            if tau > 1:
                found.append(
                    f"schedule.{name} is {tau}: the rates sum to a finite number, so learning can "
                    "stop short of a solution (A2, Robbins-Monro); use a value <= 1"
                )
            if tau <= 0.5:
                found.append(
                    f"schedule.{name} is {tau}: the squared rates sum to infinity, so the noise does "
                    "not average out (A2, Robbins-Monro); use a value > 0.5"
                )
        if self.tau_a <= self.tau_b:
            found.append(
                f"schedule.tau_a is {self.tau_a} and tau_b is {self.tau_b}: a(n) is not o(b(n)), so "
                "the generator is not the slow player (A2); use tau_a > tau_b"
            )
        return found


class RegulariserSettings(Settings):
    """Terms added to the losses, each with its weight; 0 is off, several can be on.

    A spec may also give a name or a list of names (``gradient_penalty``,
    ``[gradient_penalty, weight_decay]``), which then have the weights 10, 10 and 1e-4.
    """

    gradient_penalty: float = Field(
        default=0.0,
        ge=0,
        description="lambda of WGAN-GP's (||grad D|| - 1)^2 between real and generated images.",
    )
    r1: float = Field(
        default=0.0, ge=0, description="gamma of R1's gamma/2 ||grad D||^2 at the real images."
    )
    weight_decay: float = Field(
        default=0.0,
        ge=0,
        description="Weight of 1/2 ||w||^2 in the loss of both players (assumptions A4, A5).",
    )
    every: int = Field(
        default=1,
        ge=1,
        description="The penalty on D's gradient is part of one in so many D updates, with so many times "
        "its weight (lazy regularisation of StyleGAN2: 16).",
    )

    @property
    def at_samples(self) -> bool:
        """Whether D's gradient at single samples is penalised."""
        return bool(self.gradient_penalty or self.r1)

    @model_validator(mode="before")
    @classmethod
    def _names_alone(cls, data: Any) -> Any:
        names = [data] if isinstance(data, str) else data
        if not isinstance(names, list | tuple):
            return data
        unknown = [name for name in names if name not in REGULARISER_DEFAULTS]
        if unknown:
            known = ", ".join(REGULARISER_DEFAULTS)
            raise ValueError(f"regulariser {unknown[0]!r} is not known; it must be one of {known}")
        return {name: REGULARISER_DEFAULTS[name] for name in names}

    @model_validator(mode="after")
    def _makes_sense(self) -> RegulariserSettings:
        if self.gradient_penalty and self.r1:
            raise ValueError(
                f"regulariser.gradient_penalty is {self.gradient_penalty} and regulariser.r1 is "
                f"{self.r1}: one pulls the norm of D's gradient to 1, the other to 0; set one to 0"
            )
        if self.every > 1 and not self.at_samples:
            raise ValueError(
                f"regulariser.every is {self.every}, but there is no penalty on D's gradient; set "
                "regulariser.r1 (10) or regulariser.gradient_penalty (10), or remove it"
            )
        return self

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Adds the bare name and the list of names to the schema."""
        model = handler.resolve_ref_schema(handler(core_schema))
        name = {"type": "string", "enum": list(REGULARISER_DEFAULTS)}
        names = {"type": "array", "items": name}
        return {"anyOf": [name, names, dict(model)], "description": model["description"]}


PrecisionName = Literal["fp32", "tf32", "bf16"]
"""float32 in full, NVIDIA's TF32 in products and convolutions, or networks under bfloat16 autocast."""
