"""The Frechet distance against scipy's sqrtm, closed forms, and redrawn samples."""

import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg

from trainables.scores import frechet


def reference_distance(real: np.ndarray, generated: np.ndarray) -> float:
    """From the definition, by a general matrix square root."""
    one, other = np.cov(real, rowvar=False), np.cov(generated, rowvar=False)
    gap = real.mean(axis=0) - generated.mean(axis=0)
    cross = scipy.linalg.sqrtm(one @ other)
    return float(gap @ gap + np.trace(one + other) - 2 * np.trace(cross).real)


def correlated(random: np.random.Generator, count: int, d: int, shift: float = 0.0) -> np.ndarray:
    mixing = random.normal(size=(d, d)) / np.sqrt(d)
    return random.normal(size=(count, d)) @ mixing + shift


def factored(features: np.ndarray) -> frechet.Reference:
    return frechet.reference(frechet.moments(features))


@pytest.mark.parametrize("d", [2, 17, 60])
def test_equals_the_definition_by_sqrtm(d: int) -> None:
    random = np.random.default_rng(d)
    real, generated = correlated(random, 400, d), correlated(random, 300, d, shift=0.3)
    expected = reference_distance(real, generated)
    assert frechet.distance(factored(real), generated) == pytest.approx(expected, rel=1e-9)
    measured = frechet.distance_with_noise(factored(real), generated)
    assert measured.value == pytest.approx(expected, rel=1e-9)


def test_gram_form_equals_the_full_form_when_samples_are_few() -> None:
    random = np.random.default_rng(3)
    real, few = correlated(random, 500, 64), correlated(random, 20, 64, shift=0.2)
    full = frechet.between(factored(real), frechet.moments(few))
    assert frechet.distance(factored(real), few) == pytest.approx(full, rel=1e-9)
    assert frechet.distance_with_noise(factored(real), few).value == pytest.approx(full, rel=1e-9)


@pytest.mark.parametrize("shape", ["triangular", "any", "mapped"])
def test_a_root_of_full_rank_is_triangular_and_any_other_gives_the_same(
    shape: str, tmp_path: Path
) -> None:
    random = np.random.default_rng(11)
    real, generated = correlated(random, 300, 30), correlated(random, 200, 30, shift=0.2)
    reference = factored(real)
    root = reference.root
    np.testing.assert_array_equal(root, np.tril(root))
    np.testing.assert_allclose(root @ root.T, np.cov(real, rowvar=False), rtol=1e-11, atol=1e-13)
    if shape == "any":  # as versions before kept it
        turn, _ = np.linalg.qr(random.normal(size=(30, 30)))
        root = root @ turn
    elif shape == "mapped":
        np.save(tmp_path / "root.npy", root)
        root = np.load(tmp_path / "root.npy", mmap_mode="r")
    reference = replace(reference, root=root)
    moments = frechet.moments(generated)
    before = moments.covariance.copy()
    expected = reference_distance(real, generated)
    assert frechet.between(reference, moments) == pytest.approx(expected, rel=1e-10)
    np.testing.assert_array_equal(moments.covariance, before)
    noise = frechet.distance_with_noise(reference, generated).noise
    assert noise == pytest.approx(
        frechet.distance_with_noise(factored(real), generated).noise, rel=1e-9
    )


def test_one_dimension_is_the_closed_form() -> None:
    random = np.random.default_rng(0)
    real, generated = random.normal(2, 3, size=(500, 1)), random.normal(-1, 0.5, size=(400, 1))
    means = (real.mean() - generated.mean()) ** 2
    spreads = (real.std(ddof=1) - generated.std(ddof=1)) ** 2
    found = frechet.distance(factored(real), generated)
    assert found == pytest.approx(means + spreads, rel=1e-12)


def test_commuting_covariances_are_the_closed_form() -> None:
    random = np.random.default_rng(1)
    basis, _ = np.linalg.qr(random.normal(size=(12, 12)))
    one, other = random.uniform(0.1, 4, size=(2, 12))
    real = frechet.Moments(np.zeros(12), basis * one @ basis.T)
    generated = frechet.Moments(np.full(12, 0.5), basis * other @ basis.T)
    expected = 12 * 0.25 + np.square(np.sqrt(one) - np.sqrt(other)).sum()
    assert frechet.between(frechet.reference(real), generated) == pytest.approx(expected, rel=1e-9)


def test_rank_deficient_sides_give_the_distance_in_the_subspace() -> None:
    random = np.random.default_rng(2)
    real, generated = correlated(random, 300, 5), correlated(random, 300, 5, shift=0.4)
    zeros = np.zeros((300, 20))
    wide_real, wide = np.hstack([real, zeros]), np.hstack([generated, zeros])
    reference = factored(wide_real)
    assert reference.root.shape == (25, 5)
    expected = reference_distance(real, generated)
    assert frechet.distance(reference, wide) == pytest.approx(expected, rel=1e-9)


def test_collapsed_samples_cost_the_whole_real_spread() -> None:
    real = correlated(np.random.default_rng(4), 300, 8)
    point = np.tile(real.mean(axis=0), (50, 1))
    measured = frechet.distance_with_noise(factored(real), point)
    assert measured.value == pytest.approx(np.trace(np.cov(real, rowvar=False)), rel=1e-9)
    assert measured.noise == pytest.approx(0.0, abs=1e-12)


def test_same_samples_are_at_distance_zero() -> None:
    real = correlated(np.random.default_rng(5), 300, 30)
    assert frechet.distance(factored(real), real) == pytest.approx(0.0, abs=1e-9)


def test_moments_in_parts_equal_numpy_far_from_the_origin() -> None:
    features = np.random.default_rng(6).normal(size=(9000, 7)).astype(np.float32) + 1000
    found = frechet.moments(features)
    exact = features.astype(np.float64)
    np.testing.assert_allclose(found.mean, exact.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(found.covariance, np.cov(exact, rowvar=False), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(("count", "shift"), [(400, 0.0), (400, 0.3), (30, 0.3)])
def test_noise_is_the_spread_over_redrawn_samples(count: int, shift: float) -> None:
    random = np.random.default_rng(7)
    real = factored(correlated(random, 5000, 40))
    mixing = random.normal(size=(40, 40)) / np.sqrt(40)
    draws = [random.normal(size=(count, 40)) @ mixing + shift for _ in range(150)]
    measured = [frechet.distance_with_noise(real, draw) for draw in draws]
    spread = np.std([one.value for one in measured], ddof=1)
    assert np.mean([one.noise for one in measured]) == pytest.approx(spread, rel=0.25)


def spread_by_differences(real: np.ndarray, generated: np.ndarray) -> float:
    """The standard error by the definition: how the distance moves when a little weight goes to one sample.

    Samples near one point change mean and covariance to first order by e (x - m) and e ((x - m)(x - m)' - S).
    """
    step, spread = 1e-3, np.cov(real, rowvar=False)
    mean, covariance = generated.mean(axis=0), np.cov(generated, rowvar=False)

    def moved(weight: float, sample: np.ndarray) -> float:
        off = sample - mean
        gap = mean + weight * off - real.mean(axis=0)
        other = covariance + weight * (np.outer(off, off) - covariance)
        roots = np.sqrt(np.linalg.eigvals(spread @ other).real.clip(0))
        return float(gap @ gap + np.trace(other) - 2 * roots.sum())

    slopes = [(moved(step, one) - moved(-step, one)) / (2 * step) for one in generated]
    return float(np.std(slopes, ddof=1) / np.sqrt(len(slopes)))


@pytest.mark.parametrize(("count", "d"), [(20, 6), (9, 12)])
def test_noise_is_the_spread_of_the_distance_moved_towards_each_sample(count: int, d: int) -> None:
    random = np.random.default_rng(11)
    real, made = correlated(random, 200, d, shift=3.0), correlated(random, count, d, shift=3.5)
    measured = frechet.distance_with_noise(factored(real), made)
    assert measured.noise == pytest.approx(spread_by_differences(real, made), rel=1e-3)


@pytest.mark.parametrize("d", [1, 3])
def test_two_samples_are_enough(d: int) -> None:
    """Two points have covariance g g' / 2 with their gap g, so the cross term is sqrt(g' S g / 2)."""
    random = np.random.default_rng(12)
    real, two = correlated(random, 100, d), np.arange(2.0 * d).reshape(2, d)
    spread, gap = np.atleast_2d(np.cov(real, rowvar=False)), two[1] - two[0]
    apart = two.mean(axis=0) - real.mean(axis=0)
    expected = apart @ apart + np.trace(spread) + gap @ gap / 2 - np.sqrt(2 * gap @ spread @ gap)
    assert frechet.distance(factored(real), two) == pytest.approx(expected, rel=1e-9)
    assert frechet.distance_with_noise(factored(real), two).value == pytest.approx(expected, 1e-9)


@pytest.mark.parametrize("count", [frechet.CHUNK, 2 * frechet.CHUNK])
def test_moments_of_whole_chunks(count: int) -> None:
    features = np.random.default_rng(13).normal(size=(count, 2))
    np.testing.assert_allclose(
        frechet.moments(features).covariance, np.cov(features, rowvar=False), rtol=1e-9
    )


def test_few_samples_of_float32_far_from_the_origin_lose_nothing() -> None:
    random = np.random.default_rng(14)
    real = (correlated(random, 300, 30) + 1000).astype(np.float32)
    few = (correlated(random, 20, 30, shift=0.2) + 1000).astype(np.float32)
    exact = frechet.between(factored(real), frechet.moments(few.astype(np.float64)))
    assert frechet.distance(factored(real), few) == pytest.approx(exact, rel=1e-9)


def test_too_few_or_broken_features_are_refused() -> None:
    real = factored(np.random.default_rng(8).normal(size=(50, 3)))
    with pytest.raises(ValueError, match="at least 2"):
        frechet.distance(real, np.zeros((1, 3)))
    with pytest.raises(ValueError, match="not finite"):
        frechet.distance(real, np.full((5, 3), np.nan))
    with pytest.raises(ValueError, match="nothing to compare"):
        factored(np.ones((9, 3)))
    with pytest.raises(ValueError, match="at least 2"):
        frechet.MomentSum().moments()


@pytest.mark.parametrize("count", [7, 40, 1500, 9000])
def test_samples_may_come_in_parts_of_any_size_and_are_not_kept(count: int) -> None:
    random = np.random.default_rng(12)
    real = factored(correlated(random, 300, 12))
    made = correlated(random, count, 12, shift=3.1).astype(np.float32)
    gathered = frechet.Gathered(real)
    cuts = np.sort(random.integers(0, count, 6))
    for part in np.split(made, cuts):
        gathered.add(part)
    assert len(gathered) == count
    assert gathered.distance() == frechet.distance(real, made)
    assert gathered.distance_with_noise() == frechet.distance_with_noise(real, made)
    exact = frechet.between(real, frechet.Moments(made.mean(0, float), np.cov(made.T)))
    assert gathered.distance() == pytest.approx(exact, rel=1e-9)


def test_the_noise_of_many_samples_is_known_from_the_first_thousand() -> None:
    random = np.random.default_rng(13)
    real, made = correlated(random, 400, 8, shift=3.0), correlated(random, 5000, 8, shift=3.5)
    reference = factored(real)
    mean, spread = made.mean(0), np.cov(made, rowvar=False)
    root = scipy.linalg.sqrtm(np.cov(real, rowvar=False))
    transport = root @ np.linalg.inv(scipy.linalg.sqrtm(root @ spread @ root).real) @ root
    off = made - mean
    each = 2 * off @ (mean - real.mean(0)) + (off**2).sum(1)
    each -= np.einsum("ni,ij,nj->n", off, transport, off)
    noise = frechet.distance_with_noise(reference, made).noise
    assert noise == pytest.approx(each[:1024].std(ddof=1) / np.sqrt(5000), rel=1e-9)
    assert noise == pytest.approx(each.std(ddof=1) / np.sqrt(5000), rel=0.1)


def test_memory_does_not_grow_with_the_samples() -> None:
    random = np.random.default_rng(14)
    gathered = frechet.Gathered(factored(correlated(random, 400, 50)))
    part, peaks = correlated(random, 2048, 50), []
    for _ in range(3):
        tracemalloc.start()
        for _ in range(10):
            gathered.add(part.copy())
        peaks.append(tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()
    assert max(peaks[1:]) < part.nbytes / 2
