"""A score of a user's own: ``score: {own: package.module:function}``, and what it must keep to.

The function is called with the generated images, an iterator of uint8 batches (B, C, H, W) on the trial's
device that add up to ``samples``, and returns one number; lower is better. It looks at all of them, and
gives the same number of the same images, so that trials can be compared and a resumed one repeats what it
had. Inside, torch's global stream starts at the same place at every evaluation, and that of the trial is not
touched.

    def darkness(batches):
        images = torch.cat(list(batches))
        return 255 - images.float().mean()
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np
import torch
from torch import Tensor

from trainables.devices import own_random_numbers
from trainables.levels import Score
from trainables.own_code import called, code_sha256, described, loaded, of_the_moment
from trainables.plain import number
from trainables.scores.scorer import Sampler
from trainables.settings.score import OwnScoreSettings

_PROBE = 64
"""Images that a score is tried on, at most."""

_BATCH = 24
"""Images of a batch of them: the last is a smaller one."""


class OwnScorer:
    """Scores generators by a user's own function.

    Attributes:
        name: Name of the score.

    Raises:
        ValueError: The function cannot be imported or called.
    """

    def __init__(self, settings: OwnScoreSettings, name: str) -> None:
        self.name = name
        self._settings = settings
        self._what = f"score.own {settings.own}"
        self._function = loaded("score.own", settings.own, "a number to minimise")

    @property
    def facts(self) -> Mapping[str, str]:
        """What a score depends on besides its name: the function, and its file's SHA-256 if it has one."""
        facts = {"score_name": self.name, "own": self._settings.own}
        sha256 = code_sha256(self._function)
        return {**facts, "own_code_sha256": sha256} if sha256 else facts

    def evaluate(self, sampler: Sampler, draw: int = 0) -> Score:
        """Scores what the sampler yields; what the function raises is raised.

        Args:
            sampler: Gives the generated images.
            draw: Which set of z; 0 is the fixed one.

        Raises:
            ValueError: The function returned what is not a number.
        """
        draws = range(draw, draw + max(1, self._settings.noise_draws))
        values = [
            _number(self._what, self._given(sampler(each, self._settings.samples), each))
            for each in draws
        ]
        # One that is not finite is said by the trial, and its spread is not asked for.
        spread = len(values) > 1 and all(map(math.isfinite, values))
        return Score(values[0], float(np.std(values, ddof=1)) if spread else _last_bad(values))

    @property
    def floor(self) -> Score | None:
        """Not known to the function, which has no real images."""
        return None

    def level(self, sampler: Sampler) -> float:
        """What the function gives of one draw of samples; NaN of such as it cannot score.

        Args:
            sampler: Gives them.
        """
        try:
            return _number(self._what, self._given(sampler(0, self._settings.samples)))
        except Exception as error:  # one colour everywhere, say, has no spread to divide by
            if of_the_moment(error):
                raise
            return math.nan

    def of_fewer(self, samples: int) -> OwnScorer:
        """The same function of the samples of early evaluations."""
        fewer = self._settings.model_copy(update={"samples": samples, "early": None})
        return OwnScorer(fewer, self.name)

    def check(self, image: tuple[int, ...], device: str = "cpu") -> None:
        """Tries the function on a few images of noise.

        Args:
            image: Channels, height and width of an image.
            device: Where the images are.

        Raises:
            ValueError: It raises, does not look at all images, or does not give one finite number, the same
                one of the same images; the message says what and how.
        """
        stream = torch.Generator().manual_seed(0)
        count = min(_PROBE, self._settings.samples)
        noise = torch.randint(256, (count, *image), generator=stream, dtype=torch.uint8)
        value, again = (self._tried(noise.to(device)) for _ in range(2))
        if not math.isfinite(value):
            raise ValueError(
                f"{self._what} is {value} of {count} images of noise; it must be a finite number"
            )
        if value != again:
            raise ValueError(
                f"{self._what} gave {value:.9g} and then {again:.9g} of the same images; it must give "
                "one number, so that trials can be compared (torch's random numbers are fixed)"
            )

    def _tried(self, images: Tensor) -> float:
        batches = iter([images[at : at + _BATCH] for at in range(0, len(images), _BATCH)])
        shape = f"uint8 ({_BATCH}, {', '.join(map(str, images.shape[1:]))})"
        given = called(f"{self._what}, called with batches {shape},", self._given, batches)
        value = _number(self._what, given)
        if next(batches, None) is not None:
            raise ValueError(
                f"{self._what} did not look at all the batches; let it, since the score's name "
                "says of how many images it is"
            )
        return value

    def _given(self, batches: Iterable[Tensor], draw: int = 0) -> object:
        with torch.no_grad(), own_random_numbers(draw):
            return self._function(iter(batches))


def _number(what: str, value: object) -> float:
    """A plain float of a number of Python, NumPy or torch."""
    found = number(value)
    if found is None:
        shape = getattr(value, "shape", None)
        of = f" of shape {tuple(shape)}" if shape else ""
        raise ValueError(f"{what} returned {described(value)}{of}; it must return one number")
    return float(found)


def _last_bad(values: list[float]) -> float:
    """The noise of a single value, which counts as exact, or of values of which one is not finite."""
    return next((value for value in values if not math.isfinite(value)), 0.0)
