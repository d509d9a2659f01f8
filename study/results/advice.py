"""The next step: the trial that would tell most of a difference, and how many would halve its interval."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from study.results.difference import ArmDifference, difference
from study.surface.observations import Array
from study.surface.surface import Surface

COUNTED = 200
"""Further trials up to which is counted."""


def advised(surface: Surface, arms: tuple[str, str]) -> ArmDifference:
    """The difference of two arms' best settings by a surface, with what would tell more of it."""
    candidate = telling(surface, arms)
    return replace(
        difference(surface, arms),
        next_arm=surface.arms[surface.of[candidate]],
        next_setting=surface.setting(candidate),
        more=halving(surface, arms),
    )


def telling(surface: Surface, arms: tuple[str, str]) -> int:
    """The candidate whose trial would tell most of the difference of two arms' best settings."""
    draws = _with_difference(surface, arms)
    return int(np.argmax(_told(np.cov(draws, rowvar=False), surface.noise**2)))


def halving(surface: Surface, arms: tuple[str, str]) -> int | None:
    """About how many more trials would halve the interval of the difference of two arms' best settings.

    Each is put where it tells most. The draws are taken as normal, so that what a trial takes off their
    covariance does not depend on its score; new settings that the trials may bring up are not counted.

    Returns:
        The number, or None if it is more than :data:`COUNTED`.
    """
    covariance = np.cov(_with_difference(surface, arms), rowvar=False)
    noise, wanted = surface.noise**2, covariance[-1, -1] / 4
    for trials in range(1, COUNTED + 1):
        best = int(np.argmax(_told(covariance, noise)))
        column = covariance[:, best]
        covariance = covariance - np.outer(column, column) / (column[best] + noise)
        if covariance[-1, -1] <= wanted:
            return trials
    return None


def _with_difference(surface: Surface, arms: tuple[str, str]) -> Array:
    """The draws at the two arms' candidates, and as a last column the difference, shape (draws, m + 1)."""
    one, two = (surface.draws[:, surface.found(arm)] for arm in arms)
    groups = [surface.arms.index(arm) for arm in arms]
    draws = np.where(np.isin(surface.of, groups), surface.draws, surface.draws.mean(0))
    return np.column_stack([draws, two - one])


def _told(covariance: Array, noise: float) -> Array:
    """What a trial at each candidate would take off the variance of the difference."""
    candidates: Array = covariance[:-1, -1] ** 2 / (np.diag(covariance)[:-1] + noise)
    return candidates
