"""torch-fidelity's extractors on a stand-in for its registry: what is asked of it, and what is made of it."""

from __future__ import annotations

import hashlib
import io
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from trainables.data.errors import DataError
from trainables.scores import fidelity, weights
from trainables.scores.fidelity import DOWNLOADED, INCEPTION_FILE, FidelityExtractor
from trainables.settings.score import ScoreSettings


class Network(nn.Module):
    """The mean colour times a weight, and as logits the colours of the first pixel, if they are asked for."""

    def __init__(self, *given: Any, verbose: bool) -> None:
        super().__init__()
        assert verbose is False
        self.name, self.layers, self.file = given
        if isinstance(self.file, io.BytesIO) and self.file.getvalue() == b"of another":
            raise RuntimeError("size mismatch")
        self.scale = nn.Parameter(torch.tensor([2.0]))
        self.convolution = nn.Conv2d(3, 2, 3)
        self.dropped = nn.Dropout(0.5)
        self.folder = torch.hub.get_dir()

    @staticmethod
    def get_default_feature_layer_for_metric(metric: str) -> str:
        return f"layer of {metric}"

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        features = self.dropped(images.float().mean(dim=(2, 3)) * self.scale)
        return features, *(images[:, :, 0, 0].float() for _ in self.layers[1:])


REGISTRY = dict.fromkeys(
    ("inception-v3-compat", "vgg16", "clip-vit-b-32", "dinov2-vit-s-14"), Network
)


@pytest.fixture(autouse=True)
def package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A torch-fidelity, and a hub of torch that is empty."""
    parts: dict[str, dict[str, object]] = {
        "registry": {"FEATURE_EXTRACTORS_REGISTRY": REGISTRY},
        "feature_extractor_clip": {"MODEL_METADATA": {"clip-vit-b-32": {"hash": sha256(b"clip")}}},
        "feature_extractor_inceptionv3": {"URL_INCEPTION_V3": "https://weights.of/inception"},
    }
    package = ModuleType("torch_fidelity")
    package.__path__ = []
    monkeypatch.setitem(sys.modules, "torch_fidelity", package)
    for name, content in parts.items():
        module = ModuleType(name)
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, f"torch_fidelity.{name}", module)
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "hub"))


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def plain_weights(path: Path) -> str:
    """Writes a file of weights and returns its sum."""
    torch.save({"weight": torch.ones(2)}, path)
    return sha256(path.read_bytes())


def images(count: int = 3, channels: int = 3) -> Tensor:
    stream = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, channels, 4, 5), generator=stream, dtype=torch.uint8)


def network_of(extractor: FidelityExtractor) -> Network:
    network = extractor._network
    assert isinstance(network, Network)
    return network


def test_inception_gives_features_and_logits_of_the_checked_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.pth"
    found = plain_weights(path)
    settings = ScoreSettings(extractor="inception", weights=str(path), weights_sha256=found)
    extractor = fidelity.build_inception(settings, tmp_path, "cpu")
    network = network_of(extractor)
    assert (network.name, network.layers) == (
        "inception-v3-compat",
        ["layer of fid", "layer of isc"],
    )
    assert network.file.getvalue() == path.read_bytes()
    assert (extractor.name, extractor.weights_sha256) == ("inception", found)
    assert extractor.identity == f"inception:1:{found}"
    assert not network.dropped.training
    assert not network.scale.requires_grad
    assert network.convolution.weight.is_contiguous(memory_format=torch.channels_last)
    features, logits = extractor(images())
    torch.testing.assert_close(features, images().float().mean((2, 3)) * 2)
    assert logits is not None
    assert torch.equal(logits, images()[:, :, 0, 0].float())
    grey, _ = extractor(images(channels=1))
    torch.testing.assert_close(grey, images(channels=1).float().mean((2, 3)).expand(3, 3) * 2)


def test_inception_is_taken_from_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = weights.inception_paths(tmp_path)[0]
    path.parent.mkdir(parents=True)
    monkeypatch.setattr(weights, "INCEPTION_SHA256", plain_weights(path))
    network = network_of(
        fidelity.build_inception(ScoreSettings(extractor="inception"), tmp_path, "cpu")
    )
    assert network.file.getvalue() == path.read_bytes()


class Placed:
    """Images that note the device that they are brought to."""

    def __init__(self) -> None:
        self.devices: list[object] = []

    def to(self, device: object) -> Tensor:
        self.devices.append(device)
        return images()


def test_images_and_network_meet_on_the_device() -> None:
    network, there = Network("n", [], None, verbose=False), Placed()
    extractor = FidelityExtractor("a-b-c", network, "s", "cpu")
    extractor(there)  # type: ignore[arg-type]
    assert there.devices == [torch.device("cpu")]
    assert extractor.name == "a_b_c"
    assert FidelityExtractor("n", network, "s", "meta")._network.scale.is_meta


@pytest.mark.parametrize("name", ["vgg16", "clip-vit-b-32"])
def test_an_extractor_of_a_given_file_has_features_alone(tmp_path: Path, name: str) -> None:
    path = tmp_path / "mine.pth"
    found = plain_weights(path)
    settings = ScoreSettings(extractor=name, weights=str(path), weights_sha256=found)
    extractor = fidelity.build_fidelity(settings, tmp_path, "cpu")
    network = network_of(extractor)
    assert (network.name, network.layers) == (name, ["layer of fid"])
    assert network.file.getvalue() == path.read_bytes()
    assert (extractor.name, extractor.weights_sha256) == (name.replace("-", "_"), found)
    assert extractor.identity == f"{name}:1:{found}"
    assert extractor(images())[1] is None


def test_the_sum_of_clips_file_is_known_and_that_of_others_has_to_be_stated(tmp_path: Path) -> None:
    (tmp_path / "mine.pt").write_bytes(
        b"clip"
    )  # an archive of TorchScript, which clip loads itself
    clip = ScoreSettings(extractor="clip-vit-b-32", weights=str(tmp_path / "mine.pt"))
    assert fidelity.build_fidelity(clip, tmp_path, "cpu").weights_sha256 == sha256(b"clip")
    assert fidelity.published_sha256("clip-vit-b-32") == sha256(b"clip")
    assert fidelity.published_sha256("vgg16") is None
    (tmp_path / "mine.pt").write_bytes(b"another")
    with pytest.raises(DataError, match=f"{sha256(b'another')}, not {sha256(b'clip')}"):
        fidelity.build_fidelity(clip, tmp_path, "cpu")
    vgg = ScoreSettings(
        extractor="vgg16",
        weights=str(tmp_path / "mine.pt"),
        weights_sha256=sha256(b"another"),
    )
    with pytest.raises(DataError, match="not a file of plain weights"):
        fidelity.build_fidelity(vgg, tmp_path, "cpu")


def test_a_file_of_another_network_is_said(tmp_path: Path) -> None:
    (tmp_path / "mine.pt").write_bytes(b"of another")
    settings = ScoreSettings(
        extractor="clip-vit-b-32",
        weights=str(tmp_path / "mine.pt"),
        weights_sha256=sha256(b"of another"),
    )
    with pytest.raises(DataError) as caught:
        fidelity.build_fidelity(settings, tmp_path, "cpu")
    assert str(caught.value) == (
        "score.weights do not fit clip-vit-b-32: they are of another network"
    )


def test_fetched_weights_are_kept_in_the_cache_and_their_sum_is_checked(tmp_path: Path) -> None:
    settings = ScoreSettings(extractor="dinov2-vit-s-14")
    name, before = settings.extractor, torch.hub.get_dir()
    assert DOWNLOADED.missing(name, tmp_path)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        DOWNLOADED.fetch(name, tmp_path)
        assert not DOWNLOADED.missing(name, tmp_path)
        torch.manual_seed(3)
        extractor = fidelity.build_fidelity(settings, tmp_path, "cpu")
        network = network_of(extractor)
        assert (network.name, network.layers, network.file) == (name, ["layer of fid"], None)
        assert Path(network.folder) == tmp_path / "weights" / "hub"
        assert torch.hub.get_dir() == before
        found = weights.state_sha256(network)
        assert (extractor.name, extractor.weights_sha256) == ("dinov2_vit_s_14", found)
        assert extractor.identity == f"dinov2-vit-s-14:1:{found}"
        torch.manual_seed(4)
        with pytest.raises(DataError) as caught:
            fidelity.build_fidelity(settings, tmp_path, "cpu")
    assert str(caught.value) == (
        f"the weights of {name} in {tmp_path} changed; delete them and prepare again"
    )


@pytest.mark.parametrize("error", [OSError("no route"), RuntimeError("no route")])
def test_a_download_that_fails_is_said_and_no_receipt_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    folders = []

    def broken(*_: object, **__: object) -> nn.Module:
        folders.append(torch.hub.get_dir())
        raise error

    broken.get_default_feature_layer_for_metric = str  # type: ignore[attr-defined]
    monkeypatch.setitem(REGISTRY, "vgg16", broken)  # type: ignore[arg-type]
    with pytest.raises(DataError) as caught:
        DOWNLOADED.fetch("vgg16", tmp_path)
    assert str(caught.value) == "the weights of vgg16 could not be downloaded: no route"
    assert list(map(Path, folders)) == [tmp_path / "weights" / "hub"]
    assert DOWNLOADED.missing("vgg16", tmp_path)


def test_inceptions_file_is_looked_for_in_both_places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[object, ...]] = []
    monkeypatch.setattr(weights, "fetch_inception", lambda *arguments: asked.append(arguments))
    INCEPTION_FILE.fetch("inception", tmp_path)
    assert asked == [(tmp_path, "https://weights.of/inception")]
    ours, theirs = weights.inception_paths(tmp_path)
    assert ours == tmp_path / "weights" / weights.INCEPTION_FILE
    assert theirs == tmp_path / "hub" / "checkpoints" / weights.INCEPTION_FILE
    assert INCEPTION_FILE.missing("inception", tmp_path)
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(b"")
    assert not INCEPTION_FILE.missing("inception", tmp_path)


def test_without_the_package_the_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "torch_fidelity.registry", None)
    asked = {
        "inception": fidelity.inception_url,
        "clip-vit-b-32": lambda: fidelity.published_sha256("clip-vit-b-32"),
        "dinov2-vit-s-14": lambda: DOWNLOADED.fetch("dinov2-vit-s-14", tmp_path),
    }
    for name, ask in asked.items():
        with pytest.raises(DataError) as caught:
            ask()
        assert str(caught.value) == (
            f"the extractor {name} needs torch-fidelity: pip install 'ttur-study[fid]'"
        )
