"""The paper's language model as a trial: a character WGAN-GP scored by n-gram divergence (Fig. 7)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from trainables.gan.adversarial import AdversarialTrial
from trainables.gan.batches import EpochOrder, RowBatches
from trainables.gan.streams import Streams
from trainables.language.levels import levels
from trainables.language.networks import one_hot
from trainables.language.sampling import LineSampler, build
from trainables.language.scorer import NgramScorer
from trainables.language.text import TextData, load_text
from trainables.levels import Score
from trainables.protocol import Context, Parameters
from trainables.settings.language import LanguageSettings

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
        self._draw = settings.score.draw
        self._scorer = NgramScorer(self._text, settings.score)
        early = settings.early
        self._few = self._scorer if early is None else self._scorer.of_fewer(early.samples)
        self._score_name = settings.score_name
        cache = Path(context.cache)
        self._levels = levels(settings, self._text, self._scorer, cache, context.device)

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

    def _score(self, early: bool) -> Score:
        scorer = self._few if early else self._scorer
        found = scorer.evaluate(self._sampler(self._draw, scorer.samples))
        return replace(found, metrics={**found.metrics, **self._levels.metrics})


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
