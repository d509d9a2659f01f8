"""Loops of updates to be timed on a GPU: the product's, a plain one, and that one as a CUDA graph.

Each case is a pair of networks with its loss; the plain loop is written as for speed: data that lie on the
device, fused Adam, G's samples made once in a step, no value read by the host.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainables.gan.batches import ImageBatches
from trainables.gan.game import GanGame
from trainables.gan.streams import Streams
from trainables.language.networks import one_hot
from trainables.language.sampling import build as build_characters
from trainables.language.text import load_text
from trainables.language.trial import TextBatches
from trainables.networks.build import build
from trainables.networks.pair import Networks
from trainables.protocol import Parameters
from trainables.settings.adversarial import AdversarialSettings
from trainables.settings.gan import GanSettings
from trainables.settings.language import LanguageSettings

Step = Callable[[], None]
RATES = {"b": 1e-4, "a": 5e-4}


def images_of(side: int, count: int = 2000) -> np.ndarray:
    shape = (count, side, side, 3)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@dataclass(frozen=True)
class Case:
    """What is trained.

    Attributes:
        title: For the table.
        said: Of the settings of a trial of it.
        side: Of the images; 0 means lines of a text.
        betas: Adam's.
        penalty: Weight of the gradient penalty; 0 is a GAN with the non-saturating loss.
    """

    title: str
    said: dict[str, object]
    side: int
    betas: tuple[float, float] = (0.5, 0.999)
    penalty: float = 0.0

    def settings(self, folder: Path, **further: object) -> AdversarialSettings:
        """Of a trial that is not evaluated while it is timed."""
        length = {"steps": 10**6, "evaluate_every": 10**6, "generator_latents": "same"}
        if self.side:
            return GanSettings.model_validate({"data": "digits", **length, **self.said, **further})
        text = folder / "lines.txt"
        if not text.exists():
            words = ("the", "cat", "house", "tree", "sees", "under", "a", "river")
            draw = np.random.default_rng(0).integers(0, len(words), (3000, 12))
            text.write_text("\n".join(" ".join(words[i] for i in line) for line in draw))
        data = {"path": str(text), "line_length": 32}
        return LanguageSettings.model_validate({"data": data, **length, **self.said, **further})

    def networks(self, settings: AdversarialSettings, seed: int, cache: Path) -> Networks:
        """The built-in ones, the same for every loop."""
        if isinstance(settings, GanSettings):
            return build(settings.networks, 3, self.side, seed)
        assert isinstance(settings, LanguageSettings)
        return build_characters(settings.networks, load_text(settings.data, cache), seed)


def our_loop(case: Case, settings: AdversarialSettings, device: str, cache: Path) -> Step:
    """The trial's own update, with its checks for values that are not finite."""
    streams = Streams(0, device)
    networks = case.networks(settings, streams.weights_seed, cache)
    if isinstance(settings, LanguageSettings):
        text = load_text(settings.data, cache)
        batches = TextBatches(text, settings.batch_size, streams, device)
        game = _game(settings, networks, batches, streams, device)
    else:
        images = ImageBatches(images_of(case.side), settings.batch_size, False, streams, device)
        game = _game(settings, networks, images, streams, device)
    n = 0

    def step() -> None:
        nonlocal n
        n += 1
        game.step(n)
        assert game.said is None, game.said

    return step


def _game(
    settings: AdversarialSettings,
    networks: Networks,
    batches: ImageBatches | TextBatches,
    streams: Streams,
    device: str,
) -> GanGame:
    return GanGame(settings, Parameters(d_steps=1, **RATES), networks, batches, streams, device)


def plain_loop(
    case: Case, settings: AdversarialSettings, device: str, cache: Path, capturable: bool
) -> Step:
    """A loop as it is written for speed."""
    pair, batch = case.networks(settings, 0, cache), settings.batch_size
    g, d = (
        network.to(device, memory_format=pair.layout).train()
        for network in (pair.generator, pair.discriminator)
    )
    real = _real(case, settings, device, cache)
    g_adam, d_adam = (
        torch.optim.Adam(net.parameters(), rate, case.betas, fused=True, capturable=capturable)
        for net, rate in ((g, RATES["a"]), (d, RATES["b"]))
    )

    def step() -> None:
        rows = real(batch)
        z = torch.randn(batch, pair.latent.length, device=device)
        fake = g(z)
        on_real, on_fake = d(rows), d(fake.detach())
        d_adam.zero_grad()
        if case.penalty:
            loss = on_fake.mean() - on_real.mean()
            loss = loss + case.penalty * _slope(d, rows, fake.detach())
        else:
            loss = F.softplus(-on_real).mean() + F.softplus(on_fake).mean()
        loss.backward()
        d_adam.step()
        g_adam.zero_grad()
        moved = d(fake)
        (-moved.mean() if case.penalty else F.softplus(-moved).mean()).backward()
        g_adam.step()

    return step


def _slope(d: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    shape = (len(real),) + (1,) * (real.dim() - 1)
    between = torch.lerp(real, fake, torch.rand(shape, device=real.device)).requires_grad_()
    (slope,) = torch.autograd.grad(d(between).sum(), between, create_graph=True)
    return (slope.flatten(1).norm(dim=1) - 1).square().mean()


def _real(
    case: Case, settings: AdversarialSettings, device: str, cache: Path
) -> Callable[[int], Tensor]:
    if isinstance(settings, LanguageSettings):
        text = load_text(settings.data, cache)
        tokens = torch.from_numpy(np.array(text.tokens, np.int64)).to(device)
        kinds = len(text.characters)
        return lambda count: one_hot(
            tokens[torch.randint(len(tokens), (count,), device=device)], kinds
        )
    images = torch.from_numpy(images_of(case.side)).to(device).permute(0, 3, 1, 2)

    def draw(count: int) -> Tensor:
        chosen = torch.randint(len(images), (count,), device=device)
        return images[chosen].float().div_(127.5).sub_(1)

    return draw


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

    def replay(_kept: Step = step) -> None:  # its networks and data are what the graph works on
        graph.replay()

    return replay
