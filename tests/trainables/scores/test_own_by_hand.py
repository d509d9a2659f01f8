"""A score of a user's own, by itself: what the function is given, and what is made of what it gives."""

from __future__ import annotations

import hashlib
import importlib
import math
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from trainables.scores.own import OwnScorer
from trainables.settings.score import OwnScoreSettings

MODULE = """
import functools
import torch

SEEN = []

def total(batches):
    given = list(batches)
    SEEN.append((given, torch.rand(()).item(), torch.is_grad_enabled()))
    return float(sum(each.double().sum() for each in given))

def placed(batches):
    SEEN.append({each.device.type for each in batches})
    return 1.0

def bad(batches):
    return {0: float("inf"), 1: 5.0, 2: float("nan")}[int(next(batches)[0, 0, 0, 0])]

def broken(batches):
    raise ZeroDivisionError("no spread")

def full(batches):
    raise OSError("disk")

def memory(batches):
    raise MemoryError

def listed(batches):
    list(batches)
    return [1.0]

def arrays(batches):
    return torch.ones(sum(1 for _ in batches), 1)

def true(batches):
    return torch.tensor(True)

def unread(batches):
    next(batches)
    return 1.0

def all_but_one(batches):
    for _ in range(2):
        next(batches)
    return 1.0

def uneven(batches):
    SEEN.append(None)
    list(batches)
    return len(SEEN) + 0.123456789123

def never(batches):
    list(batches)
    return float("nan")

partial = functools.partial(total)
"""
NAME = "own_scores_by_hand"


@pytest.fixture(autouse=True)
def seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    (tmp_path / f"{NAME}.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, NAME, raising=False)
    importlib.invalidate_caches()
    found: list[Any] = importlib.import_module(NAME).SEEN
    return found


def scorer(function: str = "total", **settings: Any) -> OwnScorer:
    chosen = OwnScoreSettings.model_validate({"own": f"{NAME}:{function}", **settings})
    return OwnScorer(chosen, "as_named")


class Sampler:
    """Images of one value, that of the draw; what was asked for is kept."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []

    def __call__(self, draw: int, count: int) -> Iterator[Tensor]:
        self.asked.append((draw, count))
        yield from torch.full((count, 1, 2, 2), draw, dtype=torch.uint8).split(5)


def first_of(seed: int) -> float:
    return float(torch.rand((), generator=torch.Generator().manual_seed(seed)))


def test_it_is_given_the_batches_of_each_draw_with_its_own_random_numbers(seen: list[Any]) -> None:
    sampler, before = Sampler(), torch.random.get_rng_state()
    score = scorer(samples=12, noise_draws=3).evaluate(sampler, draw=4)
    assert sampler.asked == [(4, 12), (5, 12), (6, 12)]
    assert score.value == 12 * 4 * 4
    assert score.noise == pytest.approx(48.0)  # 192, 240, 288
    pair = scorer(samples=12, noise_draws=2).evaluate(Sampler(), draw=4)
    assert pair.noise == pytest.approx(48 / math.sqrt(2))  # of 192 and 240
    del seen[3:]
    assert score.metrics == {}
    assert [[len(each) for each in given] for given, _, _ in seen] == [[5, 5, 2]] * 3
    assert [random for _, random, _ in seen] == [first_of(4), first_of(5), first_of(6)]
    assert not any(grad for _, _, grad in seen)
    assert torch.equal(before, torch.random.get_rng_state())
    assert scorer(samples=12).evaluate(Sampler()).value == 0.0
    exact = Sampler()
    score = scorer(samples=12, noise_draws=0).evaluate(exact, 4)
    assert (score.value, score.noise, exact.asked) == (192.0, 0.0, [(4, 12)])


def test_a_value_that_is_not_finite_is_told_as_the_noise_and_not_averaged() -> None:
    made = scorer("bad", samples=8, noise_draws=2)
    assert (made.evaluate(Sampler(), 0).value, made.evaluate(Sampler(), 0).noise) == (
        math.inf,
        math.inf,
    )
    later = made.evaluate(Sampler(), 1)
    assert later.value == 5.0
    assert math.isnan(later.noise)
    single = scorer("bad", samples=8, noise_draws=0).evaluate(Sampler(), 2)
    assert math.isnan(single.value)
    assert math.isnan(single.noise)


def test_a_level_is_that_of_the_first_draw_and_what_cannot_be_scored_has_none(
    seen: list[Any],
) -> None:
    sampler = Sampler()
    assert scorer(samples=12).level(lambda draw, count: sampler(draw + 1, count)) == 48.0
    assert sampler.asked == [(1, 12)]
    assert seen[0][1] == first_of(0)
    assert math.isnan(scorer("broken").level(sampler))
    assert math.isnan(scorer("listed").level(sampler))
    with pytest.raises(OSError, match="disk"):
        scorer("full").level(sampler)
    with pytest.raises(MemoryError):
        scorer("memory").level(sampler)
    assert scorer().floor is None


def test_facts_are_the_function_and_the_sum_of_its_file() -> None:
    made = scorer()
    assert made.name == "as_named"
    assert made.facts == {
        "score_name": "as_named",
        "own": f"{NAME}:total",
        "own_code_sha256": hashlib.sha256(MODULE.encode()).hexdigest(),
    }
    assert scorer("partial").facts == {"score_name": "as_named", "own": f"{NAME}:partial"}


@pytest.mark.parametrize(("samples", "sizes"), [(64, [24, 24, 16]), (1000, [24, 24, 16]), (8, [8])])
def test_it_is_tried_twice_on_the_same_noise(
    seen: list[Any], samples: int, sizes: list[int]
) -> None:
    scorer(samples=samples).check((3, 4, 5))
    first, second = (given for given, _, _ in seen)
    assert [len(each) for each in first] == sizes
    together = torch.cat(first)
    assert torch.equal(together, torch.cat(second))
    assert together.dtype == torch.uint8
    assert together.shape == (sum(sizes), 3, 4, 5)
    assert (int(together.min()), int(together.max())) == (0, 255) or samples == 8
    stream = torch.Generator().manual_seed(0)
    noise = torch.randint(0, 256, together.shape, generator=stream, dtype=torch.uint8)
    assert torch.equal(together, noise)
    assert {random for _, random, _ in seen} == {first_of(0)}


def test_it_is_tried_where_it_will_be_called(seen: list[Any]) -> None:
    scorer("placed").check((1, 2, 2), "meta")
    scorer("placed").check((1, 2, 2))
    assert seen == [{"meta"}, {"meta"}, {"cpu"}, {"cpu"}]


WRONG = {
    "broken": (
        "score.own {}, called with batches uint8 (24, 3, 4, 5), raised ZeroDivisionError: no spread"
    ),
    "listed": "score.own {} returned a list; it must return one number",
    "arrays": "score.own {} returned a Tensor of shape (3, 1); it must return one number",
    "true": "score.own {} returned a Tensor; it must return one number",
    "never": "score.own {} is nan of 64 images of noise; it must be a finite number",
    "unread": (
        "score.own {} did not look at all the batches; let it, since the score's name says of how many "
        "images it is"
    ),
    "all_but_one": (
        "score.own {} did not look at all the batches; let it, since the score's name says of how many "
        "images it is"
    ),
    "uneven": (
        "score.own {} gave 1.12345679 and then 2.12345679 of the same images; it must give one number, so "
        "that trials can be compared (torch's random numbers are fixed)"
    ),
    "SEEN": "score.own {} is not a function but a list; name a function that returns a number to minimise",
}


@pytest.mark.parametrize("function", WRONG)
def test_what_is_not_a_score_is_said_in_one_sentence(function: str) -> None:
    sentence = WRONG[function].format(f"{NAME}:{function}")
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        scorer(function).check((3, 4, 5))


def test_whose_number_is_wrong_is_said_at_an_evaluation_too() -> None:
    with pytest.raises(ValueError, match=f"^score.own {NAME}:listed returned a list; it must"):
        scorer("listed").evaluate(Sampler())


def test_a_number_of_any_library_counts_and_an_array_of_one_does_not() -> None:
    module = importlib.import_module(NAME)
    for value in (5, np.float16(5), np.int64(5), np.array(5), torch.tensor(5.0)):
        module.given = lambda batches, value=value: value
        found = scorer("given", noise_draws=0).evaluate(Sampler()).value
        assert (found, type(found)) == (5.0, float)
    for value in (np.array([5.0]), torch.ones(1), True, np.bool_(1), 5j, "5"):
        module.given = lambda batches, value=value: value
        with pytest.raises(ValueError, match="it must return one number"):
            scorer("given", noise_draws=0).evaluate(Sampler())
