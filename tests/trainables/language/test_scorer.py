"""The n-gram score of lines: its floor, its noise, and what is kept of it on a node."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from support.text import made_up_lines

from trainables.language import ngrams
from trainables.language.scorer import NgramScorer
from trainables.language.text import TextData, load_text
from trainables.settings.language import NgramScoreSettings
from trainables.settings.text import TextSettings

LINES = 400


@pytest.fixture
def text(tmp_path: Path) -> TextData:
    (tmp_path / "lines.txt").write_text("\n".join(made_up_lines(LINES)))
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


def grams(lines: list[str], n: int) -> Counter[str]:
    return Counter(line[i : i + n] for line in lines for i in range(len(line) - n + 1))


def plain_divergence(real: Counter[str], made: Counter[str]) -> float:
    total = 0.0
    for gram in real.keys() | made.keys():
        shares = real[gram] / real.total(), made[gram] / made.total()
        middle = sum(shares) / 2
        total += sum(share / 2 * math.log2(share / middle) for share in shares if share)
    return total


@pytest.mark.parametrize("order", [1, 3, 6])
def test_a_score_is_the_divergence_of_its_order_and_the_others_are_told(
    text: TextData, order: int
) -> None:
    """Against dictionaries of strings; the jackknife leaves out each of 16 groups of 3 or 4 lines."""
    scorer = NgramScorer(text, NgramScoreSettings(name=f"jsd{order}", samples=50))
    random = np.random.default_rng(1)
    tokens = random.integers(0, len(text.characters), size=(50, 10)).astype(np.uint16)
    tokens[:25] = text.tokens[:25]
    real, made = (
        ["".join(text.characters[c] for c in row) for row in rows] for rows in (text.tokens, tokens)
    )
    score = scorer.evaluate(tokens)
    expected = {n: plain_divergence(grams(real, n), grams(made, n)) for n in range(1, 7)}
    assert {n: score.metrics[f"jsd{n}"] for n in expected} == {
        n: pytest.approx(value, rel=1e-9) for n, value in expected.items()
    }
    assert score.value == score.metrics[f"jsd{order}"]
    assert scorer.level(tokens) == pytest.approx(score.value, rel=1e-12)
    groups = [[i for i in range(50) if i * 16 // 50 == group] for group in range(16)]
    left_out = [
        plain_divergence(
            grams(real, order), grams([made[i] for i in range(50) if i not in group], order)
        )
        for group in groups
    ]
    mean = sum(left_out) / 16
    spread = math.sqrt(15 / 16 * sum((value - mean) ** 2 for value in left_out))
    floor = scorer.floors[order - 1]
    assert scorer.floor == floor
    assert score.noise == pytest.approx(max(spread, floor.noise), rel=1e-9)
    assert [score.metrics[f"jsd{n}_floor"] for n in expected] == [f.value for f in scorer.floors]
    assert (score.metrics["score_floor"], score.metrics["score_floor_noise"]) == (
        floor.value,
        floor.noise,
    )


def test_a_text_needs_more_lines_than_are_sampled(text: TextData) -> None:
    assert NgramScorer(text, NgramScoreSettings(samples=LINES - 1)).floors
    with pytest.raises(
        ValueError, match=f"score.samples is {LINES}, but the text has only {LINES} lines"
    ):
        NgramScorer(text, NgramScoreSettings(samples=LINES))


def test_windows_of_many_kinds_of_characters_are_told_apart(tmp_path: Path) -> None:
    """Six of 1,500 characters do not fit into 63 bits: five are known by their rank among the real ones."""
    random = np.random.default_rng(0)
    kinds = [chr(0x4E00 + n) for n in range(1500)]
    lines = ["".join(kinds[n % 1500] for n in range(at, at + 10)) for at in range(0, 3000, 10)]
    (tmp_path / "lines.txt").write_text("\n".join(lines), encoding="utf-8")
    text = load_text(
        TextSettings(path=str(tmp_path / "lines.txt"), line_length=10), tmp_path / "cache"
    )
    assert len(text.characters) == 1501
    scorer = NgramScorer(text, NgramScoreSettings(name="jsd6", samples=40))
    tokens = np.asarray(text.tokens[random.choice(300, 40)])
    tokens[::3, 5] = tokens[0, 0]
    real, made = (
        ["".join(text.characters[c] for c in row) for row in rows] for rows in (text.tokens, tokens)
    )
    expected = {n: plain_divergence(grams(real, n), grams(made, n)) for n in range(1, 7)}
    found = scorer.evaluate(tokens).metrics
    assert {n: found[f"jsd{n}"] for n in expected} == {
        n: pytest.approx(value, rel=1e-9) for n, value in expected.items()
    }
