"""The levels of an n-gram score, against divergences that are counted here by Python's Counter."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.text import WORDS

from trainables.kinds import build_trial, parse_settings
from trainables.language.nothing import lines_of_nothing
from trainables.language.text import PADDING, TextData, load_text
from trainables.levels import Levels
from trainables.protocol import Context, Measurement, Parameters
from trainables.settings.language import LanguageSettings


def trial(path: Path, score: str = "jsd3") -> dict[str, Any]:
    return {
        "kind": "language",
        "data": {"path": str(path), "line_length": 16},
        "networks": {"width": 4, "blocks": 1, "latent": 4},
        "batch_size": 8,
        "steps": 2,
        "evaluate_every": 2,
        "score": {"name": score, "samples": 200},
    }


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("text")
    random = np.random.default_rng(0)
    lines = [" ".join(random.choice(WORDS, size=random.integers(1, 5))) for _ in range(600)]
    (folder / "lines.txt").write_text("\n".join(lines))
    return folder


def settings(place: Path, score: str = "jsd3") -> LanguageSettings:
    made = parse_settings(trial(place / "lines.txt", score))
    assert isinstance(made, LanguageSettings)
    return made


def text_of(place: Path) -> TextData:
    return load_text(settings(place).data, place / "cache")


def divergence(one: Counter[str], other: Counter[str]) -> float:
    """Jensen and Shannon's, in bits, n-gram by n-gram."""
    sizes = one.total(), other.total()
    total = 0.0
    for gram in one | other:
        p, q = one[gram] / sizes[0], other[gram] / sizes[1]
        for part in (p, q):
            total += part / 2 * math.log2(2 * part / (p + q)) if part else 0.0
    return total


def grams(lines: list[str], n: int) -> Counter[str]:
    return Counter(line[at : at + n] for line in lines for at in range(len(line) - n + 1))


def padded(text: TextData, tokens: np.ndarray) -> list[str]:
    return ["".join(text.characters[i] for i in line) for line in tokens]


def test_lines_of_nothing_score_what_counting_says(place: Path) -> None:
    text, random = text_of(place), np.random.default_rng(7)
    real = padded(text, text.tokens)
    pool = "".join(real)
    drawn_here = {
        "characters shuffled in their lines": [
            "".join(random.permutation(list(line.rstrip(PADDING)))).ljust(16, PADDING)
            for line in real[:200]
        ],
        "characters drawn one by one": [
            "".join(random.choice(list(pool), size=16)) for _ in range(200)
        ],
        "uniform noise": ["".join(random.choice(list(text.characters), 16)) for _ in range(200)],
    }
    found = settings(place).levels(str(place / "cache"), "cpu", measure=True)
    assert found is not None
    for what, lines in drawn_here.items():
        expected = divergence(grams(real, 3), grams(lines, 3))
        assert found.nothing[what] == pytest.approx(expected, rel=0.05), what
    assert found.levels.ceiling == min(score for score in found.nothing.values() if score)
    assert found.floor is not None
    assert found.floor < 0.5 * found.nothing["characters shuffled in their lines"]  # type: ignore[operator]


def test_shuffling_keeps_every_lines_characters_and_its_end(place: Path) -> None:
    text = text_of(place)
    made = lines_of_nothing(text, 200, 3)["characters shuffled in their lines"]()
    real = Counter("".join(sorted(line)) for line in padded(text, text.tokens))
    shuffled = padded(text, made)
    assert all(real["".join(sorted(line))] for line in shuffled)
    assert all(PADDING not in line.rstrip(PADDING) for line in shuffled)
    assert len(set(shuffled) - set(padded(text, text.tokens))) > 150


def test_single_characters_are_not_compared_with_what_has_them_by_construction(
    place: Path,
) -> None:
    assert "characters drawn one by one" not in lines_of_nothing(text_of(place), 20, 1)
    found = settings(place, "jsd1").levels(str(place / "cache"), "cpu", measure=True)
    assert found is not None
    assert found.levels.tell
    assert "uniform noise" in found.nothing


def test_levels_come_with_every_evaluation_and_are_kept(place: Path) -> None:
    cache = str(place / "cache")
    made = build_trial(
        trial(place / "lines.txt", "jsd2"),
        Parameters(b=1e-3, a=1e-3, d_steps=1),
        Context(seed=0, cache=cache),
    )
    result = made.advance()
    assert isinstance(result, Measurement)
    kept = settings(place, "jsd2").levels(cache, "cpu", measure=False)
    assert kept is not None
    assert Levels.of(result.metrics) == kept.levels
    assert result.metrics["score_floor"] == result.metrics["jsd2_floor"]
    # After two updates it writes no better than it did before them.
    assert not kept.levels.learnt(result.score, result.noise)
    assert settings(place).levels(str(place / "elsewhere"), "cpu", measure=False) is None
