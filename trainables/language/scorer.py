"""Scores generated lines by the n-gram Jensen-Shannon divergence from the real text.

As in the paper (Sec. 4, Fig. 7) and the code it follows: 640 generated lines against all real ones,
windows inside a line, padding included, base 2, unsmoothed.
"""

from __future__ import annotations

import numpy as np

from trainables.data import store
from trainables.language import ngrams
from trainables.language.ngrams import Tokens
from trainables.language.text import TextData
from trainables.levels import FLOOR, FLOOR_NOISE, Score
from trainables.scores.statistics import DRAWS, floor_of
from trainables.settings.language import NgramScoreSettings
from trainables.settings.text import LONGEST

_GROUPS = 16
_FLOOR_LAYOUT = 1
"""Changes when the floors are computed otherwise, so that those of before are not taken for them."""
_ORDERS = range(1, LONGEST + 1)


class NgramScorer:
    """Compares lines with a real text.

    Attributes:
        floors: For n = 1 .. 6 what real lines score: the mean over 5 sets of as many real lines as
            are generated, each against the rest of the text, and its spread. Above 0 because so few
            lines do not hold all n-grams; what a generator can hope for. Computed once per node and
            kept beside the prepared text.
    """

    def __init__(self, text: TextData, settings: NgramScoreSettings) -> None:
        if len(text.tokens) <= settings.samples:
            raise ValueError(
                f"score.samples is {settings.samples}, but the text has only {len(text.tokens)} "
                "lines; lower it or give more text"
            )
        self._text = text
        self._settings = settings
        self.floors = store.remembered(
            text.folder / f"floors-{_FLOOR_LAYOUT}-{settings.samples}.json",
            lambda: [floor.to_json() for floor in self._measured_floors()],
            lambda kept: tuple(Score(**kept[n - 1]) for n in _ORDERS),
        )

    @property
    def samples(self) -> int:
        """Lines of an evaluation."""
        return self._settings.samples

    def of_fewer(self, samples: int) -> NgramScorer:
        """The same divergence of the lines of early evaluations."""
        changes = {"samples": samples, "early": None}
        return NgramScorer(self._text, self._settings.model_copy(update=changes))

    def evaluate(self, tokens: Tokens) -> Score:
        """Scores generated lines.

        Args:
            tokens: Indices of characters, shape (lines, characters of a line).

        Returns:
            The divergence of the settings' n, its noise (by the jackknife over 16 groups of lines, but
            at least that of the floor), and as metrics ``jsd1`` to ``jsd6`` with their floors.
        """
        metrics: dict[str, float] = {}
        for n, each in zip(_ORDERS, self.floors, strict=True):
            metrics[f"jsd{n}"] = self._divergence(tokens, n)
            metrics[f"jsd{n}_floor"] = each.value
        floor = self.floor
        metrics |= {FLOOR: floor.value, FLOOR_NOISE: floor.noise}
        noise = max(self._noise(tokens, self._settings.order), floor.noise)
        return Score(metrics[f"jsd{self._settings.order}"], noise, metrics)

    @property
    def floor(self) -> Score:
        """What real lines score."""
        return self.floors[self._settings.order - 1]

    def level(self, tokens: Tokens) -> float:
        """The bare score of lines.

        Args:
            tokens: Indices of characters, shape (lines, characters of a line).
        """
        return self._divergence(tokens, self._settings.order)

    def _divergence(self, tokens: Tokens, n: int) -> float:
        table = self._text.tables[n - 1]
        codes, counts = np.unique(self._pack(tokens, n), return_counts=True)
        return float(ngrams.divergence(table.look_up(codes), table.total, counts))

    def _noise(self, tokens: Tokens, n: int) -> float:
        """By the jackknife over groups of lines."""
        table = self._text.tables[n - 1]
        codes, counts = ngrams.grouped_counts(self._pack(tokens, n), _GROUPS)
        left_out = counts.sum(axis=0) - counts
        return ngrams.jackknife_noise(
            ngrams.divergence(table.look_up(codes), table.total, left_out)
        )

    def _pack(self, tokens: Tokens, n: int) -> ngrams.Integers:
        # Single characters always fit, and have no shorter ones: of them the last table is not looked at.
        return ngrams.pack(tokens, n, len(self._text.characters), self._text.tables[n - 2])

    def _measured_floors(self) -> tuple[Score, ...]:
        """Draws 5 sets of lines, the same ones for every n, and scores each against the rest."""
        random, lines = np.random.default_rng(0), len(self._text.tokens)
        sets = []
        for _ in range(DRAWS):
            # Not a permutation of all lines, of which One Billion Word has 30 million.
            drawn = random.choice(lines, self._settings.samples, replace=False, shuffle=False)
            sets.append(np.asarray(self._text.tokens[np.sort(drawn)]))
        return tuple(floor_of([self._against_rest(chosen, n) for chosen in sets]) for n in _ORDERS)

    def _against_rest(self, chosen: Tokens, n: int) -> float:
        """The divergence of lines of the real text from its other lines."""
        table = self._text.tables[n - 1]
        codes, counts = np.unique(self._pack(chosen, n), return_counts=True)
        rest = table.look_up(codes) - counts
        return float(ngrams.divergence(rest, table.total - counts.sum(), counts))
