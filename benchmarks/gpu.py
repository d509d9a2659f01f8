"""What a GPU makes of training and scoring: ours, a plain loop, the same loop in a graph, torch-fidelity.

    python -m benchmarks.gpu [--side 32] [--width 64] [--batch 64] [--seconds 120]

Three tables: updates a second (one of D and one of G; loops take turns, medians of rounds), seconds of a FID
of generated images, and trials an hour with 1, 2, 4 and 8 of them at a time. Each line that cannot be
measured here says "not measured" and why. Needs neither Ray nor MLflow.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from trainables.devices import accelerator, at_precision, kernels
from trainables.gan.batches import ImageBatches
from trainables.gan.game import GanGame
from trainables.gan.streams import Streams
from trainables.kinds import build_trial
from trainables.networks.build import build
from trainables.protocol import Context, Parameters
from trainables.settings.gan import GanSettings

Step = Callable[[], None]
RATES = {"b": 1e-4, "a": 5e-4}
ROUNDS = 5
TOGETHER = (1, 2, 4, 8)
FASTER: dict[str, dict[str, object]] = {
    "ours, fastest kernels": {"precision": "fp32"},
    "ours, tf32": {"precision": "tf32"},
    "ours, bf16": {},
}
"""Settings that give up exact repeating, and some digits; same z for G."""


def images_of(side: int, count: int = 2000) -> np.ndarray:
    shape = (count, side, side, 3)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def settings_of(given: argparse.Namespace, latents: str, **further: object) -> GanSettings:
    return GanSettings.model_validate(
        {
            "data": "digits",
            "networks": {"name": "dcgan", "width": given.width},
            "batch_size": given.batch,
            "steps": 10**6,
            "evaluate_every": 10**6,
            "generator_latents": latents,
            **further,
        }
    )


def our_loop(settings: GanSettings, images: np.ndarray, device: str) -> Step:
    """The trial's own update, with its checks for values that are not finite."""
    streams = Streams(0, device)
    networks = build(settings.networks, 3, images.shape[1], streams.weights_seed)
    batches = ImageBatches(images, settings.batch_size, False, streams, device)
    parameters = Parameters(d_steps=1, **RATES)
    game, n = GanGame(settings, parameters, networks, batches, streams, device), 0

    def step() -> None:
        nonlocal n
        n += 1
        game.step(n)

    return step


def plain_loop(settings: GanSettings, images: np.ndarray, device: str, capturable: bool) -> Step:
    """A loop as it is written for speed: resident data, fused Adam, G's samples made once, no reads."""
    pair, batch = build(settings.networks, 3, images.shape[1], 0), settings.batch_size
    g, d = (
        network.to(device, memory_format=torch.channels_last).train()
        for network in (pair.generator, pair.discriminator)
    )
    data = torch.from_numpy(images).to(device).permute(0, 3, 1, 2)
    g_adam, d_adam = (
        torch.optim.Adam(net.parameters(), rate, (0.5, 0.999), fused=True, capturable=capturable)
        for net, rate in ((g, RATES["a"]), (d, RATES["b"]))
    )

    def step() -> None:
        chosen = torch.randint(len(data), (batch,), device=device)
        real = data[chosen].float().div_(127.5).sub_(1)
        fake = g(torch.rand(batch, pair.latent.length, device=device) * 2 - 1)
        d_adam.zero_grad()
        (F.softplus(-d(real)).mean() + F.softplus(d(fake.detach())).mean()).backward()
        d_adam.step()
        g_adam.zero_grad()
        F.softplus(-d(fake)).mean().backward()
        g_adam.step()

    return step


def in_a_graph(step: Step) -> Step:
    """The same loop, launched as one CUDA graph."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay


def rate(step: Step, seconds: float) -> float:
    """Updates a second, over about that many seconds."""
    torch.accelerator.synchronize()
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        for _ in range(10):
            step()
        torch.accelerator.synchronize()
        count += 10
    return count / (time.perf_counter() - began)


@contextmanager
def in_force(settings: GanSettings, device: str) -> Iterator[None]:
    """Inside, updates are computed as a trial with these settings computes them."""
    with at_precision(settings.precision, device), kernels(repeatable=settings.deterministic):
        yield


def training(given: argparse.Namespace, device: str) -> None:
    images = images_of(given.side)
    makers: dict[str, Callable[[], Step]] = {
        "plain loop": lambda: plain_loop(settings_of(given, "same"), images, device, False),
        "ours, same z for G": lambda: our_loop(settings_of(given, "same"), images, device),
        "ours, fresh z for G": lambda: our_loop(settings_of(given, "fresh"), images, device),
        "plain loop in a graph": lambda: in_a_graph(
            plain_loop(settings_of(given, "same"), images, device, True)
        ),
    }
    fast = {"precision": "bf16", "deterministic": False}
    faster = {name: settings_of(given, "same", **fast | said) for name, said in FASTER.items()}
    makers |= {name: partial(our_loop, each, images, device) for name, each in faster.items()}
    found: dict[str, list[float]] = {}
    loops: dict[str, Step] = {}
    print(f"DCGAN {given.side}x{given.side}, width {given.width}, batch {given.batch}: updates/s")

    def as_set(name: str) -> AbstractContextManager[None]:
        """What a trial enters around its updates; the plain loops are measured in full precision, too."""
        return in_force(faster.get(name, settings_of(given, "same")), device)

    for name, make in makers.items():
        try:
            with as_set(name):
                loops[name] = make()
                rate(loops[name], 0.5)
            found[name] = []
        except (RuntimeError, AttributeError, AssertionError) as error:
            print(f"  {name:24s} not measured: {str(error).splitlines()[0]}")
    for _ in range(ROUNDS):
        for name, values in found.items():
            with as_set(name):
                values.append(rate(loops[name], given.seconds / 3 / ROUNDS / len(found)))
    base = statistics.median(found["plain loop"])
    for name, values in found.items():
        median = statistics.median(values)
        print(f"  {name:24s}{median:10.1f}{median / base:8.2f}x")


class Pictures(torch.utils.data.Dataset[torch.Tensor]):
    """Images as torch-fidelity takes them."""

    def __init__(self, images: torch.Tensor) -> None:
        self._images = images

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> torch.Tensor:
        return self._images[index]


def scoring(given: argparse.Namespace, device: str) -> None:
    """Seconds from images to the distance, features and moments included."""
    print(f"FID of {given.images} images at 32x32: seconds")
    try:
        import torch_fidelity

        from trainables.scores import frechet
        from trainables.scores.extractor import as_batches, build_extractor, extract
        from trainables.settings.score import ScoreSettings

        settings = ScoreSettings(extractor="inception", samples=given.images, weights=given.weights)
        extractor = build_extractor(settings, Path(given.cache), device)
    except (ImportError, ValueError, OSError) as error:
        print(f"  not measured: {str(error).splitlines()[0]}")
        return
    images = images_of(32, 2 * given.images)[: given.images]
    other = extract(
        extractor, as_batches(images_of(32, 2 * given.images)[given.images :], 256), 256
    )
    real = frechet.reference(frechet.moments(other.features))
    torch.accelerator.synchronize()
    began = time.perf_counter()
    value = frechet.distance(real, extract(extractor, as_batches(images, 256), 256).features)
    ours = time.perf_counter() - began
    chw = torch.from_numpy(images_of(32, 2 * given.images)).permute(0, 3, 1, 2).contiguous()
    began = time.perf_counter()
    theirs = torch_fidelity.calculate_metrics(
        input1=Pictures(chw[: given.images]),
        input2=Pictures(chw[given.images :]),
        fid=True,
        cuda=device == "cuda",
        batch_size=256,
        verbose=False,
    )
    peer = (time.perf_counter() - began) / 2  # it extracts both sides
    print(f"  ours {ours:.2f} (FID {value:.4f}); torch-fidelity {peer:.2f} ({theirs})")


def one_trial(device: str, cache: str, seed: int, steps: int) -> None:
    """A whole trial on the digits, evaluations included."""
    config: dict[str, Any] = {
        "kind": "gan",
        "data": "digits",
        "networks": {"name": "dcgan", "width": 32},
        "steps": steps,
        "evaluate_every": steps // 2,
        "score": {"extractor": "digits", "samples": 1000},
    }
    context = Context(seed=seed, device=device, cache=cache)
    trial = build_trial(config, Parameters(d_steps=1, **RATES), context)
    while not trial.finished:
        trial.advance()


def side_by_side(device: str) -> None:
    print(
        "Trials of 2,000 updates on the digits (DCGAN, width 32), several at a time: trials an hour"
    )
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as cache:
        one_trial("cpu", cache, 0, 2)  # prepares what all share
        for count in TOGETHER:
            with spawn.Pool(count) as pool:
                pool.starmap(one_trial, [(device, cache, i, 20) for i in range(count)], 1)
                began = time.perf_counter()
                pool.starmap(one_trial, [(device, cache, i, 2000) for i in range(count)], 1)
                took = time.perf_counter() - began
            print(f"  {count} at a time{3600 * count / took:12.0f}   ({took:.1f} s)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=32)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=60, help="of the measurement of training")
    parser.add_argument("--images", type=int, default=10_000, help="of the measured FID")
    parser.add_argument("--weights", help="of Inception, a file; see the guide on scores")
    parser.add_argument("--cache", default=str(Path.home() / ".cache" / "ttur"))
    given = parser.parse_args()
    device = accelerator()
    if device is None:
        print("not measured: this machine has no accelerator that torch sees")
        return
    name = torch.cuda.get_device_name() if device == "cuda" else device
    print(f"{name}, torch {torch.__version__}")
    training(given, device)
    scoring(given, device)
    side_by_side(device)


if __name__ == "__main__":
    main()
