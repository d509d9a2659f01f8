"""The table of losses: the pairs of what D and what G minimise.

A row names the two functions of ``trainables/gan/losses.py`` (or of any other module), which are imported
when a trial is built.
"""

from __future__ import annotations

from dataclasses import dataclass

HERE = "trainables.gan.losses"


@dataclass(frozen=True)
class LossPair:
    """One row.

    Attributes:
        discriminator: ``module:function`` of D's loss of (scores of real, scores of generated samples).
        generator: ``module:function`` of G's loss of (scores of generated samples).
        bounded: Whether D's loss has a minimum whatever D's slope; if not, a spec must bound the slope.
    """

    discriminator: str
    generator: str
    bounded: bool = True


LOSSES: dict[str, LossPair] = {
    "non_saturating": LossPair(f"{HERE}:cross_entropy_d", f"{HERE}:non_saturating_g"),
    "minimax": LossPair(f"{HERE}:cross_entropy_d", f"{HERE}:minimax_g"),
    "least_squares": LossPair(f"{HERE}:least_squares_d", f"{HERE}:least_squares_g"),
    "hinge": LossPair(f"{HERE}:hinge_d", f"{HERE}:mean_score_g"),
    "wasserstein": LossPair(f"{HERE}:wasserstein_d", f"{HERE}:mean_score_g", bounded=False),
}
"""The losses by the name that a spec uses."""
