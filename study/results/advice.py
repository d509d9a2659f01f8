"""The next step: the trial that would tell most of a difference."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from study.results.difference import ArmDifference, difference
from study.surface.observations import Array
from study.surface.surface import Surface


def advised(surface: Surface, arms: tuple[str, str]) -> ArmDifference:
    """The difference of two arms' best settings by a surface, with what would tell more of it."""
    candidate = telling(surface, arms)
    return replace(
        difference(surface, arms),
        next_arm=surface.arms[surface.of[candidate]],
        next_setting=surface.setting(candidate),
    )


def telling(surface: Surface, arms: tuple[str, str]) -> int:
    """The candidate whose trial would tell most of the difference of two arms' best settings."""
    draws = _with_difference(surface, arms)
    return int(np.argmax(_told(np.cov(draws, rowvar=False), surface.noise**2)))


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
