"""The levels of the score of a language model: of real lines, of lines of nothing, of an untrained G."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path

from trainables.gan.watch import NonFiniteError
from trainables.language.ngrams import Tokens
from trainables.language.nothing import lines_of_nothing
from trainables.language.sampling import LineSampler, build
from trainables.language.scorer import NgramScorer
from trainables.language.text import TextData, load_text, preparation
from trainables.levels import Measured
from trainables.scores import ceiling
from trainables.settings.language import LanguageSettings


def levels(
    settings: LanguageSettings, text: TextData, scorer: NgramScorer, cache: Path, device: str
) -> Measured:
    """What the score of generated lines can be seen against; measured once per node and kept.

    Args:
        settings: The trial.
        text: Its real text.
        scorer: Its score.
        cache: Folder of this node.
        device: Where an untrained generator is sampled.
    """

    def untrained() -> Tokens:
        networks = build(settings.networks, text, seed=0)
        generator = networks.generator.to(device)
        sampler = LineSampler(generator, networks.latent, settings.score.batch_size, device)
        return sampler(0, settings.score.samples)

    def nothing() -> Mapping[str, ceiling.Scored]:
        made = lines_of_nothing(text, settings.score.samples, settings.score.order)
        return {
            what: _scored(scorer, lines)
            for what, lines in (made | {ceiling.UNTRAINED: untrained}).items()
        }

    return ceiling.measured(
        path=levels_path(settings, text.fingerprint, cache),
        name=settings.score_name,
        facts={"text": text.fingerprint},
        floor=lambda: scorer.floor,
        nothing=nothing,
    )


def measured_levels(settings: LanguageSettings, cache: Path, device: str) -> Measured:
    """As :func:`levels`, for a trial that is not built; its text must be here."""
    text = load_text(settings.data, cache)
    return levels(settings, text, NgramScorer(text, settings.score), cache, device)


def kept_levels(settings: LanguageSettings, cache: Path) -> Measured | None:
    """The levels that were measured already; None if they were not. Nothing is converted or written."""
    if preparation(settings.data, cache):
        return None
    text = load_text(settings.data, cache)
    return ceiling.kept(levels_path(settings, text.fingerprint, cache))


def levels_path(settings: LanguageSettings, text: str, cache: Path) -> Path:
    """Where the levels are kept.

    Args:
        settings: The trial.
        text: Fingerprint of its real text.
        cache: Folder of this node.
    """
    parts = [settings.score.model_dump(exclude={"early"}), settings.networks.model_dump()]
    return ceiling.levels_path(cache, [settings.score_name, text, *parts])


def _scored(scorer: NgramScorer, lines: Callable[[], Tokens]) -> ceiling.Scored:
    def score() -> float:
        try:
            return scorer.level(lines())
        except NonFiniteError:
            return math.nan

    return score
