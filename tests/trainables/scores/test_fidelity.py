"""torch-fidelity's extractors: equal to its own scores, and weights that are not the right ones."""

import hashlib
import importlib
import pickle
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from support.devices import accelerator
from torch import nn
from torch.utils.data import Dataset

from trainables.data.errors import DataError
from trainables.data.images import ImageData
from trainables.scores import fidelity, frechet, weights
from trainables.scores.extractor import (
    as_batches,
    build_extractor,
    extract,
    fetch_weights,
    needs_download,
)
from trainables.scores.measures import classifier_score
from trainables.scores.scorer import build_scorer
from trainables.settings.score import ScoreSettings

pytest.importorskip("torch_fidelity", reason="needs the extra fid")


class Images(Dataset[torch.Tensor]):
    """What torch-fidelity reads: uint8 C x H x W."""

    def __init__(self, images: np.ndarray) -> None:
        self._images = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> torch.Tensor:
        return self._images[index]


def blobs(count: int, seed: int) -> np.ndarray:
    """Smooth random colour images, 32 x 32."""
    random = np.random.default_rng(seed)
    coarse = random.uniform(0, 255, size=(count, 3, 4 + seed, 4 + seed)).astype(np.float32)
    smooth = nn.functional.interpolate(torch.from_numpy(coarse), size=32, mode="bicubic")
    return smooth.clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).numpy()


@pytest.fixture(scope="module")
def inception_file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """Random weights in torch-fidelity's file layout, and their sum."""
    module = importlib.import_module("torch_fidelity.feature_extractor_inceptionv3")
    torch.manual_seed(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "load_state_dict_from_url", lambda url, progress: None)
        cls = module.FeatureExtractorInceptionV3
        patch.setattr(cls, "load_state_dict", lambda self, state: None)
        network = cls(fidelity.INCEPTION, ["2048"])
    path = tmp_path_factory.mktemp("weights") / "inception.pth"
    torch.save(network.state_dict(), path)
    yield path, hashlib.sha256(path.read_bytes()).hexdigest()
    path.unlink()


@pytest.mark.slow
def test_fid_equals_that_of_torch_fidelity(
    tmp_path: Path, inception_file: tuple[Path, str]
) -> None:
    torch_fidelity = importlib.import_module("torch_fidelity")
    path, sha256 = inception_file
    real, generated = blobs(24, 1), blobs(24, 3)
    theirs = torch_fidelity.calculate_metrics(
        input1=Images(generated),
        input2=Images(real),
        cuda=False,
        fid=True,
        isc=True,
        kid=True,
        kid_subset_size=24,
        kid_subsets=1,
        samples_shuffle=False,
        save_cpu_ram=True,
        cache=False,
        verbose=False,
        feature_extractor_weights_path=str(path),
    )
    settings = ScoreSettings(
        extractor="inception",
        samples=24,
        batch_size=12,
        weights=str(path),
        weights_sha256=sha256,
        extras=("kid", "inception_score"),
    )
    scorer = build_scorer(settings, ImageData(real, "blobs", "real", "train"), tmp_path, "cpu")
    assert scorer.name == "fid_24_train"
    assert scorer.facts["extractor_weights_sha256"] == sha256
    ours = scorer.evaluate(lambda draw, count: as_batches(generated, 7))
    assert ours.value == pytest.approx(theirs["frechet_inception_distance"], rel=1e-4)
    assert ours.metrics["inception_score"] == pytest.approx(
        theirs["inception_score_mean"], rel=1e-5
    )
    kid = theirs["kernel_inception_distance_mean"]
    assert ours.metrics["kid"] == pytest.approx(kid, rel=1e-3)


@pytest.mark.gpu
def test_features_on_a_gpu_are_the_cpus(tmp_path: Path, inception_file: tuple[Path, str]) -> None:
    path, sha256 = inception_file
    settings = ScoreSettings(extractor="inception", weights=str(path), weights_sha256=sha256)
    found = [
        extract(build_extractor(settings, tmp_path, device), as_batches(blobs(8, 1), 8), 8)
        for device in ("cpu", accelerator())
    ]
    for one, two in (
        [each.features for each in found],
        [each.logits for each in found if each.logits is not None],
    ):
        # TF32 would be some 1e-3 off.
        assert np.linalg.norm(one - two) <= 1e-5 * np.linalg.norm(one)


def test_the_layout_is_the_faster_one_of_the_device() -> None:
    layouts = [fidelity._layout(torch.device(name)) for name in ("cpu", "cuda:1", "mps")]
    assert layouts == [torch.channels_last, torch.contiguous_format, torch.channels_last]


@pytest.mark.parametrize("count", [10, 11, 19, 105, 200, 997])
def test_classifier_score_equals_that_of_torch_fidelity(count: int) -> None:
    module = importlib.import_module("torch_fidelity.metric_isc")
    logits = torch.randn(count, 30, generator=torch.Generator().manual_seed(0)) * 3
    theirs = module.isc_features_to_metric(logits, shuffle=False)["inception_score_mean"]
    assert classifier_score(logits.numpy()) == pytest.approx(theirs, rel=1e-9)


@pytest.mark.parametrize("count", [20, 300])
def test_distance_equals_that_of_torch_fidelity(count: int) -> None:
    module = importlib.import_module("torch_fidelity.metric_fid")
    random = np.random.default_rng(0)
    real = np.maximum(random.normal(size=(400, 48)), 0).astype(np.float32)
    generated = np.maximum(random.normal(0.4, 1.3, size=(count, 48)), 0).astype(np.float32)
    sides = [module.fid_features_to_statistics(torch.from_numpy(one)) for one in (generated, real)]
    theirs = module.fid_statistics_to_metric(*sides, verbose=False)["frechet_inception_distance"]
    reference = frechet.reference(frechet.moments(real))
    assert frechet.distance(reference, generated) == pytest.approx(theirs, rel=1e-5)


def inception(path: Path, sha256: str | None = None) -> ScoreSettings:
    return ScoreSettings(extractor="inception", weights=str(path), weights_sha256=sha256)


def test_weights_with_another_sum_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "inception.pth"
    with pytest.raises(DataError, match="cannot be read"):
        build_extractor(inception(path), tmp_path, "cpu")
    path.write_bytes(b"something else")
    with pytest.raises(DataError, match=f"not {weights.INCEPTION_SHA256}"):
        build_extractor(inception(path), tmp_path, "cpu")


class Bomb:
    def __reduce__(self) -> tuple[object, ...]:
        return print, ("run",)


def test_nothing_in_a_weights_file_is_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bomb.pth"
    torch.save({"weight": Bomb()}, path)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(DataError, match="not a file of plain weights"):
        build_extractor(inception(path, sha256), tmp_path, "cpu")
    path.write_bytes(pickle.dumps(Bomb(), protocol=2))
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(DataError, match="not a file of plain weights"):
        build_extractor(inception(path, sha256), tmp_path, "cpu")
    assert capsys.readouterr().out == ""


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "linear.pth"
    torch.save(nn.Linear(2, 2).state_dict(), path)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(DataError, match="of another network"):
        build_extractor(inception(path, sha256), tmp_path, "cpu")


def test_unknown_sum_has_to_be_stated(tmp_path: Path) -> None:
    path = tmp_path / "vgg.pth"
    torch.save({}, path)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    settings = ScoreSettings(extractor="vgg16", weights=str(path))
    with pytest.raises(DataError, match=f"set score.weights_sha256 to {sha256}"):
        build_extractor(settings, tmp_path, "cpu")


@pytest.mark.parametrize("extractor", ["inception", "vgg16", "clip-vit-b-32", "dinov2-vit-b-14"])
def test_training_never_downloads_weights(
    tmp_path: Path, extractor: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    settings = ScoreSettings.model_validate({"extractor": extractor})
    assert needs_download(settings, tmp_path)
    with pytest.raises(DataError, match="ttur prepare"):
        build_extractor(settings, tmp_path, "cpu")


def test_inception_weights_are_fetched_only_with_the_right_sum(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    module = importlib.import_module("torch_fidelity.feature_extractor_inceptionv3")
    served = tmp_path / "served.pth"
    torch.save(nn.Linear(2, 2).state_dict(), served)
    monkeypatch.setattr(module, "URL_INCEPTION_V3", served.as_uri())
    settings = ScoreSettings(extractor="inception")
    with pytest.raises(DataError, match="could not be downloaded: invalid hash"):
        fetch_weights(settings, tmp_path)
    assert needs_download(settings, tmp_path)
    sha256 = hashlib.sha256(served.read_bytes()).hexdigest()
    monkeypatch.setattr(weights, "INCEPTION_SHA256", sha256)
    fetch_weights(settings, tmp_path)
    assert not needs_download(settings, tmp_path)
    assert weights.inception_weights(settings, tmp_path).sha256 == sha256


class MeanColour(nn.Module):
    """A stand-in for one of torch-fidelity's networks, built from its own arguments."""

    def __init__(self, name: str, layers: list[str], path: object, verbose: bool) -> None:
        super().__init__()
        assert path is None
        self.scale = nn.Parameter(torch.tensor(2.0))

    @staticmethod
    def get_default_feature_layer_for_metric(metric: str) -> str:
        return "colour"

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor]:
        return (images.to(torch.float32).mean(dim=(2, 3)) * self.scale,)


def test_other_extractors_are_fetched_once_and_checked_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = importlib.import_module("torch_fidelity.registry")
    monkeypatch.setitem(registry.FEATURE_EXTRACTORS_REGISTRY, "dinov2-vit-s-14", MeanColour)
    settings = ScoreSettings(extractor="dinov2-vit-s-14", samples=20)
    fetch_weights(settings, tmp_path)
    assert not needs_download(settings, tmp_path)
    extractor = build_extractor(settings, tmp_path, "cpu")
    images = blobs(20, 0)
    found = extract(extractor, as_batches(images, 8), 8)
    np.testing.assert_allclose(found.features, images.mean(axis=(1, 2)) * 2, rtol=1e-5)
    assert found.logits is None
    assert extractor.name == "dinov2_vit_s_14"
    weights.write_receipt(tmp_path, "dinov2-vit-s-14", "0" * 64)
    with pytest.raises(DataError, match="changed"):
        build_extractor(settings, tmp_path, "cpu")


def test_missing_package_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "torch_fidelity.registry", None)
    path = tmp_path / "w.pth"
    torch.save({}, path)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(DataError, match=r"ttur-study\[fid\]"):
        build_extractor(inception(path, sha256), tmp_path, "cpu")
