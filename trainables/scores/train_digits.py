"""Trains the bundled digits classifier from a fixed seed and writes its weights and its card.

    python -m trainables.scores.train_digits [--output FOLDER]

Four fifths of the 1797 images train it, one fifth (stratified) tests it and is never trained on.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from trainables.scores.digits import WEIGHTS, DigitsNetwork

SEED = 0
EPOCHS = 60
BATCH = 64
SMALLEST_ACCURACY = 0.97

CARD = """# Weights of the digits classifier

- Network: `trainables.scores.digits.DigitsNetwork`, {parameters:,} parameters; its 64 hidden
  activations are the features of `fd_digits_*`.
- Data: scikit-learn's bundled 8 x 8 handwritten digits (UCI ML hand-written digits, CC BY 4.0):
  {train} images train it, {test} images (stratified) only test it.
- Test accuracy: {accuracy:.2%}.
- Made by: `python -m trainables.scores.train_digits` (seed {seed}, {epochs} epochs, one thread).
- Licence: that of this repository.
"""


def split() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Training and test images (N x 1 x 8 x 8 in 0..1) and labels: the split of the card."""
    digits = load_digits()
    images = np.round(digits.images * (255 / 16)).astype(np.float32)[:, None] / 255
    parts = train_test_split(
        images, digits.target, test_size=0.2, random_state=SEED, stratify=digits.target
    )
    train_images, test_images, train_labels, test_labels = map(torch.from_numpy, parts)
    return train_images, test_images, train_labels, test_labels


def disturb(images: torch.Tensor, random: torch.Generator) -> torch.Tensor:
    """Moves each image by up to a pixel either way and varies its contrast."""
    moved = F.pad(images, (1, 1, 1, 1))
    down, right = (int(torch.randint(3, (), generator=random)) for _ in range(2))
    contrast = 0.7 + 0.6 * torch.rand(len(images), 1, 1, 1, generator=random)
    return (moved[..., down : down + 8, right : right + 8] * contrast).clamp(max=1)


def train(images: torch.Tensor, labels: torch.Tensor) -> DigitsNetwork:
    """Trains a new network by Adam with a cosine rate."""
    torch.manual_seed(SEED)
    random = torch.Generator().manual_seed(SEED)
    network = DigitsNetwork()
    optimiser = torch.optim.Adam(network.parameters(), lr=2e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, EPOCHS)
    for _ in range(EPOCHS):
        for chosen in torch.split(torch.randperm(len(images), generator=random), BATCH):
            _, logits = network(disturb(images[chosen], random))
            loss = F.cross_entropy(logits, labels[chosen], label_smoothing=0.05)
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
        schedule.step()
    return network.eval()


def accuracy(network: DigitsNetwork, images: torch.Tensor, labels: torch.Tensor) -> float:
    """Fraction of images that the network classifies rightly."""
    with torch.inference_mode():
        _, logits = network(images)
    return float((logits.argmax(dim=1) == labels).float().mean())


def main() -> None:
    """Trains, measures and writes; fails if the test accuracy is below 97 %."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=WEIGHTS.parent)
    folder: Path = parser.parse_args().output
    torch.set_num_threads(1)
    train_images, test_images, train_labels, test_labels = split()
    network = train(train_images, train_labels)
    reached = accuracy(network, test_images, test_labels)
    if reached < SMALLEST_ACCURACY:
        raise SystemExit(f"test accuracy is {reached:.2%}; {SMALLEST_ACCURACY:.0%} is needed")
    folder.mkdir(parents=True, exist_ok=True)
    safetensors.torch.save_file(network.state_dict(), folder / WEIGHTS.name)
    card = CARD.format(
        parameters=sum(weight.numel() for weight in network.parameters()),
        train=len(train_images),
        test=len(test_images),
        accuracy=reached,
        seed=SEED,
        epochs=EPOCHS,
    )
    (folder / "digits.md").write_text(card)
    sys.stdout.write(card)


if __name__ == "__main__":
    main()
