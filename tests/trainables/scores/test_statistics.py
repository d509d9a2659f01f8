"""The real side of a score: what is kept on a node, and what a given file may hold."""

from pathlib import Path

import numpy as np
import pytest
from support.data import noisy

from trainables.data.errors import DataError
from trainables.data.images import ImageData, load_images
from trainables.scores import frechet
from trainables.scores.digits import DigitsExtractor
from trainables.scores.extractor import as_batches, extract
from trainables.scores.frechet import Moments, reference
from trainables.scores.scorer import build_scorer
from trainables.scores.statistics import given_statistics, real_statistics, statistics_path
from trainables.settings.data import DataSettings
from trainables.settings.score import ScoreSettings


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def digits(cache: Path) -> ImageData:
    return load_images(DataSettings(name="digits"), cache)


def test_statistics_are_cached_in_the_shared_layout_and_rebuilt_if_damaged(
    digits: ImageData, tmp_path: Path
) -> None:
    extractor = DigitsExtractor("cpu")
    made = real_statistics(extractor, digits, 100, tmp_path)
    features = extract(extractor, as_batches(digits.images, 100), 100).features
    path = statistics_path(tmp_path, made.fingerprint)
    with np.load(path) as file:
        np.testing.assert_allclose(file["mu"], features.mean(axis=0, dtype=np.float64), rtol=1e-9)
        np.testing.assert_allclose(
            file["sigma"], np.cov(features.astype(np.float64), rowvar=False), rtol=1e-6, atol=1e-9
        )
    path.write_bytes(path.read_bytes()[:1000])
    again = real_statistics(extractor, digits, 100, tmp_path)
    np.testing.assert_array_equal(again.reference.root, made.reference.root)
    assert again.reference.trace == made.reference.trace
    assert sorted(again.features.ravel()) == sorted(features.ravel())


def test_statistics_of_other_data_are_not_used(digits: ImageData, tmp_path: Path) -> None:
    extractor = DigitsExtractor("cpu")
    made = real_statistics(extractor, digits, 100, tmp_path)
    other = ImageData(255 - digits.images[:500], "digits", "another", None)
    assert real_statistics(extractor, other, 100, tmp_path).fingerprint != made.fingerprint
    path = statistics_path(tmp_path, made.fingerprint)
    mu, sigma = np.zeros(64), np.eye(64)
    np.savez(path, mu=mu, sigma=sigma, root=sigma, fingerprint=np.array("something else"))
    again = real_statistics(extractor, digits, 100, tmp_path)
    np.testing.assert_array_equal(again.reference.mean, made.reference.mean)
    np.testing.assert_array_equal(again.reference.root, made.reference.root)


def test_given_statistics_replace_the_real_side(digits: ImageData, tmp_path: Path) -> None:
    made = real_statistics(DigitsExtractor("cpu"), digits, 100, tmp_path)
    given = tmp_path / "published.npz"
    with np.load(statistics_path(tmp_path, made.fingerprint)) as file:
        np.savez(given, mu=file["mu"], sigma=file["sigma"])
    settings = ScoreSettings(samples=300, statistics=str(given))
    scorer = build_scorer(settings, digits, tmp_path, "cpu")
    assert scorer.name == "fd_digits_300_given"
    own = build_scorer(ScoreSettings(samples=300), digits, tmp_path, "cpu")
    sampler = noisy(digits, 0.2)
    assert scorer.evaluate(sampler).value == pytest.approx(own.evaluate(sampler).value, rel=1e-9)
    np.savez(given, mu=np.zeros(5), sigma=np.eye(4))
    with pytest.raises(ValueError, match=r"mu of shape \(5,\)"):
        build_scorer(settings, digits, tmp_path, "cpu")
    given.write_text("no archive")
    with pytest.raises(ValueError, match="cannot be read"):
        build_scorer(settings, digits, tmp_path, "cpu")


def test_what_trials_share_is_mapped_and_factored_once(
    digits: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = real_statistics(DigitsExtractor("cpu"), digits, 100, tmp_path)
    path = statistics_path(tmp_path, made.fingerprint)
    with np.load(path) as file:
        mu, sigma = file["mu"], file["sigma"]
        expected = reference(Moments(mu, sigma))
    assert isinstance(made.reference.root, np.memmap)
    assert isinstance(made.features, np.memmap)
    np.testing.assert_array_equal(made.reference.root, expected.root)
    assert made.reference.trace == expected.trace
    np.savez(tmp_path / "given.npz", mu=mu, sigma=sigma)
    given = given_statistics(tmp_path / "given.npz", "digits", 64, tmp_path)
    monkeypatch.setattr(frechet, "reference", lambda moments: pytest.fail("factored again"))
    for again in (
        real_statistics(DigitsExtractor("cpu"), digits, 100, tmp_path),
        given_statistics(tmp_path / "given.npz", "digits", 64, tmp_path),
    ):
        assert isinstance(again.reference.root, np.memmap)
        np.testing.assert_array_equal(again.reference.root, expected.root)
    assert given_statistics(tmp_path / "given.npz", "digits", 64, tmp_path).features is None
    assert given.fingerprint != made.fingerprint


def test_statistics_of_before_get_their_factor_without_the_images(
    digits: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Earlier versions kept the factor in the .npz file."""
    made = real_statistics(DigitsExtractor("cpu"), digits, 100, tmp_path)
    expected = np.array(made.reference.root)
    (root,) = (tmp_path / "statistics").glob("*-root.npy")
    root.write_bytes(b"damaged")
    monkeypatch.setattr(frechet.MomentSum, "add", lambda *_: pytest.fail("extracted again"))
    again = real_statistics(DigitsExtractor("cpu"), digits, 100, tmp_path)
    np.testing.assert_array_equal(again.reference.root, expected)


def test_given_statistics_are_told_apart_by_every_value(tmp_path: Path) -> None:
    """Two covariances with the same column sums."""
    one = np.eye(64)
    other = one.copy()
    other[:2, :2] += [[0.5, -0.5], [-0.5, 0.5]]
    np.testing.assert_array_equal(one.sum(axis=0), other.sum(axis=0))
    found = []
    for sigma in (one, other):
        np.savez(tmp_path / "given.npz", mu=np.zeros(64), sigma=sigma)
        found.append(given_statistics(tmp_path / "given.npz", "digits", 64, tmp_path))
    assert found[0].fingerprint != found[1].fingerprint
    assert found[0].reference.trace != found[1].reference.trace


def with_value(array: np.ndarray, place: object, value: float) -> np.ndarray:
    changed = array.copy()
    changed[place] = value
    return changed


MU, SIGMA = np.zeros(64), np.eye(64)
BAD_STATISTICS = {
    "nan in mu": ({"mu": with_value(MU, 3, np.nan), "sigma": SIGMA}, "a value in mu that is not"),
    "nan in sigma": (
        {"mu": MU, "sigma": with_value(SIGMA, (1, 2), np.nan)},
        "a value in sigma that",
    ),
    "zero": ({"mu": MU, "sigma": 0 * SIGMA}, "a sigma of zeros"),
    "negative": ({"mu": MU, "sigma": -SIGMA}, "not a covariance .*smallest eigenvalue is -1"),
    "empty": ({"mu": np.zeros(0), "sigma": np.zeros((0, 0))}, r"sigma of shape \(0, 0\)"),
    "asymmetric": ({"mu": MU, "sigma": with_value(SIGMA, (1, 2), 0.5)}, "not symmetric"),
    "words": ({"mu": MU, "sigma": np.full((64, 64), "x")}, "sigma of type <U1"),
    "complex": ({"mu": MU * 1j, "sigma": SIGMA}, "mu of type complex128"),
    "names": ({"mean": MU, "sigma": SIGMA}, "which holds mean, sigma; write an .npz with mu and"),
    "none": ({}, "which holds nothing"),
    "other": (
        {"mu": np.zeros(9), "sigma": np.eye(9)},
        "9 features, where score.extractor digits has",
    ),
}


@pytest.mark.parametrize("case", BAD_STATISTICS)
def test_bad_statistics_are_refused_when_the_scorer_is_built(
    digits: ImageData, tmp_path: Path, case: str
) -> None:
    arrays, sentence = BAD_STATISTICS[case]
    path = tmp_path / "given.npz"
    np.savez(path, **arrays)
    with pytest.raises(DataError, match=sentence) as caught:
        build_scorer(ScoreSettings(samples=300, statistics=str(path)), digits, tmp_path, "cpu")
    said = str(caught.value)
    assert said.startswith(f"score.statistics is '{path}', w")
    assert "\n" not in said
    assert said.endswith(("compute mu and sigma anew", "write an .npz with mu and sigma"))


def test_a_damaged_statistics_file_gives_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "given.npz"
    np.savez_compressed(path, mu=MU, sigma=SIGMA)
    content = path.read_bytes()
    files = [content[:100], b"", b"no archive"]
    files += [content[:at] + b"\xff" + content[at + 1 :] for at in range(0, len(content), 3)]
    refused = 0
    for damaged in files:
        path.write_bytes(damaged)
        try:
            given_statistics(path, "digits", 64, tmp_path)
        except DataError as error:
            refused += "score.statistics is" in str(error) and "<_io" not in str(error)
    assert refused > len(files) // 2
    with path.open("wb") as file:
        np.save(file, SIGMA)
    with pytest.raises(DataError, match="which holds one array without a name; write"):
        given_statistics(path, "digits", 64, tmp_path)
    with pytest.raises(DataError, match="No such file"):
        given_statistics(tmp_path / "nowhere.npz", "digits", 64, tmp_path)


def test_covariances_of_single_precision_are_taken(tmp_path: Path) -> None:
    """Their rounding makes the smallest eigenvalues slightly negative."""
    random = np.random.default_rng(0)
    features = random.normal(size=(40, 64)).astype(np.float32)
    sigma = np.cov(features, rowvar=False).astype(np.float32)
    assert np.linalg.eigvalsh(sigma.astype(np.float64))[0] < 0
    np.savez(tmp_path / "given.npz", mu=features.mean(axis=0), sigma=sigma)
    given = given_statistics(tmp_path / "given.npz", "digits", 64, tmp_path)
    assert given.reference.root.shape[0] == 64
