"""The parts of a spec: its arms, how it is searched, stopped and confirmed, and the base of every part."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from search_spaces.build import build_space
from search_spaces.space import SearchSpace
from trainables.counting import counted
from trainables.kinds import with_parameters
from trainables.settings.base import TrialSettings


class Part(BaseModel):
    """A part of the spec; an unknown field is an error."""

    # Pydantic's own text of an error is shown with --debug, and the input may be a URL with a password.
    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True
    )


class Card(Part):
    """What a recipe tells of itself."""

    summary: str = Field(default="", description="The question in a few words, for a list.")
    cost: str = Field(default="", description="Its time in a word or two, for a list.")
    question: str = Field(default="", description="What the study answers.")
    budget: str = Field(default="", description="Trials, steps and samples.")
    expected_time: str = Field(default="", description="How long it takes, and on what.")
    expected_result: str = Field(default="", description="What should come out.")
    command: str = Field(default="", description="The command that runs it.")


class Search(Part):
    """How the arms are searched."""

    sampler: Literal["joint", "tpe", "gp", "cmaes", "random", "qmc", "grid"] = Field(
        default="joint",
        description="joint: one surface of the score that learns from the trials of all arms; the others are "
        "Optuna's, one an arm.",
    )
    seed: Whole = Field(
        default=0, ge=0, le=2**31, description="Seed of the search and of every trial."
    )
    startup: Whole = Field(
        default=5,
        ge=1,
        description="Random trials before the sampler models: of all arms together for joint, else of each.",
    )


class Pruner(Part):
    """A comparison between the trials of an arm at the same step, beside the stopping rule."""

    name: Literal["asha", "hyperband", "median"] = Field(
        description="asha and hyperband: successive halving; median: a trial goes on while its best "
        "score lies below the median of the others at the same step."
    )
    min_evaluations: Whole = Field(
        default=1, ge=1, description="Evaluations before the first decision."
    )
    reduction_factor: Whole = Field(
        default=3, ge=2, description="Of asha and hyperband: one in so many goes on at each rung."
    )


class Stopping(Part):
    """When a trial ends before its last step: its score rises, collapses, or would not be the best."""

    rule: Literal["worth", "ahead", "rising", "none"] = Field(
        default="ahead",
        description="rising: its score rises or collapses; ahead: also if, by the curves of whole trials, "
        "it would not beat the best of its arm; worth: also if its chance to be the best of its arm in the "
        "end is not worth the steps it has left; none: run every step.",
    )
    chance: Number | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="Of ahead: the probability to beat the best below which a trial is stopped (default "
        "0.005). Of worth: the probability to be the best in the end below which all steps after the first "
        "evaluation are not worth it, less for fewer (default 0.02).",
    )
    warmup: Whole | None = Field(
        default=None,
        ge=0,
        description="Evaluations before a rise or a collapse may stop a trial. Default: a fifth of all, from "
        "1 to 5.",
    )
    patience: Whole | None = Field(
        default=None,
        ge=1,
        description="Evaluations in a row that must lie above the best so far. Default: a fifth of all, from "
        "2 to 5.",
    )
    min_delta: Number = Field(
        default=1.0, ge=0, description="A rise counts when it is larger than this many noise units."
    )
    collapse: Number | None = Field(
        default=10.0, gt=1, description="A score above this multiple of the best stops at once."
    )
    pruner: Pruner | None = Field(
        default=None, description="An optional comparison with other trials."
    )

    @property
    def limit(self) -> float:
        """The chance, or what it is where the spec does not say."""
        unsaid = 0.02 if self.rule == "worth" else 0.005
        return unsaid if self.chance is None else self.chance

    def over(self, evaluations: int) -> Stopping:
        """The same with what it does not say filled in, for trials of so many evaluations.

        Example:
            >>> rule = Stopping(patience=4).over(20)
            >>> rule.warmup, rule.patience
            (4, 4)
        """
        fifth = evaluations // 5
        unsaid = {"warmup": min(max(fifth, 1), 5), "patience": min(max(fifth, 2), 5)}
        given = self.model_dump(include={*unsaid}, exclude_none=True)
        return self.model_copy(update=unsaid | given)


class Confirm(Part):
    """Re-training of finalists from fresh seeds, which the verdict rests on."""

    when: Literal["end", "never"] = Field(
        default="end",
        description="end: when the search has ended; never: only by `ttur confirm`.",
    )
    finalists: Whole = Field(
        default=2,
        ge=1,
        description="Configurations of each arm to re-train. Of several one is chosen by seeds of its own, "
        "half as many as `seeds`, which have no part in the comparison.",
    )
    seeds: Whole = Field(default=4, ge=1, description="Seeds by which the arms are compared.")
    samples: Whole | None = Field(default=None, ge=2, description="Samples of the final score.")

    @property
    def choosing(self) -> int:
        """Seeds by which one of several finalists of an arm is chosen."""
        return max(1, self.seeds // 2)


Whole = Annotated[int, Field(strict=True)]
"""A whole number and nothing that Pydantic would make one: true is not 1, nor is '3' 3."""

Number = Annotated[float, Field(strict=True)]
"""A number, whole or not, and nothing that Pydantic would make one."""

PROTOCOL = ("kind", "data", "score", "steps", "evaluate_every", "minutes")
"""Settings of a trial that say what its score means; they are one for all trials of a study."""


class Arm(BaseModel):
    """One search space with its own budget; other fields are the arguments of the space."""

    model_config = ConfigDict(
        frozen=True, extra="allow", allow_inf_nan=False, hide_input_in_errors=True
    )

    space: str = Field(description="A recipe of search_spaces, or package.module:function.")
    trials: Whole = Field(
        ge=0, le=1_000_000, description="Budget: how many trials the arm has in all."
    )
    points: list[dict[str, Any]] = Field(
        default=[], description="Samples to try first, each with a value for every searched name."
    )
    grid: dict[str, list[Any]] | None = Field(
        default=None, description="For sampler grid: the values of every searched name."
    )

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments of the search space."""
        return dict(self.model_extra or {})

    def build(self) -> SearchSpace:
        """Builds the search space; for package.module:function this runs the user's code."""
        return build_space(self.space, self.arguments)


def further(derived: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the trial parameters beside b, a and d_steps."""
    return {name: value for name, value in derived.items() if name not in ("b", "a", "d_steps")}


def check_arm(arm: Arm, settings: TrialSettings, sampler: str) -> None:
    """Checks an arm's space against the trial it is for.

    Raises:
        ValueError: The space is not valid, a searched name is not a setting of the trial or changes what its
            score means, one of its extreme values is refused by the settings, a point is outside of the
            space, or the grid does not fit.
    """
    space = arm.build()
    _check_further(space, settings)
    for index, point in enumerate(arm.points):
        reasons = space.violations(point, partial=True)
        if reasons:
            raise ValueError(f"points[{index}] is {point}: {'; '.join(reasons)}")
    if sampler == "grid":
        _check_grid(arm, space)
    elif arm.grid is not None:
        raise ValueError("grid is given, but search.sampler is not grid; set it or remove the grid")


def _check_further(space: SearchSpace, settings: TrialSettings) -> None:
    for path in further(space.derived):
        if path.split(".")[0] in PROTOCOL:
            raise ValueError(
                f"further has {path}, which says what the score means, and trials whose scores mean "
                "different things cannot be compared; fix it in trial, and ask of another value in another "
                "study"
            )
    name = settings.score_name
    for sample in space.corners():
        searched = further(space.derive(sample))
        found = with_parameters(settings, searched).score_name
        if found != name:
            raise ValueError(
                f"further: with {searched} the score is {found} and not {name}; search only settings "
                "that leave the score what it is"
            )


def _check_grid(arm: Arm, space: SearchSpace) -> None:
    if arm.grid is None or set(arm.grid) != set(space.distributions):
        raise ValueError(
            f"search.sampler is grid, so grid must list values for {', '.join(space.distributions)}"
        )
    for name, values in arm.grid.items():
        if not values:
            raise ValueError(f"grid.{name} is empty; list at least one value")
        for value in values:
            reasons = space.violations({name: value}, partial=True)
            if reasons:
                raise ValueError(f"grid.{reasons[0]}")
    for index, point in enumerate(arm.points):
        lacking = [name for name in space.distributions if name not in point]
        if lacking:  # Optuna's grid samples no single value
            raise ValueError(
                f"points[{index}] is {point}; with search.sampler grid it must also give "
                f"{', '.join(lacking)}"
            )
    size = math.prod(len(values) for values in arm.grid.values())
    if arm.trials > size:
        raise ValueError(f"trials is {arm.trials}, but the grid has only {counted(size, 'points')}")
