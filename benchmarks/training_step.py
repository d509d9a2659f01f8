"""Time of one GAN update: ours, and the loops that people write, with the same networks in one run.

    OMP_NUM_THREADS=1 python -m benchmarks.training_step [--networks dcgan] [--side 32] [--width 64]

One update is one of D and one of G. The loops take turns, and the median of their rounds counts, so that
other work on the machine does less harm; times are CPU-seconds of one thread. With ``--compile`` ours is also
run with both networks compiled (torch.compile), and what its first update cost, which compiles, is printed.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks import children, gpu_loops
from trainables.gan.batches import ImageBatches
from trainables.gan.game import GanGame
from trainables.gan.streams import Streams
from trainables.language.text import load_text
from trainables.networks.as_code import as_code
from trainables.networks.build import build
from trainables.networks.pair import Networks
from trainables.protocol import Parameters
from trainables.settings.gan import GanSettings
from trainables.settings.language import LanguageSettings
from trainables.settings.networks import NetworkSettings

Step = Callable[[], None]
RATES = {"b": 1e-4, "a": 5e-4}
COMPILED = "ours, same z, compiled"


def tutorial_loop(networks: Networks, images: np.ndarray, batch: int, reads: bool) -> Step:
    """The loop of the usual tutorial: float images, contiguous, gradients of D also in G's update.

    With ``reads`` five values are read from the device in every update, as the tutorial does.
    """
    data = floats(images)
    g, d = networks.generator.train(), networks.discriminator.train()
    g_adam = torch.optim.Adam(g.parameters(), RATES["a"], (0.5, 0.999))
    d_adam = torch.optim.Adam(d.parameters(), RATES["b"], (0.5, 0.999))
    ones, zeros = torch.ones(batch), torch.zeros(batch)

    def score(inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        scores = torch.sigmoid(d(inputs))
        return F.binary_cross_entropy(scores, labels), scores.mean()

    def step() -> None:
        d.zero_grad()
        real_loss, real_mean = score(data[torch.randint(len(data), (batch,))], ones)
        real_loss.backward()
        fake = g(torch.rand(batch, networks.latent.length) * 2 - 1)
        fake_loss, fake_mean = score(fake.detach(), zeros)
        fake_loss.backward()
        d_adam.step()
        g.zero_grad()
        g_loss, g_mean = score(fake, ones)
        g_loss.backward()
        g_adam.step()
        if reads:
            [
                value.item()
                for value in (real_loss + fake_loss, g_loss, real_mean, fake_mean, g_mean)
            ]

    return step


def floats(images: np.ndarray) -> Tensor:
    """Images as the loops that people write keep them: contiguous floats in [-1, 1]."""
    return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous().float() / 127.5 - 1


def wgan_gp_loop(
    networks: Networks, draw: Callable[[Tensor], Tensor], count: int, batch: int
) -> Step:
    """The usual WGAN-GP loop: one Wasserstein update of D with its penalty, and one of G on fresh z.

    Args:
        networks: G and D.
        draw: Makes a batch of real samples of their numbers.
        count: Real samples.
        batch: Samples of a batch.
    """
    g, d = networks.generator.train(), networks.discriminator.train()
    g_adam = torch.optim.Adam(g.parameters(), RATES["a"], (0.5, 0.999))
    d_adam = torch.optim.Adam(d.parameters(), RATES["b"], (0.5, 0.999))

    def drawn() -> Tensor:
        made: Tensor = g(networks.latent.draw(batch, torch.default_generator))
        return made

    def penalty(real: Tensor, fake: Tensor) -> Tensor:
        alpha = torch.rand(batch, *(1,) * (real.dim() - 1))
        at = (alpha * real + (1 - alpha) * fake).requires_grad_(True)
        scores = d(at)
        ones = torch.ones_like(scores)
        (slope,) = torch.autograd.grad(scores, at, ones, create_graph=True, retain_graph=True)
        return ((slope.reshape(batch, -1).norm(2, dim=1) - 1) ** 2).mean()

    def step() -> None:
        d_adam.zero_grad()
        real, fake = draw(torch.randint(count, (batch,))), drawn().detach()
        (-d(real).mean() + d(fake).mean() + 10 * penalty(real, fake)).backward()
        d_adam.step()
        g_adam.zero_grad()
        (-d(drawn()).mean()).backward()
        g_adam.step()

    return step


def plain(networks: Networks) -> Networks:
    """The same networks, made of torch's own layers alone, as whoever wrote them by hand would have them."""

    def written(network: nn.Module) -> nn.Module:
        namespace: dict[str, Any] = {"__name__": "written"}
        exec(compile(as_code(network), "written", "exec"), namespace)
        made: nn.Module = namespace["build"]()
        made.load_state_dict(network.state_dict())
        return made

    return replace(
        networks,
        generator=written(networks.generator),
        discriminator=written(networks.discriminator),
    )


def our_loop(settings: GanSettings, images: np.ndarray, compiled: bool = False) -> Step:
    """The trial's own update, with its checks for values that are not finite."""
    streams = Streams(0)
    networks = build(settings.networks, images.shape[3], images.shape[1], streams.weights_seed)
    batches = ImageBatches(images, settings.batch_size, False, streams, "cpu")
    parameters = Parameters(d_steps=1, **RATES)
    game, n = GanGame(settings, parameters, networks, batches, streams, "cpu"), 0
    if compiled:
        game.generator.compile()
        game.discriminator.compile()

    def step() -> None:
        nonlocal n
        n += 1
        game.step(n)

    return step


def character_loops(width: int, batch: int) -> dict[str, Step]:
    """The language GAN's update, lines of 32 characters, and the usual loop with the same networks."""
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder)
        case = gpu_loops.Case("characters", {"networks": {"width": width}, "batch_size": batch}, 0)
        settings = {
            latents: case.settings(cache, generator_latents=latents)
            for latents in ("fresh", "same")
        }
        fresh = settings["fresh"]
        assert isinstance(fresh, LanguageSettings)
        text = load_text(fresh.data, cache)
        tokens = torch.from_numpy(np.array(text.tokens, np.int64))
        kinds = len(text.characters)

        def draw(numbers: Tensor) -> Tensor:
            return F.one_hot(tokens[numbers], kinds).transpose(1, 2).float()

        networks = case.networks(fresh, 0, cache)
        return {
            "tutorial loop": wgan_gp_loop(networks, draw, len(tokens), batch),
            "ours, fresh z for G": gpu_loops.our_loop(case, fresh, "cpu", cache),
            "ours, same z for G": gpu_loops.our_loop(case, settings["same"], "cpu", cache),
        }


def seconds(step: Step, count: int) -> float:
    start = time.process_time()
    for _ in range(count):
        step()
    return (time.process_time() - start) / count


def first(step: Step) -> float:
    """CPU-seconds of a loop's first update, a compiler's own process included."""
    before = children.cpu_seconds()
    return seconds(step, 1) + children.cpu_seconds() - before


def image_loops(given: argparse.Namespace) -> dict[str, Step]:
    """An image GAN's update, and the usual loops with the same networks."""
    shape = (1000, given.side, given.side, 3)
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    choice = NetworkSettings(name=given.networks, width=given.width)
    penalised = given.networks == "wgan_gp"
    loss = {"loss": "wasserstein", "regulariser": "gradient_penalty"} if penalised else {}
    settings = {
        latents: GanSettings.model_validate(
            {
                "data": "digits",
                "networks": choice,
                "batch_size": given.batch,
                "steps": 10**6,
                "evaluate_every": 10**6,
                "generator_latents": latents,
                **loss,
            }
        )
        for latents in ("fresh", "same")
    }

    def built() -> Networks:
        return plain(build(choice, 3, given.side, 0))

    if penalised:
        data = floats(images)
        peers = {"tutorial loop": wgan_gp_loop(built(), data.__getitem__, len(data), given.batch)}
    else:
        peers = {
            "tutorial loop": tutorial_loop(built(), images, given.batch, True),
            "the same without reads": tutorial_loop(built(), images, given.batch, False),
        }
    ours = {
        "ours, fresh z for G": our_loop(settings["fresh"], images),
        "ours, same z for G": our_loop(settings["same"], images),
    }
    if given.compile:
        ours[COMPILED] = our_loop(settings["same"], images, compiled=True)
    return {**peers, **ours}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", choices=["dcgan", "wgan_gp", "characters"], default="dcgan")
    parser.add_argument("--side", type=int, default=32)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--updates", type=int, default=4, help="updates in a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--compile", action="store_true", help="also with compiled networks")
    given = parser.parse_args()
    torch.set_num_threads(1)
    characters = given.networks == "characters"
    loops = character_loops(given.width, given.batch) if characters else image_loops(given)
    rounds: dict[str, list[float]] = {name: [] for name in loops}
    # The first makes moments and buffers, and compiles.
    spent = {name: first(step) for name, step in loops.items()}
    for _ in range(given.rounds):
        for name, step in loops.items():
            rounds[name].append(seconds(step, given.updates))
    middle = {name: statistics.median(each) for name, each in rounds.items()}
    size = "32 a line" if characters else f"{given.side}x{given.side}"
    print(f"{given.networks} {size}, width {given.width}, batch {given.batch}, CPU ms an update")
    for name, value in middle.items():
        print(f"  {name:28s}{1e3 * value:8.1f}{middle['tutorial loop'] / value:8.2f}x")
    if COMPILED in spent:
        print(f"  first update, compiled      {spent[COMPILED]:8.1f} CPU-seconds")


if __name__ == "__main__":
    main()
