"""The bundled extractor: a small classifier of scikit-learn's handwritten digits.

It lets a study be scored without a download. ``python -m trainables.scores.train_digits`` trains it
from a fixed seed; ``weights/digits.md`` is its card.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import safetensors.torch
import torch
import torch.nn.functional as F
from torch import nn

from trainables.settings.score import ScoreSettings

WEIGHTS = Path(__file__).with_name("weights") / "digits.safetensors"
SIDE = 8
FEATURES = 64


class DigitsNetwork(nn.Module):
    """Three 3x3 convolutions and a hidden layer of 64, whose activations are the features."""

    def __init__(self) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
        )
        self.hidden = nn.Linear(256, FEATURES)  # 64 maps of 2 x 2
        self.classes = nn.Linear(FEATURES, 10)

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Maps images (B x 1 x 8 x 8, float32 in 0..1) to features (B x 64) and logits (B x 10)."""
        features = F.relu(self.hidden(self.convolutions(images)))
        return features, self.classes(features)


def to_input(images: torch.Tensor) -> torch.Tensor:
    """Brings uint8 images (B x C x H x W) to what the network sees: mean grey, 8 x 8, 0..1."""
    grey = images.to(torch.float32).mean(dim=1, keepdim=True) / 255
    if grey.shape[2:] == (SIDE, SIDE):
        return grey
    return F.interpolate(grey, size=(SIDE, SIDE), mode="bilinear", antialias=True)


class DigitsExtractor:
    """The classifier with the shipped weights."""

    name = "digits"

    def __init__(self, device: str) -> None:
        content = WEIGHTS.read_bytes()
        self.weights_sha256 = hashlib.sha256(content).hexdigest()
        self.identity = f"digits:1:{self.weights_sha256}"
        self._device = torch.device(device)
        self._network = DigitsNetwork()
        self._network.load_state_dict(safetensors.torch.load(content))
        self._network.to(self._device).eval().requires_grad_(False)

    def __call__(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Extracts features (B x 64) and logits (B x 10)."""
        features, logits = self._network(to_input(images.to(self._device)))
        return features, logits


def build_digits(_settings: ScoreSettings, _cache: Path, device: str) -> DigitsExtractor:
    """Builds the extractor, which has no settings."""
    return DigitsExtractor(device)
