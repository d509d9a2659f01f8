"""Further measures of the same features: kernel distance, classifier score, distance at N = infinity."""

from __future__ import annotations

import numpy as np
import scipy.special

from trainables.scores import frechet

BLOCK = 1000
BLOCKS = 10
SPLITS = 10


def kernel_distance(real: np.ndarray, generated: np.ndarray) -> float:
    """The kernel distance (KID where the features are Inception's; Binkowski et al. 2018).

    The unbiased estimate of MMD^2 with the kernel (x'y / d + 1)^3, averaged over up to 10 disjoint
    blocks of up to 1000 samples; it may be slightly negative.

    Args:
        real: Features (M, d) in random order, M >= 2.
        generated: Features (N, d), N >= 2.
    """
    size = min(BLOCK, len(real), len(generated))
    blocks = min(BLOCKS, len(generated) // size)
    starts = [index % (len(real) // size) * size for index in range(blocks)]
    return float(
        np.mean(
            [
                _mmd(real[start : start + size], generated[index * size : (index + 1) * size])
                for index, start in enumerate(starts)
            ]
        )
    )


def _mmd(one: np.ndarray, other: np.ndarray) -> float:
    one, other = one.astype(np.float64), other.astype(np.float64)
    within = sum(_off_diagonal_mean(_kernel(part, part)) for part in (one, other))
    return within - 2.0 * float(_kernel(one, other).mean())


def _kernel(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    kernel: np.ndarray = (one @ other.T / one.shape[1] + 1.0) ** 3
    return kernel


def _off_diagonal_mean(matrix: np.ndarray) -> float:
    count = len(matrix)
    return float((matrix.sum() - np.trace(matrix)) / (count * (count - 1)))


def classifier_score(logits: np.ndarray) -> float:
    """The Inception Score (Salimans et al. 2016) of any classifier, as the mean of 10 splits.

    The exponential of the mean KL(p(y|x) || p(y)); higher is better, at most the class count. Split i of k
    is from sample i N // k on, as in the authors' code, also where N is not a multiple of k.

    Args:
        logits: (N, classes), N >= 1. With fewer than 10 samples each is a split of its own.
    """
    # In logarithms: a class whose probability underflows everywhere has log p(y) = -1000, not -inf.
    logs = scipy.special.log_softmax(logits.astype(np.float64), axis=1)
    scores = []
    splits = min(SPLITS, len(logs))
    cuts = [index * len(logs) // splits for index in range(1, splits)]
    for part in np.split(logs, cuts):
        probabilities = np.exp(part)
        marginal = scipy.special.logsumexp(part, axis=0) - np.log(len(part))
        with np.errstate(invalid="ignore"):
            terms = np.where(probabilities > 0, probabilities * (part - marginal), 0.0)
        scores.append(float(np.exp(terms.sum(axis=1).mean())))
    return float(np.mean(scores))


def distance_at_infinity(real: frechet.Reference, features: np.ndarray) -> float:
    """The Frechet distance for N -> infinity (Chong and Forsyth 2020).

    E[FD_N] = FD_inf + c / N: a line in 1/N through the mean distances of all disjoint blocks of
    N, N/2 and N/4 samples of the same features, read off at 1/N = 0. The bias is linear in 1/N only
    where a block has clearly more samples than features (below d its covariance has not even full
    rank), so sizes below 2 d are left out.

    Args:
        real: The real side.
        features: (N, d), N / 4 > d.

    Raises:
        ValueError: There are too few samples for two sizes.
    """
    count, d = features.shape
    sizes = [count // parts for parts in (1, 2, 4) if count // parts >= 2 * d]
    if len(sizes) < 2:
        raise ValueError(f"{count} samples of {d} features are too few to extrapolate in 1/N")
    means = [
        np.mean(
            [
                frechet.distance(real, features[start : start + size])
                for start in range(0, len(features) - size + 1, size)
            ]
        )
        for size in sizes
    ]
    _, intercept = np.polyfit(1.0 / np.asarray(sizes), np.asarray(means), 1)
    return float(intercept)
