"""Further measures of features against definitions of their own, and closed forms."""

import numpy as np
import pytest

from trainables.scores import measures
from trainables.scores.frechet import between, moments, reference


def test_kernel_distance_is_the_unbiased_estimate() -> None:
    random = np.random.default_rng(0)
    one, other = random.normal(size=(12, 5)), random.normal(0.5, 1, size=(12, 5))

    def kernel(x: np.ndarray, y: np.ndarray) -> float:
        return float((x @ y / 5 + 1) ** 3)

    pairs = [(i, j) for i in range(12) for j in range(12) if i != j]
    within = sum(kernel(one[i], one[j]) + kernel(other[i], other[j]) for i, j in pairs) / len(pairs)
    across = np.mean([kernel(x, y) for x in one for y in other])
    assert measures.kernel_distance(one, other) == pytest.approx(within - 2 * across, rel=1e-9)


@pytest.mark.parametrize(("real", "made"), [(23, 47), (47, 23), (7, 30), (30, 7), (20, 20)])
def test_kernel_distance_is_the_mean_over_disjoint_blocks(
    real: int, made: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blocks of 10, at most 3 of them; where the real side has fewer blocks, they are taken again."""
    assert (measures.BLOCK, measures.BLOCKS) == (1000, 10)
    monkeypatch.setattr(measures, "BLOCK", 10)
    monkeypatch.setattr(measures, "BLOCKS", 3)
    random = np.random.default_rng(real)
    one, other = random.normal(size=(real, 4)), random.normal(0.3, 1, size=(made, 4))
    size, again, found = min(10, real, made), 0, []
    while len(found) < 3 and (len(found) + 1) * size <= made:
        x = one[again * size : (again + 1) * size]
        y = other[len(found) * size : (len(found) + 1) * size]
        kernels = [(a @ b.T / 4 + 1) ** 3 for a, b in ((x, x), (y, y), (x, y))]
        off = ~np.eye(size, dtype=bool)
        found.append(kernels[0][off].mean() + kernels[1][off].mean() - 2 * kernels[2].mean())
        again = again + 1 if (again + 2) * size <= real else 0
    assert measures.kernel_distance(one, other) == pytest.approx(np.mean(found), rel=1e-9)


def test_kernel_distance_of_float32_is_computed_in_float64() -> None:
    random = np.random.default_rng(2)
    one, other = (random.normal(30, 1, size=(9, 3)).astype(np.float32) for _ in range(2))
    exact = measures.kernel_distance(one.astype(np.float64), other.astype(np.float64))
    assert measures.kernel_distance(one, other) == exact


@pytest.mark.parametrize("count", [1, 4, 10, 23, 105])
def test_classifier_score_is_that_of_the_authors_code(count: int) -> None:
    logits = np.random.default_rng(count).normal(size=(count, 5))
    predictions = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    splits, scores = min(10, count), []
    for i in range(splits):
        part = predictions[i * count // splits : (i + 1) * count // splits]
        marginal = part.mean(axis=0)
        scores.append(np.exp(np.mean([p @ np.log(p / marginal) for p in part])))
    assert measures.classifier_score(logits) == pytest.approx(np.mean(scores), rel=1e-12)


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


@pytest.mark.parametrize(("count", "sizes"), [(15, (15, 7)), (16, (16, 8, 4)), (19, (19, 9, 4))])
def test_distance_at_infinity_is_the_intercept_over_whole_blocks(
    count: int, sizes: tuple[int, ...]
) -> None:
    """2 features, so blocks of 4 samples and more; 1 sample of 9 and 3 of 4 are left over of 19."""
    random = np.random.default_rng(count)
    real, made = random.normal(size=(90, 2)), random.normal(0.4, 1.3, size=(count, 2))
    side = reference(moments(real))
    means = [
        np.mean(
            [
                between(side, moments(made[start * size : (start + 1) * size]))
                for start in range(count // size)
            ]
        )
        for size in sizes
    ]
    x = np.array([1 / size for size in sizes])
    slope = np.mean((x - x.mean()) * means) / np.mean((x - x.mean()) ** 2)
    found = measures.distance_at_infinity(side, made)
    assert found == pytest.approx(np.mean(means) - slope * x.mean(), rel=1e-9)


def test_distance_at_infinity_needs_two_sizes() -> None:
    side = reference(moments(np.random.default_rng(3).normal(size=(90, 2))))
    made = np.random.default_rng(4).normal(size=(8, 2))
    assert np.isfinite(measures.distance_at_infinity(side, made))
    with pytest.raises(ValueError, match="7 samples of 2 features are too few"):
        measures.distance_at_infinity(side, made[:7])


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
