"""A whole FID, from images to the distance: ours, torch-fidelity and pytorch-fid, on the same images.

    OMP_NUM_THREADS=1 python -m benchmarks.fid [--images 1000] [--weights FILE] [--rounds 3]

The generated side only: each keeps the real side's moments from before. Without the file of weights each has
the same random ones: the work is the same, but the distances, which are tiny then, mean nothing.
Times are CPU-seconds, medians of rounds that take turns. Needs the extra `bench`.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainables.scores import frechet
from trainables.scores.extractor import as_batches, build_extractor, extract
from trainables.settings.score import ScoreSettings

BATCH = 50
Fid = Callable[[Tensor], tuple[float, float]]
"""Takes uint8 images (N, 3, H, W); returns the distance and the seconds of the features."""
Clock = Callable[[], float]


def images_of(count: int, seed: int) -> Tensor:
    """Smooth colour images, uint8, (N, 3, 32, 32)."""
    random = np.random.default_rng(seed)
    coarse = torch.from_numpy(random.uniform(0, 255, (count, 3, 5 + seed, 5 + seed))).float()
    smooth = torch.nn.functional.interpolate(coarse, size=32, mode="bicubic")
    return smooth.clamp(0, 255).to(torch.uint8)


def random_weights(folder: Path) -> Path:
    """A file of random weights in the layout that torch-fidelity and pytorch-fid share."""
    module = importlib.import_module("torch_fidelity.feature_extractor_inceptionv3")
    cls, fetch = module.FeatureExtractorInceptionV3, module.load_state_dict_from_url
    load = cls.load_state_dict
    torch.manual_seed(0)
    module.load_state_dict_from_url, cls.load_state_dict = (lambda *_, **__: None), lambda *_: None
    try:
        network = cls("inception-v3-compat", ["2048"], verbose=False)
    finally:
        module.load_state_dict_from_url, cls.load_state_dict = fetch, load
    torch.save(network.state_dict(), folder / "weights.pth")
    return folder / "weights.pth"


def ours(weights: Path, real: Tensor) -> Fid:
    """The product's own, with the reference that it keeps of the real side."""
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    settings = ScoreSettings(extractor="inception", weights=str(weights), weights_sha256=digest)
    extractor = build_extractor(settings, weights.parent, "cpu")

    def features(images: Tensor) -> Tensor:
        return extract(
            extractor, as_batches(images.permute(0, 2, 3, 1).numpy(), BATCH), BATCH
        ).features

    kept = frechet.reference(frechet.moments(features(real)))

    def fid(images: Tensor) -> tuple[float, float]:
        began = time.process_time()
        found = features(images)
        return frechet.distance(kept, found), time.process_time() - began

    return fid


def torch_fidelity(
    weights: Path,
    real: Tensor,
    device: str = "cpu",
    batch: int = BATCH,
    clock: Clock = time.process_time,
) -> Fid:
    """torch-fidelity's extractor on a device, its statistics and its distance, which has no noise."""
    module: Any = importlib.import_module("torch_fidelity.feature_extractor_inceptionv3")
    fid_of: Any = importlib.import_module("torch_fidelity.metric_fid")
    network = module.FeatureExtractorInceptionV3(
        "inception-v3-compat", ["2048"], feature_extractor_weights_path=str(weights), verbose=False
    )
    network.to(device).eval()

    @torch.no_grad()
    def features(images: Tensor) -> Tensor:
        return torch.cat([network(part.to(device))[0].cpu() for part in images.split(batch)])

    kept = fid_of.fid_features_to_statistics(features(real))

    def fid(images: Tensor) -> tuple[float, float]:
        began = clock()
        found = features(images)
        seconds = clock() - began
        made = fid_of.fid_features_to_statistics(found)
        key = "frechet_inception_distance"
        return float(fid_of.fid_statistics_to_metric(made, kept, False)[key]), seconds

    return fid


def pytorch_fid(weights: Path, real: Tensor) -> Fid:
    """pytorch-fid's network and distance; images come from memory, not from files as it has them."""
    inception: Any = importlib.import_module("pytorch_fid.inception")
    score: Any = importlib.import_module("pytorch_fid.fid_score")
    state = torch.load(weights, weights_only=True)
    inception.load_state_dict_from_url = lambda *_, **__: state
    network = inception.InceptionV3([inception.InceptionV3.BLOCK_INDEX_BY_DIM[2048]]).eval()

    @torch.no_grad()
    def features(images: Tensor) -> np.ndarray:
        parts = [network(batch.float() / 255)[0].flatten(1) for batch in images.split(BATCH)]
        return torch.cat(parts).numpy()

    def moments(found: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.mean(found, axis=0), np.cov(found, rowvar=False)

    kept = moments(features(real))

    def fid(images: Tensor) -> tuple[float, float]:
        began = time.process_time()
        found = features(images)
        seconds = time.process_time() - began
        return float(score.calculate_frechet_distance(*moments(found), *kept)), seconds

    return fid


PEERS = {"ours": ours, "torch-fidelity": torch_fidelity, "pytorch-fid": pytorch_fid}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--weights", type=Path, help="pt_inception-2015-12-05-6726825d.pth")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--untimed", action="store_true", help="leave out peers that take seconds")
    given = parser.parse_args()
    torch.set_num_threads(1)
    real, made = images_of(given.images, 1), images_of(given.images, 3)
    with tempfile.TemporaryDirectory() as folder:
        weights = given.weights or random_weights(Path(folder))
        chosen = dict(list(PEERS.items())[:2] if given.untimed else PEERS.items())
        fids, values = {name: peer(weights, real) for name, peer in chosen.items()}, {}
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in fids}
        for _ in range(given.rounds):
            for name, fid in fids.items():
                began = time.process_time()
                values[name], extraction = fid(made)
                times[name].append((time.process_time() - began, extraction))
    of = "published" if given.weights else "random"
    print(
        f"FID of {given.images} images of 32x32, {of} weights, CPU-seconds, medians of {given.rounds}"
    )
    print(f"  {'':16s}{'whole':>9s}{'features':>10s}{'to ours':>9s}{'distance':>14s}")
    base = statistics.median(whole for whole, _ in times["ours"])
    for name, each in times.items():
        whole, features = (statistics.median(part) for part in zip(*each, strict=True))
        print(f"  {name:16s}{whole:9.2f}{features:10.2f}{whole / base:9.2f}{values[name]:14.6g}")


if __name__ == "__main__":
    main()
