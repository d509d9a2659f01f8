"""The real side of a score: its moments, its factor and its features, computed once per node.

They are kept under a fingerprint of (prepared pixels, extractor with its weights and preprocessing)
in the ``.npz`` layout of TTUR and pytorch-fid (``mu``, ``sigma``; further keys are ours), which can
therefore be read by other tools as it is. The features and the factor of sigma lie beside it and are
mapped into memory.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.linalg

from trainables.data import store
from trainables.data.arrays import read_arrays
from trainables.data.errors import DataError
from trainables.data.images import ImageData
from trainables.data.store import Progress, Report, silent
from trainables.levels import Score
from trainables.scores import frechet
from trainables.scores.extractor import Extractor, as_batches, extract_parts

LAYOUT = 1
KEPT = 50_000
"""Real features kept for the measures that need them: these many, chosen at random once."""
DRAWS = 5
"""Sets of real data that the floor is the mean score of."""
ROUNDING = 1e-4
"""Relative to the largest value: statistics are published in float32, too."""


@dataclass(frozen=True)
class RealStatistics:
    """The real side of a score.

    Attributes:
        fingerprint: Identity of the data and the extractor it was computed from.
        reference: Mean and covariance of all real features, the latter as its factor alone, which
            is a read-only memory map that the trials on a node share.
        features: Features of at most 50,000 real images in random order (N, d), float32; None if
            only the moments are known.
    """

    fingerprint: str
    reference: frechet.Reference
    features: np.ndarray | None


def real_statistics(
    extractor: Extractor, data: ImageData, batch_size: int, cache: Path, report: Report = silent
) -> RealStatistics:
    """Reads the statistics of real images from the cache, or computes them and keeps them.

    Args:
        extractor: Whose features.
        data: The real images, all of which are used.
        batch_size: Images that go through the extractor at once.
        cache: Folder of this node; one process computes while others wait for it.
        report: Told how far a computation is.
    """
    fingerprint = store.digest([LAYOUT, data.fingerprint, extractor.identity])
    path = statistics_path(cache, fingerprint)
    with store.locked(path):
        found = _read(path, fingerprint)
        if found is None:
            computed = _compute(extractor, data, batch_size, report)
            _write(path, fingerprint, *computed)
            found = _read(path, fingerprint)
    if found is None:
        raise DataError(f"statistics cannot be kept in {path.parent}; check the disk")
    return found


def statistics_path(cache: Path, fingerprint: str) -> Path:
    """Where the statistics with this fingerprint are kept."""
    return cache / "statistics" / f"{fingerprint[:16]}.npz"


def given_statistics(file: Path, extractor: str, features: int, cache: Path) -> RealStatistics:
    """Reads published statistics: an .npz with ``mu`` (d,) and ``sigma`` (d, d).

    Args:
        file: The file.
        extractor: Name of the extractor whose features are compared with them.
        features: How many features that has (d).
        cache: Folder of this node, where the factor of sigma is kept under a hash of both arrays.

    Raises:
        DataError: The file is missing, damaged, or holds no mean and covariance of d features.
    """
    moments = _read_moments(file, extractor, features)
    fingerprint = _hash(moments)
    path = statistics_path(cache, fingerprint)
    with store.locked(path):
        reference = _read_reference(path, moments)
        if reference is None:
            _refuse(file, _problem_of_spread(moments.covariance))
            reference = _write_reference(path, moments)
    return RealStatistics(fingerprint, reference, None)


def real_floor(real: RealStatistics, samples: int, cache: Path) -> Score | None:
    """The lowest score that can be expected: what a generator that drew from the real images would score.

    The mean over 5 sets of ``samples`` real images drawn with replacement: such a generator is
    perfect, and its score is above 0 only because ``samples`` is finite. Of a set of more than
    50,000 images it is drawn from the 50,000 kept ones.

    Returns:
        The floor, computed once per node; None if only the moments of the real side are known.
    """
    if real.features is None:
        return None
    path = cache / "statistics" / f"{real.fingerprint[:16]}-floor-{samples}.json"
    features = real.features
    return store.remembered(
        path,
        lambda: _floor(real.reference, features, samples).to_json(),
        lambda kept: Score(**kept),
    )


def floor_of(values: list[float]) -> Score:
    """The floor from the scores of at least 2 sets of real data: their mean and standard deviation."""
    return Score(float(np.mean(values)), float(np.std(values, ddof=1)))


def check_statistics(file: Path, extractor: str, features: int, cache: Path) -> None:
    """Refuses what :func:`given_statistics` would refuse; writes nothing."""
    moments = _read_moments(file, extractor, features)
    if _read_reference(statistics_path(cache, _hash(moments)), moments) is None:
        _refuse(file, _problem_of_spread(moments.covariance))


def _complaint(file: Path) -> str:
    return f"score.statistics is {str(file)!r}, "


def _refuse(file: Path, problem: str | None) -> None:
    """Raises what is wrong with the arrays of a file, if anything is."""
    if problem is not None:
        raise DataError(f"{_complaint(file)}with {problem}; compute mu and sigma anew")


def _read_moments(file: Path, extractor: str, features: int) -> frechet.Moments:
    complaint = _complaint(file)
    found = read_arrays(file, f"{complaint}which cannot be read as an .npz with mu and sigma")
    if isinstance(found, np.ndarray) or not {"mu", "sigma"} <= set(found):
        held = "one array without a name" if isinstance(found, np.ndarray) else ", ".join(found)
        raise DataError(
            f"{complaint}which holds {held or 'nothing'}; write an .npz with mu and sigma"
        )
    _refuse(file, _problem(found["mu"], found["sigma"], extractor, features))
    return frechet.Moments(found["mu"].astype(np.float64), found["sigma"].astype(np.float64))


def _problem(mu: np.ndarray, sigma: np.ndarray, extractor: str, features: int) -> str | None:
    """What is wrong with given arrays at first sight; None if nothing is."""
    for name, array in (("mu", mu), ("sigma", sigma)):
        if not (np.issubdtype(array.dtype, np.floating) or np.issubdtype(array.dtype, np.integer)):
            return f"{name} of type {array.dtype}, where real numbers are needed"
    if mu.ndim != 1 or mu.size == 0 or sigma.shape != (mu.size, mu.size):
        return f"mu of shape {mu.shape} and sigma of shape {sigma.shape}, where (d,) and (d, d) are needed"
    if mu.size != features:
        return (
            f"mu and sigma of {mu.size} features, where score.extractor {extractor} has {features}"
        )
    for name, array in (("mu", mu), ("sigma", sigma)):
        if not np.isfinite(array).all():
            return f"a value in {name} that is not finite"
    return None


def _problem_of_spread(covariance: np.ndarray) -> str | None:
    """Why a matrix cannot be a covariance, with rounding in float32 allowed for; None if it can."""
    largest = np.abs(covariance).max()
    if largest == 0:
        return "a sigma of zeros, which is not a spread to compare with"
    if np.abs(covariance - covariance.T).max() > ROUNDING * largest:
        return "a sigma that is not symmetric"
    values = scipy.linalg.eigvalsh(covariance)
    if values[0] < -ROUNDING * np.abs(values).max():
        return f"a sigma that is not a covariance (its smallest eigenvalue is {values[0]:.3g})"
    return None


def _hash(moments: frechet.Moments) -> str:
    total = hashlib.sha256(repr(moments.covariance.shape).encode())
    for array in (moments.mean, moments.covariance):
        total.update(np.ascontiguousarray(array).data)
    return total.hexdigest()


def _beside(path: Path, what: str) -> Path:
    return path.with_name(f"{path.stem}-{what}.npy")


def _read(path: Path, fingerprint: str) -> RealStatistics | None:
    """Reads the cache; None if there is nothing, or something damaged or of other data."""
    try:
        found = read_arrays(path)
        features = read_arrays(_beside(path, "features"))
    except DataError:
        return None
    if isinstance(found, np.ndarray) or str(found.get("fingerprint")) != fingerprint:
        return None
    if not isinstance(features, np.ndarray):
        return None
    moments = frechet.Moments(found["mu"], found["sigma"])
    reference = _read_reference(path, moments) or _write_reference(path, moments)
    return RealStatistics(fingerprint, reference, features)


def _read_reference(path: Path, moments: frechet.Moments) -> frechet.Reference | None:
    """Maps the factor that is kept beside statistics, so that all trials on a node share it."""
    try:
        root = read_arrays(_beside(path, "root"))
    except DataError:
        return None
    if not isinstance(root, np.ndarray) or root.dtype != np.float64 or root.ndim != 2:
        return None
    if len(root) != moments.mean.size:
        return None
    return frechet.Reference(moments.mean, root, float(np.trace(moments.covariance)))


def _write_reference(path: Path, moments: frechet.Moments) -> frechet.Reference:
    root = frechet.reference(moments).root
    store.write_atomically(_beside(path, "root"), lambda file: np.save(file, root))
    found = _read_reference(path, moments)
    if found is None:
        raise DataError(f"statistics cannot be kept in {path.parent}; check the disk")
    return found


def _floor(reference: frechet.Reference, features: np.ndarray, samples: int) -> Score:
    random = np.random.default_rng(0)
    values = [
        frechet.distance(reference, features[random.integers(len(features), size=samples)])
        for _ in range(DRAWS)
    ]
    return floor_of(values)


def _compute(
    extractor: Extractor, data: ImageData, batch_size: int, report: Report
) -> tuple[frechet.Moments, np.ndarray]:
    """Moments of all features, and the features that are kept; not all features at once."""
    total = frechet.MomentSum()
    chosen = np.zeros(len(data.images), dtype=bool)
    chosen[np.random.default_rng(0).permutation(len(chosen))[:KEPT]] = True
    kept: list[np.ndarray] = []
    for part in extract_parts(extractor, as_batches(data.images, batch_size), batch_size):
        kept.append(part.on_host().features[chosen[total.count : total.count + len(part)]])
        before = total.count
        total.add(part.features)
        if store.worth_telling(before, total.count, len(chosen)):
            report(Progress("extracting features of real images", total.count, len(chosen)))
    return total.moments().on_host(), np.random.default_rng(1).permutation(np.concatenate(kept))


def _write(path: Path, fingerprint: str, moments: frechet.Moments, features: np.ndarray) -> None:
    store.write_atomically(_beside(path, "features"), lambda file: np.save(file, features))
    _write_reference(path, moments)
    mu, sigma = moments.mean, moments.covariance
    store.write_atomically(
        path, lambda file: np.savez(file, mu=mu, sigma=sigma, fingerprint=np.array(fingerprint))
    )
