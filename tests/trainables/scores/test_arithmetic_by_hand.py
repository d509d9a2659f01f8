"""A product with a triangular root, which is computed by half, against the whole one."""

from __future__ import annotations

import numpy as np
import pytest

from trainables.scores.arithmetic import carried

DRAW = np.random.default_rng(2)
SYMMETRIC = (lambda half: half + half.T)(DRAW.normal(size=(5, 5)))
SQUARE = DRAW.normal(size=(5, 5))


@pytest.mark.parametrize(
    ("root", "half"),
    [
        (np.tril(SQUARE), True),
        (np.diag([1.0, 2.0, 3.0, 4.0, 5.0]), True),
        (SQUARE, False),
        (np.triu(SQUARE), False),
        (np.tril(SQUARE, 1), False),  # but for the diagonal above the main one
        (np.tril(SQUARE)[:, :3], False),  # of lower rank, with nothing above its diagonal
    ],
)
def test_only_a_square_lower_root_is_carried_by_half(root: np.ndarray, half: bool) -> None:
    whole = np.einsum("ki,kl,lj->ij", root, SYMMETRIC, root)
    found = carried(SYMMETRIC.copy(), root)
    np.testing.assert_allclose(np.tril(found), np.tril(whole), rtol=1e-12, atol=1e-12)
    assert np.allclose(found, whole) is not half
