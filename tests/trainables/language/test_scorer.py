"""The n-gram score of lines: its floor, its noise, and what is kept of it on a node."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from trainables.language import ngrams
from trainables.language.scorer import NgramScorer
from trainables.language.text import TextData, load_text
from trainables.settings.language import NgramScoreSettings
from trainables.settings.text import TextSettings

LINES = 400
WORDS = ["the", "a", "cat", "dog", "sees", "hears", "this", "that", "house", "tree", "and"]


@pytest.fixture
def text(tmp_path: Path) -> TextData:
    random = np.random.default_rng(0)
    lines = [" ".join(random.choice(WORDS, size=4)) for _ in range(LINES)]
    (tmp_path / "lines.txt").write_text("\n".join(lines))
    settings = TextSettings(path=str(tmp_path / "lines.txt"), line_length=10)
    return load_text(settings, tmp_path / "cache")


def counted(text: TextData, lines: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    windows = ngrams.pack(lines, n, len(text.characters), None)
    return np.unique(windows, return_counts=True)


def test_the_floor_is_real_lines_against_the_rest(text: TextData) -> None:
    scorer = NgramScorer(text, NgramScoreSettings(name="jsd3", samples=100))
    random, values = np.random.default_rng(0), []
    for _ in range(5):
        drawn = random.choice(LINES, 100, replace=False, shuffle=False)
        rest = np.delete(text.tokens, drawn, axis=0)
        table = ngrams.count(iter([rest]), 3, len(text.characters), None)
        codes, counts = counted(text, text.tokens[np.sort(drawn)], 3)
        values.append(float(ngrams.divergence(table.look_up(codes), table.total, counts)))
    assert scorer.floors[2].value == pytest.approx(np.mean(values), rel=1e-12)
    assert scorer.floors[2].noise == pytest.approx(np.std(values, ddof=1), rel=1e-9)
    real = scorer.evaluate(np.asarray(text.tokens[:100])).value
    assert 0 < real < scorer.floors[2].value  # against a text that holds these lines, too


def test_floors_are_computed_once_for_all_n_and_kept(
    text: TextData, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = NgramScorer(text, NgramScoreSettings(samples=100)).floors
    (kept,) = text.folder.glob("floors-*.json")
    with monkeypatch.context() as patch:
        patch.setattr(NgramScorer, "_measured_floors", lambda self: pytest.fail("drawn again"))
        assert NgramScorer(text, NgramScoreSettings(name="jsd6", samples=100)).floors == first
    kept.write_text(json.dumps(["damaged"]))
    assert NgramScorer(text, NgramScoreSettings(samples=100)).floors == first
    assert NgramScorer(text, NgramScoreSettings(samples=50)).floors != first


def test_floors_of_a_long_text_need_no_permutation_of_it(text: TextData) -> None:
    """The cost of a draw is that of the lines drawn, not of the lines there are."""
    long = np.lib.stride_tricks.as_strided(
        text.tokens, shape=(10**9, 10), strides=(0, text.tokens.strides[1]), writeable=False
    )
    many = TextData(long, text.characters, text.tables, text.fingerprint, text.folder)
    assert len(NgramScorer(many, NgramScoreSettings(samples=20)).floors) == 6


def test_noise_is_at_least_that_of_real_lines(text: TextData) -> None:
    scorer = NgramScorer(text, NgramScoreSettings(name="jsd2", samples=100))
    same = np.repeat(np.asarray(text.tokens[:1]), 100, axis=0)  # its jackknife spread is 0
    score = scorer.evaluate(same)
    assert score.noise == score.metrics["score_floor_noise"] > 0
