"""Further measures of features against definitions of their own, and closed forms."""

import numpy as np
import pytest

from trainables.scores import measures
from trainables.scores.frechet import moments, reference


def test_kernel_distance_is_the_unbiased_estimate() -> None:
    random = np.random.default_rng(0)
    one, other = random.normal(size=(12, 5)), random.normal(0.5, 1, size=(12, 5))

    def kernel(x: np.ndarray, y: np.ndarray) -> float:
        return float((x @ y / 5 + 1) ** 3)

    pairs = [(i, j) for i in range(12) for j in range(12) if i != j]
    within = sum(kernel(one[i], one[j]) + kernel(other[i], other[j]) for i, j in pairs) / len(pairs)
    across = np.mean([kernel(x, y) for x in one for y in other])
    assert measures.kernel_distance(one, other) == pytest.approx(within - 2 * across, rel=1e-9)


def test_classifier_score_of_known_logits() -> None:
    sure = np.repeat(np.eye(10) * 1e3, 10, axis=0)
    order = np.arange(100).reshape(10, 10).T.ravel()  # each split sees each class once
    assert measures.classifier_score(sure[order]) == pytest.approx(10.0)
    assert measures.classifier_score(np.zeros((50, 7))) == pytest.approx(1.0)


@pytest.mark.parametrize("other", [0.0, -np.inf])
def test_classifier_score_with_a_class_that_never_occurs(other: float) -> None:
    """All samples are surely of one class, so p(y|x) = p(y), every divergence is 0 and exp(0) = 1."""
    logits = np.array([[1000.0, other]] * 20)
    assert measures.classifier_score(logits) == 1.0
    two = np.array([[1000.0, 0.0, other], [0.0, 1000.0, other]] * 20)  # two classes in every split
    assert measures.classifier_score(two) == pytest.approx(2.0, rel=1e-12)


def test_distance_at_infinity_removes_most_of_the_bias() -> None:
    random = np.random.default_rng(1)
    real = reference(moments(random.normal(size=(200_000, 10))))
    found = measures.distance_at_infinity(real, random.normal(0.2, 1.0, size=(2000, 10)))
    assert found == pytest.approx(10 * 0.04, abs=0.06)


@pytest.mark.parametrize("count", [260, 600])
def test_distance_at_infinity_leaves_out_blocks_without_full_rank(count: int) -> None:
    """64 features: blocks of 65 of the 260 samples alone would drag the line down by 1.3."""
    random = np.random.default_rng(1)
    real = reference(moments(random.normal(size=(100_000, 64))))
    found = [
        measures.distance_at_infinity(real, random.normal(0.2, 1.0, size=(count, 64)))
        for _ in range(8)
    ]
    assert np.mean(found) == pytest.approx(64 * 0.04, abs=0.6)


def test_distance_at_infinity_needs_more_samples_than_features() -> None:
    real = reference(moments(np.random.default_rng(1).normal(size=(500, 64))))
    with pytest.raises(ValueError, match="250 samples of 64 features are too few"):
        measures.distance_at_infinity(real, np.zeros((250, 64)))
