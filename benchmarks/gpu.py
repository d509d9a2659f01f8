"""What a GPU makes of training and scoring: ours, a plain loop, the same loop in a graph, torch-fidelity.

    python -m benchmarks.gpu [--seconds 60] [--images 10000] [--steps 2000] [--only training trials ...]

Tables: updates a second (one of D and one of G; loops take turns, medians of rounds), seconds of a score of
generated images and of the distance alone, and trials an hour with 1, 2, 4 and 8 of them at a time. Each line
that cannot be measured here says "not measured" and why. Needs neither Ray nor MLflow.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from benchmarks.gpu_loops import Case, Step, in_a_graph, our_loop, plain_loop
from benchmarks.gpu_scores import distances, scoring
from benchmarks.gpu_trials import side_by_side
from trainables.devices import accelerator, at_precision, kernels
from trainables.settings.adversarial import AdversarialSettings

ROUNDS = 5
WARM_UP = 5
"""Updates by which ours is recorded."""
WASSERSTEIN = {"loss": "wasserstein", "regulariser": "gradient_penalty"}
CASES = (
    Case("DCGAN 32x32, width 64", {"networks": {"name": "dcgan", "width": 64}}, 32),
    Case("DCGAN 8x8, width 16", {"networks": {"name": "dcgan", "width": 16}}, 8),
    Case(
        "WGAN-GP 32x32, width 64, penalty",
        {
            "networks": {"name": "wgan_gp", "width": 64},
            **WASSERSTEIN,
            "optimiser": {"beta1": 0.0, "beta2": 0.9},
        },
        32,
        (0.0, 0.9),
        10.0,
    ),
    Case("characters, 32 a line, penalty", {"networks": {"width": 128}}, 0, (0.5, 0.9), 10.0),
)
OURS: dict[str, dict[str, object]] = {
    "ours, one by one": {"cuda_graphs": False},
    "ours, in a graph": {},
    "ours, in a graph, fresh z": {"generator_latents": "fresh"},
    "ours, graph, fastest": {"deterministic": False},
    "ours, graph, fastest, tf32": {"deterministic": False, "precision": "tf32"},
    "ours, graph, fastest, bf16": {"deterministic": False, "precision": "bf16"},
}
"""Settings of ours; the last three give up exact repeating, two of them some digits."""


def rate(step: Step, seconds: float) -> float:
    """Updates a second, over about that many seconds; the host waits every tenth of a second or so."""
    torch.accelerator.synchronize()
    began, count, together = time.perf_counter(), 0, 1
    while time.perf_counter() - began < seconds:
        for _ in range(together):
            step()
        torch.accelerator.synchronize()
        count += together
        together = max(1, int(0.1 * count / (time.perf_counter() - began)))
    return count / (time.perf_counter() - began)


@contextmanager
def in_force(settings: AdversarialSettings, device: str) -> Iterator[None]:
    """Inside, updates are computed as a trial with these settings computes them."""
    with at_precision(settings.precision, device), kernels(repeatable=settings.deterministic):
        yield


def training(case: Case, seconds: float, device: str, folder: Path) -> None:
    """Prints updates a second of each loop, and how often the plain one's they are."""
    plain = case.settings(folder)
    made = {name: case.settings(folder, **said) for name, said in OURS.items()}
    makers: dict[str, Callable[[], Step]] = {
        "plain loop": lambda: plain_loop(case, plain, device, folder, False),
        "plain loop in a graph": lambda: in_a_graph(plain_loop(case, plain, device, folder, True)),
    }
    for name, settings in made.items():
        makers[name] = lambda settings=settings: our_loop(case, settings, device, folder)  # type: ignore[misc]
    loops: dict[str, Step] = {}
    found: dict[str, list[float]] = {}
    print(f"{case.title}, batch {plain.batch_size}: updates/s", flush=True)
    for name, make in makers.items():
        try:
            # The plain loops are measured in full precision and repeatable, too.
            with in_force(made.get(name, plain), device):
                loops[name] = make()
                for _ in range(WARM_UP):
                    loops[name]()
                first = rate(loops[name], 0.2)
            found[name] = []
            print(f"  {name}: about {first:.1f}/s at first", file=sys.stderr, flush=True)
        except (RuntimeError, AttributeError, AssertionError) as error:
            print(f"  {name:28s} not measured: {str(error).splitlines()[0]}")
    for _ in range(ROUNDS):
        for name, values in found.items():
            with in_force(made.get(name, plain), device):
                values.append(rate(loops[name], seconds / ROUNDS / len(found)))
    base = statistics.median(found["plain loop"])
    for name, values in found.items():
        median = statistics.median(values)
        print(f"  {name:28s}{median:10.1f}{median / base:8.2f}x", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="of training, all cases")
    parser.add_argument(
        "--case", default="", help="only cases of training with this in their title"
    )
    parser.add_argument("--images", type=int, default=10_000, help="of the measured score")
    parser.add_argument("--steps", type=int, default=2000, help="of the trials at a time")
    parser.add_argument("--weights", help="of Inception, a file; see the guide on scores")
    parser.add_argument("--cache", default=str(Path.home() / ".cache" / "ttur"))
    parts = ["training", "trials", "scores", "service"]
    parser.add_argument("--only", nargs="+", choices=parts, default=parts)
    given = parser.parse_args()
    device = accelerator()
    if device is None:
        print("not measured: this machine has no accelerator that torch sees")
        return
    name = torch.cuda.get_device_name() if device == "cuda" else device
    print(f"{name}, torch {torch.__version__}", flush=True)
    if "training" in given.only:
        with tempfile.TemporaryDirectory() as folder:
            chosen = [case for case in CASES if given.case in case.title]
            for case in chosen:
                training(case, given.seconds / len(chosen), device, Path(folder))
    if "trials" in given.only:
        side_by_side(device, given.steps, served=False)
    if "scores" in given.only:
        scoring(given, device)
        distances(device)
    if "service" in given.only:
        side_by_side(device, given.steps, served=True)


if __name__ == "__main__":
    main()
