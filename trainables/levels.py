"""A score with its noise, and its levels: the floor, what real data score, and the ceiling, of nothing.

Between them a score says how much of the way from nothing to real a generator has come. One that is not
clearly below the ceiling says that nothing was learnt: noise, or one grey picture, would score as well.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

FLOOR, FLOOR_NOISE, CEILING = "score_floor", "score_floor_noise", "score_ceiling"
"""The metrics of an evaluation that hold the levels of its score."""

CLEARLY = 3.0
"""How many times its noise a score must lie below the ceiling to be clearly below it."""

LEAST_SHARE = 0.05
"""Part of the way from the ceiling to the floor that it must have come as well: pictures of nothing of
another kind than those that were scored differ by about so much."""


@dataclass(frozen=True)
class Score:
    """A score as a scorer yields it: of generated samples or of real ones, a distance or another number.

    Attributes:
        value: The score; lower is better.
        noise: Standard deviation of the value: over redrawn samples, or of real data from one set of them to
            another. An evaluation's is at least that of real data: no difference below it means anything.
        metrics: Further measures of the same samples.

    Examples:
        >>> Score(12.5, 0.3).to_json()
        {'value': 12.5, 'noise': 0.3}
    """

    value: float
    noise: float
    metrics: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values of value and noise: what is kept of real data's."""
        return {"value": self.value, "noise": self.noise}


@dataclass(frozen=True, kw_only=True)
class Levels:
    """What a score can be seen against.

    Attributes:
        floor: Mean score of real data; None if it is not known (given statistics, an old record).
        ceiling: Lowest score of pictures of nothing; None if it is not known, or there is none (games).

    Examples:
        >>> faces = Levels(floor=540.0, ceiling=3493.0)
        >>> f"{faces.share(3239.0):.3f}", faces.learnt(3239.0, noise=20.0), faces.learnt(3533.0)
        ('0.086', True, False)
    """

    floor: float | None = None
    ceiling: float | None = None

    @classmethod
    def of(cls, metrics: Mapping[str, float]) -> Self:
        """Takes the levels from the metrics of an evaluation; what is not there is not known."""
        return cls(floor=metrics.get(FLOOR), ceiling=metrics.get(CEILING))

    @property
    def tell(self) -> bool:
        """Whether the score tells real data from pictures of nothing, as far as that is known.

        A score of a user's own may not (one that says how dark an image is, say): then nothing is concluded.
        """
        if self.ceiling is None:
            return False
        return self.floor is None or self.floor < self.ceiling

    def share(self, score: float | None) -> float | None:
        """The part of the way from the ceiling (0) to the floor (1) that a score has come.

        Below 0 it is worse than the ceiling, above 1 better than real data; None where a level is not known.
        """
        if score is None or self.floor is None or self.ceiling is None or not self.tell:
            return None
        return (self.ceiling - score) / (self.ceiling - self.floor)

    def learnt(self, score: float, noise: float = 0.0, spread: float = 0.0) -> bool:
        """Whether a score is clearly below the ceiling; True where that cannot be told.

        Args:
            score: The score.
            noise: Its standard deviation over redrawn samples.
            spread: Standard deviation over seeds, where it is the mean of several.
        """
        return not self.tell or score < self.needed(noise, spread)

    def needed(self, noise: float = 0.0, spread: float = 0.0) -> float:
        """The score below which something was learnt; +inf where that cannot be told."""
        if self.ceiling is None or not self.tell:
            return math.inf
        way = 0.0 if self.floor is None else LEAST_SHARE * (self.ceiling - self.floor)
        return self.ceiling - max(math.hypot(CLEARLY * noise, spread), way)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"floor": self.floor, "ceiling": self.ceiling}


UNKNOWN = Levels()
"""Where neither is known."""


def lowest(levels: list[Levels]) -> Levels:
    """The levels of a study from those of its trials: networks of another kind begin at another score."""
    floors = [each.floor for each in levels if each.floor is not None]
    ceilings = [each.ceiling for each in levels if each.ceiling is not None]
    return Levels(floor=min(floors, default=None), ceiling=min(ceilings, default=None))


@dataclass(frozen=True, kw_only=True)
class Measured:
    """The levels of a score with what they were measured on.

    Attributes:
        name: Name of the score.
        floor: Mean score of real data; None if they are not there (given statistics).
        floor_noise: Standard deviation of that from one set of real data to another.
        nothing: Score of each kind of samples of nothing, by what they are; None for one that has none.

    Examples:
        >>> print(Measured(name="fd", floor=5.0, nothing={"noise": 90.0, "grey": 80.0}))
        fd: real data score 5, and what is not clearly below 80 is no better than nothing (grey 80, noise 90)
    """

    name: str
    floor: float | None
    nothing: Mapping[str, float | None]
    floor_noise: float = 0.0

    @property
    def levels(self) -> Levels:
        """The floor, and the ceiling, which is the lowest of nothing.

        A score by which real data are not clearly better than nothing (how dark an image is, say) has no
        ceiling: it does not tell what is learnt.
        """
        known = [score for score in self.nothing.values() if score is not None]
        least = min(known, default=None)
        if least is None or self.floor is None:
            return Levels(floor=self.floor, ceiling=least)
        tells = self.floor + CLEARLY * self.floor_noise < least
        return Levels(floor=self.floor, ceiling=least if tells else None)

    @property
    def metrics(self) -> dict[str, float]:
        """The levels as metrics of an evaluation."""
        found = {FLOOR: self.levels.floor, CEILING: self.levels.ceiling}
        return {name: level for name, level in found.items() if level is not None}

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"name": self.name, **self.levels.to_json(), "nothing": dict(self.nothing)}

    def __str__(self) -> str:
        """One sentence, without its full stop."""
        known = {what: score for what, score in self.nothing.items() if score is not None}
        listed = ", ".join(
            f"{what} {known[what]:.4g}" for what in sorted(known, key=lambda w: known[w])
        )
        left_out = "".join(f"; {what} has no score" for what in self.nothing if what not in known)
        real = "" if self.floor is None else f"real data score {self.floor:.4g}"
        if not known:
            return f"{self.name}: {real or 'no level is known'}{left_out}"
        if self.levels.ceiling is None:
            doubt = f"not clearly lower than nothing ({listed}), so it does not tell what is learnt"
            return f"{self.name}: {real}, {doubt}{left_out}"
        nothing = f"what is not clearly below {self.levels.ceiling:.4g} is no better than nothing ({listed})"
        return f"{self.name}: {real and f'{real}, and '}{nothing}{left_out}"
