"""Arithmetic in float64 where features are: NumPy and LAPACK on the host, torch on a device that has float64.

Only what the two spell differently stands here. Operators, ``mean(0)``, ``sum(1)`` and ``trace()`` are the
same for both, so that :mod:`trainables.scores.frechet` is written once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import scipy.linalg
import torch
from torch import Tensor

from trainables.devices import has_float64

Array: TypeAlias = Any
"""``np.ndarray`` on the host, ``Tensor`` on a device: the type checker has no word for what they share."""


EPSILON = float(np.finfo(np.float64).eps)


def placed(features: np.ndarray | Tensor) -> Array:
    """Features where float64 can be computed of them: on their device, else on the host."""
    if isinstance(features, Tensor) and not has_float64(features.device):
        return features.cpu().numpy()
    return features


def beside(values: np.ndarray, other: Array) -> Array:
    """Values of the host where another array is."""
    if isinstance(other, Tensor):
        # Copied, since torch takes no read-only memory map.
        return torch.from_numpy(np.array(values)).to(other.device)
    return values


def on_host(values: Array) -> np.ndarray:
    """Values of either kind as an array of NumPy's."""
    array: np.ndarray = values.cpu().numpy() if isinstance(values, Tensor) else values
    return array


def in_double(values: Array) -> Array:
    """Features in float64."""
    return values.double() if isinstance(values, Tensor) else values.astype(np.float64)


def joined(parts: Sequence[Array]) -> Array:
    """Parts of one kind, one below the other; at least one."""
    return torch.cat(list(parts)) if isinstance(parts[0], Tensor) else np.concatenate(parts)


def carried(matrix: Array, root: Array) -> Array:
    """R' S R of a symmetric matrix S (d, d) and a root R (d, r); on the host its lower triangle alone counts.

    With a lower triangular R that is half of one product of matrices in place of two.
    """
    if isinstance(matrix, Tensor) or not _is_lower(root):
        return root.T @ matrix @ root
    product, _ = scipy.linalg.lapack.dsygst(matrix.T, root, itype=2, lower=1)
    return product


def _is_lower(root: np.ndarray) -> bool:
    return root.shape[0] == root.shape[1] and not np.triu(root, 1).any()


def eigenvalues(matrix: Array) -> Array:
    """Of a symmetric matrix, whose lower triangle is read, ascending."""
    if isinstance(matrix, Tensor):
        return torch.linalg.eigvalsh(matrix)
    return scipy.linalg.eigvalsh(matrix)


def eigenvectors(matrix: Array) -> tuple[Array, Array]:
    """Of a symmetric matrix, whose lower triangle is read: eigenvalues, ascending, and vectors as columns."""
    values, vectors = (
        torch.linalg.eigh(matrix) if isinstance(matrix, Tensor) else scipy.linalg.eigh(matrix)
    )
    return values, vectors


def roots_of(values: Array) -> Array:
    """Square roots of a semi-definite matrix's ascending eigenvalues; what is rounding becomes 0."""
    rounding = abs(values[-1]) * len(values) * EPSILON
    return (values * (values > rounding)) ** 0.5


def are_finite(values: Array) -> bool:
    """Whether all values are; the host waits for a device."""
    finite = torch.isfinite(values) if isinstance(values, Tensor) else np.isfinite(values)
    return bool(finite.all())


def numbers(*values: Array) -> list[float]:
    """Scalars of one kind as floats, with one transfer from a device."""
    if isinstance(values[0], Tensor):
        found: list[float] = torch.stack(values).tolist()
        return found
    return [float(value) for value in values]
