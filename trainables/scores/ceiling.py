"""The levels of a score, measured once per node: what real samples and what samples of nothing score.

What the best picture of nothing scores is the ceiling of a score: a generator that is not clearly below it
has learnt nothing that the score can see. These are images as a generator makes them that has learnt no more
than colours and brightness. All share something with the real images, as one that was trained for a moment
does: their brightness, their colours, their mean.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from trainables.data import store
from trainables.levels import Measured, Score
from trainables.scores.scorer import Sampler

LAYOUT = 1
"""Changes when levels are measured otherwise, so that those of before are not taken for them."""

UNTRAINED = "an untrained generator"
"""What one kind of samples of nothing is, whatever is generated."""

Scored = Callable[[], float]
"""Scores samples of one kind."""


def levels_path(cache: Path, key: Any) -> Path:
    """Where levels are kept.

    Args:
        cache: Folder of this node.
        key: A JSON value: all that they depend on and that is known without a network.
    """
    return cache / "statistics" / f"levels-{store.digest([LAYOUT, key])[:16]}.json"


def measured(
    path: Path,
    name: str,
    facts: Mapping[str, str],
    floor: Callable[[], Score | None],
    nothing: Callable[[], Mapping[str, Scored]],
) -> Measured:
    """Reads the levels that are kept, or measures and keeps them; one process does while others wait.

    Args:
        path: Where they are kept.
        name: Name of the score.
        facts: What a score depends on besides its name; kept levels of other facts are measured anew.
        floor: Scores real samples.
        nothing: Gives, for each kind of samples of nothing, what scores it; one that gives no finite number
            is left out.
    """

    def measure() -> dict[str, Any]:
        real = floor()
        return {
            "facts": dict(facts),
            "name": name,
            "floor": None if real is None else real.value,
            "floor_noise": 0.0 if real is None else real.noise,
            "nothing": {what: _finite(score) for what, score in nothing().items()},
        }

    def parse(kept: dict[str, Any]) -> Measured:
        if kept["facts"] != dict(facts):
            raise ValueError("of other facts")
        return _parsed(kept)

    return store.remembered(path, measure, parse)


def kept(path: Path) -> Measured | None:
    """The levels that were measured already; None if they were not."""
    try:
        return _parsed(store.read_json(path))
    except (OSError, ValueError, TypeError, LookupError):
        return None


def _parsed(kept: Mapping[str, Any]) -> Measured:
    return Measured(
        name=kept["name"],
        floor=kept["floor"],
        floor_noise=kept["floor_noise"],
        nothing=dict(kept["nothing"]),
    )


def _finite(score: Scored) -> float | None:
    value = score()
    return value if math.isfinite(value) else None


LOOKED_AT = 5_000
"""Real images, evenly spread, from which colours and means are taken."""

_BATCH = 500
_BLOT, _MOST_BLOTS = 8, 4
"""Pixels across a blot of smooth noise at least, and blots a side at most."""


@dataclass(frozen=True)
class _Real:
    """What is taken from the real images.

    Attributes:
        some: At most 5,000 of them, (N, H, W, C) uint8.
        mean: Their mean, (H, W, C).
        colours: Mean colour of each, (N, C).
        spread: Standard deviation of all their values.
    """

    some: np.ndarray
    mean: np.ndarray
    colours: np.ndarray
    spread: float


_Draw = Callable[[_Real, int, np.random.Generator], np.ndarray]


def pictures(images: np.ndarray) -> dict[str, Sampler]:
    """Samplers of pictures of nothing by what they show; the same draw gives the same pictures.

    Args:
        images: The real ones, uint8, N x H x W x C; they are read once, here.
    """
    step = max(1, len(images) // LOOKED_AT)
    some = np.ascontiguousarray(images[::step][:LOOKED_AT])
    real = _Real(
        some=some,
        mean=some.mean(axis=0),
        colours=some.mean(axis=(1, 2)),
        spread=float(some.std()),
    )
    return {
        name: _sampler(draw, real, place) for place, (name, draw) in enumerate(_PICTURES.items())
    }


def _sampler(draw_some: _Draw, real: _Real, place: int) -> Sampler:
    def sample(draw: int, count: int) -> Iterator[torch.Tensor]:
        random = np.random.default_rng([draw, place])
        for start in range(0, count, _BATCH):
            made = draw_some(real, min(_BATCH, count - start), random)
            pixels = np.clip(np.rint(made), 0, 255).astype(np.uint8)
            yield torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)))

    return sample


def _uniform(real: _Real, count: int, random: np.random.Generator) -> np.ndarray:
    """Every value of every pixel is drawn from 0 to 255."""
    return random.integers(256, size=(count, *real.mean.shape))


def _scrambled(real: _Real, count: int, random: np.random.Generator) -> np.ndarray:
    """Each pixel comes from a real image of its own: right each for itself, but not together."""
    height, width, _ = real.mean.shape
    which = random.integers(len(real.some), size=(count, height, width))
    rows, columns = np.mgrid[:height, :width]
    found: np.ndarray = real.some[which, rows, columns]
    return found


def _smooth(real: _Real, count: int, random: np.random.Generator) -> np.ndarray:
    """Blots of light and colour, as many as the real images differ, about their mean."""
    height, width, channels = real.mean.shape
    side = max(2, min(_MOST_BLOTS, height // _BLOT))
    blots = random.standard_normal((count, channels, side, side))
    size = (height, width)
    wide = F.interpolate(torch.from_numpy(blots), size=size, mode="bilinear").numpy()
    wide *= real.spread / wide.std()
    made: np.ndarray = real.mean + wide.transpose(0, 2, 3, 1)
    return made


def _plain(real: _Real, count: int, random: np.random.Generator) -> np.ndarray:
    """One colour each, the mean of a real image: grey where these are grey."""
    colours = real.colours[random.integers(len(real.colours), size=count)]
    return np.broadcast_to(colours[:, None, None, :], (count, *real.mean.shape))


def _mean(real: _Real, count: int, random: np.random.Generator) -> np.ndarray:
    """The mean of the real images, as bright or dark as one of them."""
    colours = real.colours[random.integers(len(real.colours), size=count)]
    shift = colours - real.colours.mean(axis=0)
    made: np.ndarray = real.mean + shift[:, None, None, :]
    return made


_PICTURES: dict[str, _Draw] = {
    "uniform noise": _uniform,
    "scrambled pixels": _scrambled,
    "smooth noise": _smooth,
    "plain colours": _plain,
    "the mean image, brighter or darker": _mean,
}
