"""The paper's language model as a trial: a character WGAN-GP scored by n-gram divergence (Fig. 7)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from trainables.devices import own_random_numbers
from trainables.gan.adversarial import AdversarialTrial
from trainables.gan.batches import EpochOrder, RowBatches
from trainables.gan.streams import Streams, evaluation_stream
from trainables.gan.watch import require_finite
from trainables.language.networks import Discriminator, Generator, one_hot
from trainables.language.ngrams import Tokens
from trainables.language.scorer import NgramScorer
from trainables.language.text import TextData, load_text
from trainables.networks.pair import Latent, Networks
from trainables.protocol import Context, Parameters
from trainables.scores.scorer import Score
from trainables.settings.language import CharacterNetworkSettings, LanguageSettings

_SHOWN = 64
"""Lines in ``samples.txt``."""


class LanguageTrial(AdversarialTrial):
    """One GAN that learns to make lines like those of a text."""

    def __init__(
        self, settings: LanguageSettings, parameters: Parameters, context: Context
    ) -> None:
        self._text = load_text(settings.data, Path(context.cache))
        streams = Streams(context.seed, context.device)
        networks = build(settings.networks, self._text, streams.weights_seed)
        batches = TextBatches(self._text, settings.batch_size, streams, context.device)
        super().__init__(settings, parameters, context, networks, batches, streams)
        self._configuration["data"] = self._text.fingerprint
        self._sampler = LineSampler(
            self.game.sampled, networks.latent, settings.score.batch_size, context.device
        )
        self._samples = settings.score.samples
        self._scorer = NgramScorer(self._text, settings.score)
        self._score_name = settings.score_name

    @property
    def score_name(self) -> str:
        """Name of the score: ``jsd4`` is the paper's protocol."""
        return self._score_name

    @property
    def makes(self) -> Mapping[str, str]:
        """The character of each index, and how many a line has."""
        length = self._text.tokens.shape[1]
        return {"characters": self._text.characters, "line_length": str(length)}

    def artifacts(self) -> Mapping[str, bytes]:
        """Returns ``samples.txt``, 64 lines of z that are the same in every trial."""
        lines = self._text.decode(self._sampler(0, _SHOWN))
        return {"samples.txt": ("\n".join(lines) + "\n").encode()}

    def _score(self) -> Score:
        return self._scorer.evaluate(self._sampler(0, self._samples))


class TextBatches:
    """Batches of real lines; the text stays as it is, a memory map shared with other trials."""

    def __init__(self, text: TextData, batch_size: int, streams: Streams, device: str) -> None:
        self._vocabulary = len(text.characters)
        order = EpochOrder(len(text.tokens), batch_size, "lines", streams)
        self._batches = RowBatches(text.tokens, order, device, np.int32)

    def next(self) -> Tensor:
        """Returns the next batch, one-hot float32, shape (B, V, L)."""
        return one_hot(self._batches.next().long(), self._vocabulary)

    def state_dict(self) -> dict[str, Any]:
        """Where the data order stands."""
        return self._batches.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from :meth:`state_dict`."""
        self._batches.load_state_dict(state)


class LineSampler:
    """Draws lines from a generator without changing it."""

    def __init__(self, generator: nn.Module, latent: Latent, batch_size: int, device: str) -> None:
        self._generator = generator
        self._latent = latent
        self._batch_size = batch_size
        self._device = device

    def __call__(self, draw: int, count: int) -> Tokens:
        """Returns the most probable character at each place, uint16, shape (count, L).

        Args:
            draw: Which redraw of z; one number gives the same z in every trial (common random numbers).
            count: Lines in all.

        Raises:
            NonFiniteError: A line has a value that is not finite.
        """
        z = self._latent.draw(count, evaluation_stream(draw))
        parts = [self._lines(part) for part in torch.split(z, self._batch_size)]
        return torch.cat(parts).numpy().astype(np.uint16)

    @torch.no_grad()
    def _lines(self, z: Tensor) -> Tensor:
        lines: Tensor = self._generator(z.to(self._device))
        require_finite("generator", "line", [lines])
        return lines.argmax(dim=1).cpu()


def build(settings: CharacterNetworkSettings, text: TextData, seed: int) -> Networks:
    """Builds the networks for a text, weights drawn from ``seed``."""
    shape = (len(text.characters), text.tokens.shape[1])
    with own_random_numbers(seed):
        return Networks(
            Generator(settings, *shape),
            Discriminator(settings, *shape),
            Latent(settings.latent, "normal"),
        )
