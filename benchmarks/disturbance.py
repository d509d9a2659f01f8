"""The paper's disturbance test (Fig. 3): the score rises with the level of each of six kinds.

    python -m benchmarks.disturbance                                   # digits, no download
    python -m benchmarks.disturbance --data cifar10 --extractor efficientnet_lite0 \
        --samples 5000 --figure disturbance.png

Prints one row per kind: score and its noise at each level. ``--other`` names the images that
contaminate (default: patches of scikit-learn's two photographs).
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch

from trainables.data.images import load_images
from trainables.levels import Score
from trainables.scores.disturb import Disturbance, disturbances, photograph_patches
from trainables.scores.extractor import as_batches
from trainables.scores.scorer import Sampler, build_scorer
from trainables.settings.data import DataSettings
from trainables.settings.score import ScoreSettings

CHUNK = 500
Rows = dict[str, list[tuple[float, Score]]]


def disturbed(images: np.ndarray, kind: Disturbance, level: float) -> Sampler:
    """A generator that yields real images, disturbed."""

    def sample(draw: int, count: int) -> Iterator[torch.Tensor]:
        random = np.random.default_rng(draw)
        chosen = random.choice(len(images), size=count, replace=count > len(images))
        for start in range(0, count, CHUNK):
            part = np.asarray(images[chosen[start : start + CHUNK]])
            changed = part if level == 0 else kind.apply(part, level, random)
            yield from as_batches(changed, CHUNK)

    return sample


def measure(
    data: DataSettings, other: DataSettings | None, score: ScoreSettings, cache: Path
) -> Rows:
    """Scores every kind at every level, printing each row when it is complete."""
    real = load_images(data, cache)
    size, channels = real.images.shape[1], real.images.shape[3]
    others = (
        photograph_patches(5000, size, channels, seed=0)
        if other is None
        else load_images(
            other.model_copy(update={"size": size, "channels": channels}), cache
        ).images
    )
    scorer = build_scorer(score, real, cache, "cpu")
    print(f"{scorer.name} of {real.name}, {len(real.images)} real images")
    rows: Rows = {}
    for name, kind in disturbances(others).items():
        rows[name] = [
            (level, scorer.evaluate(disturbed(real.images, kind, level))) for level in kind.levels
        ]
        values = [one.value for _, one in rows[name]]
        cells = "  ".join(
            f"{level:g}: {one.value:.4g} +-{one.noise:.2g}" for level, one in rows[name]
        )
        rises = all(low < high for low, high in pairwise(values))
        print(f"{name:18s}{cells}  {'rises' if rises else 'DOES NOT RISE'}", flush=True)
    return rows


def draw(rows: Rows, name: str, path: Path) -> None:
    """Draws the six panels of Fig. 3 (needs matplotlib, the extra `plots`)."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 6), layout="constrained")
    for axes, (kind, row) in zip(figure.subplots(2, 3).flat, rows.items(), strict=True):
        levels = [f"{level:g}" for level, _ in row]
        noise = [one.noise for _, one in row]
        axes.errorbar(levels, [one.value for _, one in row], noise, marker="o", capsize=3)
        axes.set(title=kind.replace("_", " "), xlabel="level", ylabel=name, ylim=(0, None))
    figure.savefig(path, dpi=120)
    print(f"figure: {path}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", default="digits", help="name or path, as in a spec")
    parser.add_argument("--other", help="name or path of the images that contaminate")
    parser.add_argument("--extractor", default="digits")
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--input-size", type=int)
    parser.add_argument("--limit", type=int, help="use only so many real images")
    parser.add_argument(
        "--cache", type=Path, help="kept between runs (default: a temporary folder)"
    )
    parser.add_argument("--figure", type=Path)
    given = parser.parse_args()
    data = DataSettings.model_validate(given.data).model_copy(update={"limit": given.limit})
    other = None if given.other is None else DataSettings.model_validate(given.other)
    score = ScoreSettings(
        extractor=given.extractor, samples=given.samples, input_size=given.input_size
    )
    with tempfile.TemporaryDirectory() as temporary:
        rows = measure(data, other, score, given.cache or Path(temporary))
    if given.figure is not None:
        draw(rows, score.name_for(data.stated_split), given.figure)


if __name__ == "__main__":
    main()
