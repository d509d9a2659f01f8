"""A generator taken out of a trial: rebuilt from the kept weights, to draw from or to give away."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from trainables.gan.sampling import ImageSampler, png_grid
from trainables.gan.streams import EVALUATION_SEED, seed_of
from trainables.kept import read_kept
from trainables.language.networks import Generator
from trainables.language.sampling import LineSampler
from trainables.language.text import PADDING
from trainables.networks.as_code import NotPlainError, as_code, reproduces
from trainables.networks.build import build
from trainables.networks.pair import Latent, Networks
from trainables.settings.base import TrialSettings
from trainables.settings.gan import GanSettings
from trainables.settings.language import LanguageSettings

SHOWN = 64
"""Samples in the picture, and lines in the text, that show a generator."""


@dataclass(frozen=True)
class Taken:
    """A generator with its weights, in evaluation mode.

    Attributes:
        settings: Of its trial.
        network: The generator; its average where the trial had one.
        latent: Where z comes from.
        layout: Of the weights.
        facts: What the file of the weights says of itself.
        weights: The tensors of the file, by part (``generator``, ``average``) and name.
    """

    settings: GanSettings | LanguageSettings
    network: nn.Module
    latent: Latent
    layout: torch.memory_format
    facts: Mapping[str, str]
    weights: Mapping[str, Mapping[str, Tensor]]

    @property
    def part(self) -> str:
        """What was scored: ``average`` or ``generator``."""
        return "average" if "average" in self.weights else "generator"

    @property
    def batch_size(self) -> int:
        """Samples drawn at a time: with batch norm in training mode they depend on it."""
        settings: Any = self.settings
        return int((settings.sampling if self.of_images else settings.score).batch_size)

    @property
    def of_images(self) -> bool:
        """Whether it makes images; otherwise lines of text."""
        return isinstance(self.settings, GanSettings)

    def images(self, count: int, draw: int = 0) -> Iterator[Tensor]:
        """Draws images, uint8 batches (B, C, H, W); draw 0 is that of every score."""
        return self._sampler()(draw, count)

    def grid(self, draw: int = 0) -> bytes:
        """64 images as a PNG; draw 0 is that of every score."""
        return png_grid(self._sampler(), draw)

    def lines(self, count: int, draw: int = 0) -> list[str]:
        """Draws lines of text; draw 0 is that of every score."""
        sampler = LineSampler(self.network, self.latent, self.batch_size, "cpu")
        table = np.array(list(self.facts["characters"]))
        return ["".join(line).rstrip(PADDING) for line in table[sampler(draw, count)]]

    def code(self) -> tuple[str, str]:
        """The network as Python of its own and "", or "" and why there is none."""
        try:
            written = as_code(self.network)
        except NotPlainError as error:
            return "", str(error)
        z = self.latent.draw(3, torch.Generator().manual_seed(0))
        if not reproduces(written, self.network, z, self.layout):
            return "", "its code does not stand on its own"
        return written, ""

    @property
    def seed(self) -> int:
        """The seed of the z of every score."""
        return seed_of(EVALUATION_SEED, 0)

    def _sampler(self) -> ImageSampler:
        settings = cast(GanSettings, self.settings)
        return ImageSampler(self.network, self.latent, settings.sampling, "cpu")


def take(settings: TrialSettings, kept: bytes) -> Taken:
    """Rebuilds a generator from the weights that its trial kept.

    Args:
        settings: The trial's, with what was sampled.
        kept: The file of the weights.

    Raises:
        ValueError: The file is torn or of other networks, or the trial trains no generator.
    """
    if not isinstance(settings, GanSettings | LanguageSettings):
        raise ValueError(f"a trial of kind {type(settings).__name__} trains no generator")
    tensors, facts = read_kept(kept)
    weights: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        part, _, inner = name.partition(".")
        weights.setdefault(part, {})[inner] = tensor
    try:
        networks = _networks(settings, facts)
    except KeyError as error:
        raise ValueError(f"its file does not say what it makes ({error})") from error
    network = networks.generator.to(memory_format=networks.layout)
    try:
        network.load_state_dict(weights.get("average") or weights["generator"])
    except (RuntimeError, KeyError) as error:
        first = str(error).strip().splitlines()[0]
        raise ValueError(f"the kept weights do not fit the trial's networks: {first}") from error
    network.eval().requires_grad_(False)
    return Taken(settings, network, networks.latent, networks.layout, facts, weights)


def _networks(settings: GanSettings | LanguageSettings, facts: Mapping[str, str]) -> Networks:
    if isinstance(settings, GanSettings):
        channels, side, _ = (int(size) for size in facts["image"].split("x"))
        return build(settings.networks, channels, side, seed=0)
    shape = len(facts["characters"]), int(facts["line_length"])
    return Networks(
        Generator(settings.networks, *shape),
        nn.Identity(),
        Latent(settings.networks.latent, "normal"),
    )
