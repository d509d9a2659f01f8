"""The settings of early evaluations, which cost less than those that are scores."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from trainables.settings.base import Settings


class EarlySettings(Settings):
    """Early evaluations: of fewer samples, so that they cost less; see docs/decisions/samples.md."""

    samples: int = Field(ge=8, description="Generated samples of an early evaluation.")
    until: int = Field(
        ge=1,
        description="The last step whose evaluation is an early one, in generator updates. A trial's last "
        "evaluation never is.",
    )

    def check(self, samples: int) -> None:
        """Refuses early evaluations that are as dear as the others, of so many samples.

        Raises:
            ValueError: They have as many.
        """
        if self.samples >= samples:
            raise ValueError(
                f"early.samples is {self.samples}, which is not below samples ({samples}); lower it or "
                "remove early"
            )


Early = Annotated[
    EarlySettings | None,
    Field(
        description="Takes fewer samples in the evaluations up to a step: `{samples, until}`. Such ones are "
        "not scores: they are compared with each other alone, to stop trials that would not be the best; "
        "null: all evaluations are alike."
    ),
]
"""Which evaluations of a trial take fewer samples."""
