"""The Jensen-Shannon divergence between the n-grams of two texts, counted with array operations.

An n-gram is a window of n characters inside a line, padding included. It is packed into one 64-bit
integer (base: the size of the vocabulary), so counting is sorting integers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Tokens = npt.NDArray[np.uint16]
"""Characters as indices into a vocabulary, shape (lines, characters of a line)."""

Integers = npt.NDArray[np.int64]

_LARGEST = 2**63 - 1


@dataclass(frozen=True)
class NgramTable:
    """How often each n-gram occurs in a text.

    Attributes:
        codes: The packed n-grams that occur, sorted, shape (u,).
        counts: How often, shape (u,).
        total: Sum of the counts.
    """

    codes: Integers
    counts: Integers
    total: int

    def look_up(self, codes: Integers) -> Integers:
        """Returns how often the given n-grams occur, 0 for those that do not; same shape."""
        at = np.minimum(np.searchsorted(self.codes, codes), len(self.codes) - 1)
        return np.where(self.codes[at] == codes, self.counts[at], 0)


def pack(tokens: Tokens, n: int, vocabulary: int, shorter: NgramTable | None) -> Integers:
    """Returns the packed n-grams of each line, shape (lines, L - n + 1).

    Args:
        tokens: Shape (lines, L), values < ``vocabulary``.
        n: Characters of a window.
        vocabulary: The base; ``vocabulary`` ** (n - 1) must fit into 63 bits.
        shorter: The (n - 1)-grams of the real text. Where ``vocabulary`` ** n does not fit into 63
            bits, a window is packed as its last character and the rank of the rest among these
            (those that the real text lacks are ranked behind, in the order of their codes).

    Raises:
        ValueError: The windows do not fit and ``shorter`` is missing.
    """
    length = tokens.shape[1] - n + 1
    if vocabulary**n <= _LARGEST:
        codes = tokens[:, :length].astype(np.int64)
        for offset in range(1, n):
            codes *= vocabulary
            codes += tokens[:, offset : offset + length]
        return codes
    if shorter is None:
        raise ValueError(f"{n}-grams of {vocabulary} characters need the table of {n - 1}-grams")
    heads = pack(tokens[:, :-1], n - 1, vocabulary, None)
    ranks = np.searchsorted(shorter.codes, heads)
    new = shorter.look_up(heads) == 0
    ranks[new] = len(shorter.codes) + np.unique(heads[new], return_inverse=True)[1]
    return np.asarray(ranks * vocabulary + tokens[:, n - 1 :], dtype=np.int64)


def count(
    parts: Iterator[Tokens], n: int, vocabulary: int, shorter: NgramTable | None
) -> NgramTable:
    """Counts the n-grams of a text that comes in parts, each of whole lines; see :func:`pack`."""
    codes = counts = np.empty(0, np.int64)
    for part in parts:
        windows = pack(part, n, vocabulary, shorter).ravel()
        new_codes, new_counts = np.unique(windows, return_counts=True)
        merged = np.concatenate([codes, new_codes])
        codes, place = np.unique(merged, return_inverse=True)
        weights = np.concatenate([counts, new_counts])
        counts = np.zeros(len(codes), np.int64)
        np.add.at(counts, place, weights)
    return NgramTable(codes, counts, int(counts.sum()))


def divergence(
    real: npt.NDArray[np.number], real_total: float, generated: npt.NDArray[np.number]
) -> npt.NDArray[np.float64]:
    """Returns the Jensen-Shannon divergence in bits, 0 (the same) to 1 (nothing in common).

    1/2 sum p log2(2 p / (p + q)) + 1/2 sum q log2(2 q / (p + q)), unsmoothed. It needs only the
    n-grams that were generated: the others have q = 0 and contribute 1/2 p each.

    Args:
        real: How often these n-grams occur in the real text, shape (..., u).
        real_total: Number of n-grams of the real text, those that were not generated included.
        generated: How often they were generated, shape (..., u).
    """
    p = real / real_total
    q = generated / generated.sum(axis=-1, keepdims=True)
    p, q = np.broadcast_arrays(p, q)
    middle = (p + q) / 2
    # An n-gram with count 0 contributes 0, the limit of p log p.
    with np.errstate(divide="ignore", invalid="ignore"):
        of_p = np.where((p > 0) & (q > 0), p * np.log2(p / middle), 0.0)
        of_q = np.where(q > 0, q * np.log2(q / middle), 0.0)
    unshared = 1.0 - np.where(q > 0, p, 0.0).sum(axis=-1)
    return np.asarray((unshared + of_p.sum(axis=-1) + of_q.sum(axis=-1)) / 2)


def grouped_counts(windows: Integers, groups: int) -> tuple[Integers, Integers]:
    """Counts n-grams in consecutive groups of lines.

    Args:
        windows: Packed n-grams, shape (lines, windows of a line).
        groups: Number of groups, at most the number of lines.

    Returns:
        The n-grams that occur, shape (u,), and their counts in each group, shape (groups, u).
    """
    codes, places = np.unique(windows, return_inverse=True)
    group = np.arange(len(windows)) * groups // len(windows)
    cell = places.reshape(windows.shape) + group[:, None] * len(codes)
    counts = np.bincount(cell.ravel(), minlength=groups * len(codes))
    return codes, counts.reshape(groups, len(codes))


def jackknife_noise(left_out: Sequence[float] | npt.NDArray[np.float64]) -> float:
    """Standard deviation of a statistic from its values with one group left out each."""
    values = np.asarray(left_out)
    return float(np.sqrt((len(values) - 1) * values.var()))
