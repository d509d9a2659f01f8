"""The real side of a score on an extractor whose features are pixels: every number by hand."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from torch import Tensor

from trainables.data import store
from trainables.data.errors import DataError
from trainables.data.images import ImageData
from trainables.data.store import Progress
from trainables.scores import statistics as module
from trainables.scores.statistics import (
    RealStatistics,
    check_statistics,
    given_statistics,
    real_statistics,
    statistics_path,
)

IMAGES = np.random.default_rng(7).integers(0, 256, (90, 2, 2, 1), dtype=np.uint8)
DATA = ImageData(IMAGES, "mine", "pixels-of-mine", None)
FEATURES = IMAGES.reshape(90, 4)[:, :3].astype(np.float32)
MU, SIGMA = np.zeros(3), 4 * np.eye(3)


class Pixels:
    """Three pixels of an image as its features."""

    name, identity, weights_sha256 = "pixels", "pixels:1", "0" * 64

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def __call__(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        self.sizes.append(len(images))
        return images.flatten(1)[:, :3].float(), None


def real(cache: Path, extractor: Pixels | None = None) -> RealStatistics:
    return real_statistics(extractor or Pixels(), DATA, 20, cache)


def sum_of(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()


def test_all_images_count_in_the_moments_and_the_fingerprint_names_what_they_are_of(
    tmp_path: Path,
) -> None:
    extractor, told = Pixels(), list[Progress]()
    made = real_statistics(extractor, DATA, 20, tmp_path, told.append)
    assert extractor.sizes == [20, 20, 20, 20, 10]
    assert told == [
        Progress("extracting features of real images", done, 90) for done in (20, 40, 60, 80, 90)
    ]
    assert made.fingerprint == sum_of([1, "pixels-of-mine", "pixels:1"])
    path = tmp_path / "statistics" / f"{made.fingerprint[:16]}.npz"
    assert statistics_path(tmp_path, made.fingerprint) == path
    with np.load(path) as kept:
        assert sorted(kept.files) == ["fingerprint", "mu", "sigma"]
        np.testing.assert_allclose(kept["mu"], FEATURES.mean(0, dtype=np.float64), rtol=1e-12)
        np.testing.assert_allclose(kept["sigma"], np.cov(FEATURES, rowvar=False), rtol=1e-6)
        assert str(kept["fingerprint"]) == made.fingerprint
    sigma = np.cov(FEATURES.astype(np.float64), rowvar=False)
    root = np.asarray(made.reference.root)
    np.testing.assert_allclose(root @ root.T, sigma, rtol=1e-9)
    assert made.reference.trace == pytest.approx(np.trace(sigma), rel=1e-9)
    np.testing.assert_allclose(made.reference.mean, FEATURES.mean(0), rtol=1e-6)
    assert made.features is not None
    assert sorted(map(tuple, made.features)) == sorted(map(tuple, FEATURES))
    assert not np.array_equal(
        made.features, FEATURES
    )  # in random order: a part of them is a sample
    np.testing.assert_array_equal(made.features, real(tmp_path / "elsewhere").features)


def test_of_many_images_some_of_all_parts_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert module.KEPT == 50_000
    monkeypatch.setattr(module, "KEPT", 40)
    made = real(tmp_path)
    assert made.features is not None
    found = [int(np.flatnonzero((row == FEATURES).all(1))[0]) for row in made.features]
    # These and in this order, since the floors that are kept are of them.
    chosen = np.sort(np.random.default_rng(0).permutation(90)[:40])
    assert found == np.random.default_rng(1).permutation(chosen).tolist()
    assert {place // 10 for place in found} == set(range(9))
    assert made.reference.trace == pytest.approx(np.trace(np.cov(FEATURES, rowvar=False)), rel=1e-6)


@pytest.mark.parametrize("what", ["features.npy", "statistics.npz", "fingerprint", "archive"])
def test_what_is_lost_or_of_other_data_is_computed_anew(tmp_path: Path, what: str) -> None:
    made = real(tmp_path)
    expected = np.array(made.features)
    path = statistics_path(tmp_path, made.fingerprint)
    features = path.with_name(f"{path.stem}-features.npy")
    if what == "features.npy":
        features.unlink()
    elif what == "statistics.npz":
        path.write_bytes(features.read_bytes())
    elif what == "fingerprint":
        np.savez(path, mu=np.ones(3), sigma=np.eye(3), fingerprint=np.array("another"))
    else:
        features.write_bytes(path.read_bytes())
    again = Pixels()
    np.testing.assert_array_equal(real(tmp_path, again).features, expected)
    assert sum(again.sizes) == 90
    kept = Pixels()
    np.testing.assert_array_equal(real(tmp_path, kept).reference.mean, made.reference.mean)
    assert kept.sizes == []


BAD_ROOTS = {
    "single precision": np.eye(3, dtype=np.float32),
    "a row": np.ones(3),
    "another number of features": np.eye(4),
}


@pytest.mark.parametrize("case", [*BAD_ROOTS, "archive", "missing"])
def test_a_factor_that_does_not_fit_is_made_anew(tmp_path: Path, case: str) -> None:
    made = real(tmp_path)
    expected = np.array(made.reference.root)
    path = statistics_path(tmp_path, made.fingerprint)
    root = path.with_name(f"{path.stem}-root.npy")
    root.unlink()
    if case == "archive":
        root.write_bytes(path.read_bytes())
    elif case != "missing":
        np.save(root, BAD_ROOTS[case])
    again = Pixels()
    np.testing.assert_array_equal(real(tmp_path, again).reference.root, expected)
    np.testing.assert_array_equal(np.load(root), expected)
    assert again.sizes == []


@pytest.mark.parametrize("lost", ["-root.npy", "-features.npy", ".npz"])
def test_a_disk_that_keeps_nothing_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    write = store.write_atomically

    def written(path: Path, content: object) -> None:
        if not path.name.endswith(lost):
            write(path, content)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "write_atomically", written)
    sentence = f"statistics cannot be kept in {tmp_path / 'statistics'}; check the disk"
    with pytest.raises(DataError) as caught:
        real(tmp_path)
    assert str(caught.value) == sentence
    if lost == "-root.npy":
        np.savez(tmp_path / "given.npz", mu=np.ones(3), sigma=np.eye(3))
        with pytest.raises(DataError) as caught:
            given_statistics(tmp_path / "given.npz", "pixels", 3, tmp_path)
        assert str(caught.value) == sentence


def spread(size: int = 3, seed: int = 0) -> np.ndarray:
    return np.cov(np.random.default_rng(seed).normal(size=(50, size)), rowvar=False)


def given(folder: Path, mu: np.ndarray, sigma: np.ndarray) -> RealStatistics:
    """What is read of a file that is taken, as the check of it says; looking writes nothing."""
    np.savez(folder / "given.npz", mu=mu, sigma=sigma)
    check_statistics(folder / "given.npz", "pixels", 3, folder)
    assert not (folder / "statistics").exists()
    return given_statistics(folder / "given.npz", "pixels", 3, folder)


def test_given_moments_are_taken_as_they_are(tmp_path: Path) -> None:
    mu, sigma = np.array([1.0, -2.0, 3.0]), spread()
    made = given(tmp_path, mu, sigma)
    np.testing.assert_array_equal(made.reference.mean, mu)
    np.testing.assert_allclose(made.reference.root @ made.reference.root.T, sigma, rtol=1e-9)
    assert made.reference.trace == np.trace(sigma)
    assert made.features is None
    total = hashlib.sha256(b"(3, 3)" + mu.tobytes() + sigma.tobytes()).hexdigest()
    assert made.fingerprint == total
    assert statistics_path(tmp_path, total).with_name(f"{total[:16]}-root.npy").is_file()
    check_statistics(tmp_path / "given.npz", "pixels", 3, tmp_path)


def test_the_factor_of_given_moments_is_made_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = given(tmp_path, MU, spread())
    monkeypatch.setattr(module, "_write_reference", lambda *_: pytest.fail("made again"))
    again = given_statistics(tmp_path / "given.npz", "pixels", 3, tmp_path)
    np.testing.assert_array_equal(again.reference.root, first.reference.root)


@pytest.mark.parametrize(
    ("arrays", "held"),
    [
        ({}, "nothing"),
        ({"mean": MU, "sigma": MU}, "mean, sigma"),
        (None, "one array without a name"),
    ],
)
def test_a_file_without_mu_and_sigma_says_what_it_holds(
    tmp_path: Path, arrays: dict[str, np.ndarray] | None, held: str
) -> None:
    path = tmp_path / "given.npz"
    with path.open("wb") as file:
        np.save(file, MU) if arrays is None else np.savez(file, **arrays)
    with pytest.raises(DataError) as caught:
        given_statistics(path, "pixels", 3, tmp_path)
    sentence = (
        f"score.statistics is {str(path)!r}, which holds {held}; write an .npz with mu and sigma"
    )
    assert str(caught.value) == sentence
    path.write_bytes(b"no archive")
    with pytest.raises(
        DataError, match=r"which cannot be read as an \.npz with mu and sigma"
    ) as caught:
        given_statistics(path, "pixels", 3, tmp_path)
    assert str(caught.value).startswith(f"score.statistics is {str(path)!r}, which cannot")


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int64, np.uint8])
def test_given_moments_may_be_of_any_real_type(tmp_path: Path, dtype: type) -> None:
    mu, sigma = np.array([1, 2, 3], dtype=dtype), np.diag(np.array([4, 5, 6], dtype=dtype))
    made = given(tmp_path, mu, sigma)
    assert made.reference.mean.dtype == np.float64
    np.testing.assert_allclose(made.reference.root**2, np.diag([4.0, 5.0, 6.0]), atol=1e-12)


def changed(sigma: np.ndarray, row: int, column: int, value: float) -> np.ndarray:
    other = sigma.copy()
    other[row, column] = value
    return other


REFUSED = {
    "mu of type bool, where real numbers are needed": (MU > 0, SIGMA),
    "sigma of type complex128, where real numbers are needed": (MU, SIGMA * 1j),
    "mu of shape (3, 1) and sigma of shape (3, 3), where (d,) and (d, d) are needed": (
        MU[:, None],
        SIGMA,
    ),
    "mu of shape (3,) and sigma of shape (3, 2), where (d,) and (d, d) are needed": (
        MU,
        SIGMA[:, :2],
    ),
    "mu of shape (0,) and sigma of shape (0, 0), where (d,) and (d, d) are needed": (
        MU[:0],
        SIGMA[:0, :0],
    ),
    "mu and sigma of 2 features, where score.extractor pixels has 3": (MU[:2], SIGMA[:2, :2]),
    "a value in mu that is not finite": (MU + np.inf, SIGMA),
    "a value in sigma that is not finite": (MU, changed(SIGMA, 2, 2, np.nan)),
    "a sigma of zeros, which is not a spread to compare with": (MU, 0 * SIGMA),
    "a sigma that is not symmetric": (MU, changed(1e-6 * SIGMA, 1, 2, 5e-10)),
    "a sigma that is not a covariance (its smallest eigenvalue is -0.0005)": (
        MU,
        changed(SIGMA, 1, 1, -0.0005),
    ),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_moments_that_cannot_be_any_are_refused_before_anything_is_written(
    tmp_path: Path, sentence: str
) -> None:
    mu, sigma = REFUSED[sentence]
    path = tmp_path / "given.npz"
    np.savez(path, mu=mu, sigma=sigma)
    with pytest.raises(DataError) as caught:
        check_statistics(path, "pixels", 3, tmp_path)
    assert not (tmp_path / "statistics").exists()
    with pytest.raises(DataError) as again:
        given_statistics(path, "pixels", 3, tmp_path)
    whole = f"score.statistics is {str(path)!r}, with {sentence}; compute mu and sigma anew"
    assert (str(caught.value), str(again.value)) == (whole, whole)


@pytest.mark.parametrize("place", [(1, 2), (1, 1)])
@pytest.mark.parametrize("value", [-0.0003, -4 * 1e-4])
def test_what_rounding_to_single_precision_makes_of_a_covariance_is_taken(
    tmp_path: Path, place: tuple[int, int], value: float
) -> None:
    """Up to 1e-4 of the largest value, here of 4."""
    sigma = changed(SIGMA, *place, value)
    assert given(tmp_path, MU, sigma).reference.trace == np.trace(sigma)
