"""Made-up text for tests of language: lines of a few short words."""

from __future__ import annotations

import numpy as np

WORDS = ["the", "a", "cat", "dog", "sees", "hears", "this", "that", "house", "tree", "and"]


def made_up_lines(count: int) -> list[str]:
    """Lines of four words each, the same ones whenever they are made."""
    random = np.random.default_rng(0)
    return [" ".join(random.choice(WORDS, size=4)) for _ in range(count)]
