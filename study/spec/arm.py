"""An arm of a spec: a search space with a budget, and whether it suits the trial that it is for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from search_spaces.build import build_space
from search_spaces.space import SearchSpace
from trainables.counting import counted
from trainables.kinds import with_parameters
from trainables.settings.base import TrialSettings

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
