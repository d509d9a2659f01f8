"""The functions that take a trial's generator home, or train a trial once more."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from study.api.sites import Locations, subject_of
from study.trial import TrialRecord

if TYPE_CHECKING:
    import numpy as np


def export(
    name: str,
    trial: str | None = None,
    folder: str | Path | None = None,
    *,
    last: bool = False,
    home: str | None = None,
    places: Locations | None = None,
) -> Path:
    """Writes the generator that a trial kept, with code that runs without this product; returns the folder.

    Args:
        name: The study.
        trial: ``ARM/NUMBER``; None: the one with the lowest score.
        folder: Where the files go; None: ``NAME-ARM-NUMBER``.
        last: The generator of its last evaluation, not of its best.
        home: Folder of local state.
        places: Locations by name.

    Examples:
        >>> study.export("quickstart", folder="generator")  # doctest: +SKIP
        PosixPath('generator')
    """
    from study.driver import giving

    found = subject_of(name, trial, home, places)[0]
    where = Path(folder or f"{name}-{found.trial.arm}-{found.trial.number}")
    giving.export(found, where, "last" if last else "best")
    return where


def sample(
    name: str,
    trial: str | None = None,
    *,
    count: int = 64,
    seed: int = 0,
    last: bool = False,
    home: str | None = None,
    places: Locations | None = None,
) -> np.ndarray | list[str]:
    """Draws from the generator that a trial kept.

    Args:
        name: The study.
        trial: ``ARM/NUMBER``; None: the one with the lowest score.
        count: How many samples.
        seed: Which latents; 0 are those of every score.
        last: The generator of its last evaluation, not of its best.
        home: Folder of local state.
        places: Locations by name.

    Returns:
        Images, uint8, (count, height, width, channels), or lines of text.

    Examples:
        >>> study.sample("quickstart", count=16, seed=1).shape  # doctest: +SKIP
        (16, 8, 8, 1)
    """
    import numpy as np

    taken = subject_of(name, trial, home, places)[0].taken("last" if last else "best")
    if not taken.of_images:
        return taken.lines(count, seed)
    batches = taken.images(count, seed)
    return np.concatenate([batch.permute(0, 2, 3, 1).cpu().numpy() for batch in batches])


def train(
    name: str,
    trial: str | None = None,
    folder: str | Path | None = None,
    *,
    seed: int | None = None,
    steps: int | None = None,
    from_weights: bool = False,
    home: str | None = None,
    places: Locations | None = None,
) -> TrialRecord:
    """Trains one trial once more, in this process and in a folder of its own; the study is not changed.

    Args:
        name: The study.
        trial: ``ARM/NUMBER``; None: the one with the lowest score.
        folder: Where it is trained; None: ``NAME-ARM-NUMBER-again``. What was cut off there goes on.
        seed: Another one than the trial's.
        steps: Another number of generator updates.
        from_weights: Begin with the generator that the trial kept; the discriminator begins afresh.
        home: Folder of local state.
        places: Locations by name.

    Examples:
        >>> study.train("quickstart", "two_timescale/3", seed=7, steps=1000).score  # doctest: +SKIP
    """
    from study.driver import again

    found, site = subject_of(name, trial, home, places)
    where = Path(folder or f"{name}-{found.trial.arm}-{found.trial.number}-again")
    cache = site.places.cache
    return again.train(
        found, where, cache, lambda _: None, seed=seed, steps=steps, from_weights=from_weights
    )
