"""Shifts of whole groups of points in a Gaussian process: how likely they are, and an average over both."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from study.surface.gaussian import SHIFT, Process
from study.surface.observations import Array
from study.surface.threads import one_thread

_THIRDS = np.asarray([-0.967, 0.0, 0.967])
"""The medians of the thirds of a standard normal distribution."""


@one_thread()
def shift_factor(processes: list[Process]) -> float:
    """How many times likelier what was seen is with shifts than without: the Bayes factor.

    Args:
        processes: From :func:`posterior`, without shifts.
    """
    # The mean, over the posterior without, of the ratio of the likelihoods; of the logarithms' size.
    ratios = [each.with_shift(SHIFT[0]).log_likelihood - each.log_likelihood for each in processes]
    return float(np.exp(min(logsumexp(ratios) - np.log(len(ratios)), 300.0)))


@one_thread()
def perhaps_shifted(processes: list[Process]) -> list[Process]:
    """Processes with shifts and without, as many of each as what was seen says: an average over both models.

    Before anything is seen shifts are as likely as none, and have their prior. So a process without counts
    1, and one with a shift by how many times likelier that makes what was seen (Hoeting et al. 1999, Eq. 1,
    with the other hyperparameters of the model without).

    Args:
        processes: From :func:`posterior`, without shifts.

    Returns:
        As many, of which some have shifts.
    """
    shifts = SHIFT[0] * np.exp(SHIFT[1] * _THIRDS)
    every = [*processes, *(each.with_shift(shift) for shift in shifts for each in processes)]
    weights = _weights(np.asarray([each.log_likelihood for each in every]), len(processes))
    return [every[place] for place in _evenly(weights, len(processes))]


def _weights(likelihoods: Array, without: int) -> Array:
    """What each process counts, in all 1: the first so many have no shift, the others each a shift.

    Args:
        likelihoods: Logarithms, of the processes without shifts and then of as many with each shift.
        without: How many have none.
    """
    times = len(likelihoods) // without - 1
    weights = likelihoods - np.tile(likelihoods[:without], times + 1)
    weights[without:] -= np.log(times)
    return np.asarray(np.exp(weights - logsumexp(weights)))


def _evenly(weights: Array, count: int) -> NDArray[np.int64]:
    """So many places at even distances along the weights: nothing is left to chance."""
    return np.searchsorted(np.cumsum(weights), (np.arange(count) + 0.5) / count)
