"""Draws images of one's own, a bright disc somewhere in the dark, as a folder of PNG files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

FOLDER = Path("discs")
IMAGES = 200
SIDE = 16


def draw(folder: Path) -> None:
    """Writes the images into a folder, which is made if need be."""
    folder.mkdir(exist_ok=True)
    random = np.random.default_rng(0)
    y, x = np.mgrid[:SIDE, :SIDE]
    for index in range(IMAGES):
        top, left = random.uniform(5, SIDE - 5, 2)
        disc = (y - top) ** 2 + (x - left) ** 2 < 16
        shade = 230 * disc + random.integers(0, 20, (SIDE, SIDE))
        Image.fromarray(shade.astype(np.uint8)).save(folder / f"{index:03}.png")


if __name__ == "__main__":
    draw(FOLDER)
    print(f"{IMAGES} images of {SIDE}x{SIDE} pixels are in {FOLDER}")
