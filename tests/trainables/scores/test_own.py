"""A score of a user's own: named in a spec, tried before training, evaluated, repeated and continued."""

from __future__ import annotations

import hashlib
import importlib
import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.study import saddle_spec
from support.trials import SMALL

from study.driver.preparing import check, known_contents, steps
from study.errors import UserError
from study.spec.continuation import check_continues
from study.spec.model import Spec
from study.spec.reader import parse_spec
from trainables.gan.trial import GanTrial
from trainables.kinds import build_trial
from trainables.protocol import Context, Diverged, Measurement, Parameters
from trainables.scores.own import OwnScorer
from trainables.settings.score import OwnScoreSettings

MODULE = """
import torch

SEEN = []

def darkness(batches):
    images = torch.cat(list(batches))
    SEEN.append((tuple(images.shape), images.dtype))
    return 100 - images.double().mean()

def guessed(batches):
    return torch.cat(list(batches)).double().mean() + torch.rand((), dtype=torch.float64)

def rarely(batches):
    images = torch.cat(list(batches))
    return float("nan") if len(images) == 100 else 1.0

number = 3
"""

TRIAL: dict[str, Any] = {
    **SMALL["gan"],
    "steps": 4,
    "score": {"own": "scores_of_mine:darkness", "samples": 100},
}


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "scores_of_mine.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "scores_of_mine", raising=False)
    importlib.invalidate_caches()


def spec(**trial: Any) -> Spec:
    return parse_spec({**saddle_spec(), "trial": {**TRIAL, **trial}})


def make(folder: Path, **trial: Any) -> GanTrial:
    parameters = Parameters(b=2e-2, a=0.1, d_steps=1)
    built = build_trial(
        {**TRIAL, **trial}, parameters, Context(seed=1, cache=str(folder / "cache"))
    )
    assert isinstance(built, GanTrial)
    return built


def run(trial: GanTrial) -> list[Any]:
    found: list[Any] = []
    while not trial.finished:
        made = trial.advance()
        assert made is not None
        found.append((made.score, made.noise) if isinstance(made, Measurement) else made)
    return found


def test_the_score_is_the_functions_and_its_noise_the_spread_over_draws(tmp_path: Path) -> None:
    trial = make(tmp_path)
    assert trial.score_name == spec().score_name == "own_darkness_100"
    measured = trial.advance()
    assert isinstance(measured, Measurement)
    drawn = [torch.cat(list(trial.sampler(draw, 100))).numpy() for draw in range(4)]
    expected = [100 - images.astype(np.float64).mean() for images in drawn]
    assert measured.score == pytest.approx(expected[0], rel=1e-12)
    assert measured.noise == pytest.approx(np.std(expected, ddof=1), rel=1e-9)
    assert measured.noise > 0
    assert sys.modules["scores_of_mine"].SEEN[-4:] == [((100, 1, 8, 8), torch.uint8)] * 4
    exact = make(tmp_path, score={**TRIAL["score"], "noise_draws": 0}).advance()
    assert isinstance(exact, Measurement)
    assert (exact.score, exact.noise) == (measured.score, 0.0)


@pytest.mark.parametrize("own", [pytest.param("darkness", marks=pytest.mark.slow), "guessed"])
def test_a_trial_is_repeated_and_continued_exactly_and_trains_as_with_any_score(
    tmp_path: Path, own: str
) -> None:
    score = {"own": f"scores_of_mine:{own}", "samples": 100}
    whole = run(make(tmp_path, score=score))
    assert whole == run(make(tmp_path, score=score))
    begun = make(tmp_path, score=score)
    begun.advance()
    begun.advance(lambda: begun.step == 3)
    continued = make(tmp_path, score=score)
    continued.load(begun.save())
    assert [*whole[:1], *run(continued)] == whole
    other = make(tmp_path, score={"extractor": "digits", "samples": 64})
    run(other)
    for mine, its in zip(continued.weights().values(), other.weights().values(), strict=True):
        assert torch.equal(mine, its)
    with pytest.raises(ValueError, match=r"score"):
        other.load(begun.save())


def test_what_it_depends_on_is_told(tmp_path: Path) -> None:
    facts = json.loads(make(tmp_path).artifacts()["score.json"])
    assert facts.pop("levels")["floor"] > 0
    assert facts == {
        "score_name": "own_darkness_100",
        "own": "scores_of_mine:darkness",
        "own_code_sha256": hashlib.sha256(MODULE.encode()).hexdigest(),
    }


def test_a_score_may_be_negative_and_one_that_is_not_finite_ends_the_trial(tmp_path: Path) -> None:
    scorer = OwnScorer(OwnScoreSettings(own="scores_of_mine:darkness", noise_draws=2), "dark")

    def white(draw: int, count: int) -> Iterator[torch.Tensor]:
        yield torch.full((count, 1, 2, 2), 255 - draw, dtype=torch.uint8)

    assert scorer.evaluate(white).value == -155.0
    assert scorer.evaluate(white).noise == pytest.approx(math.sqrt(0.5))
    (ended,) = run(make(tmp_path, score={"own": "scores_of_mine:rarely", "samples": 100}))
    assert isinstance(ended, Diverged)
    assert "the score own_rarely_100 is nan" in ended.reason


def test_an_image_that_is_not_finite_is_the_trials_and_not_the_functions(tmp_path: Path) -> None:
    trial = make(tmp_path, evaluate_every=1, ema=0.5)
    next(iter(trial.game.sampled.parameters())).data.fill_(math.nan)
    ended = trial.advance()
    assert isinstance(ended, Diverged)
    assert "generator's image is nan" in ended.reason


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("mine = 3", "is not a function but an int; name a function that returns a number"),
        (
            "def mine():\n    return 1.0",
            "called with batches uint8 .24, 1, 8, 8., raised TypeError",
        ),
        ("def mine(b):\n    return str(len(list(b)))", "returned a str; it must return one number"),
        (
            "def mine(b):\n    return torch.ones(len(list(b)))",
            r"a Tensor of shape \(3,\); it must ret",
        ),
        ("def mine(b):\n    return len(list(b)) > 0", "returned a bool; it must return one number"),
        ("def mine(b):\n    list(b)", "returned None; it must return one number"),
        (
            "def mine(b):\n    return float(len(list(b))) * float('inf')",
            "is inf of 64 images of noise",
        ),
        ("def mine(b):\n    return float(next(b).shape[0])", "did not look at all the batches"),
        (
            "import random\ndef mine(b):\n    return len(list(b)) + random.random()",
            "gave .* and then",
        ),
        ("def mine(b):\n    return sum(x.mean() for x in b)", r"raised \w+Error: mean"),
        ("raise KeyError('x')", "cannot be imported: KeyError"),
    ],
)
def test_what_breaks_the_contract_is_said_before_anything_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, sentence: str
) -> None:
    (tmp_path / "broken_scores.py").write_text("import torch\n" + code)
    monkeypatch.delitem(sys.modules, "broken_scores", raising=False)
    importlib.invalidate_caches()
    score = {"own": "broken_scores:mine"}
    before = torch.random.get_rng_state()
    with pytest.raises(UserError, match=sentence) as caught:
        check(spec(score=score), str(tmp_path / "cache"))
    assert "score.own" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert torch.equal(before, torch.random.get_rng_state())
    with pytest.raises(ValueError, match=sentence):
        make(tmp_path, score=score)


@pytest.mark.parametrize("value", ["5", "np.float32(5)", "torch.tensor(5)", "np.array(5.0)"])
def test_a_number_of_any_library_is_one(tmp_path: Path, value: str) -> None:
    code = f"import numpy as np, torch\ndef five(batches):\n    list(batches)\n    return {value}\n"
    (tmp_path / "numbers_of_mine.py").write_text(code)
    sys.modules.pop("numbers_of_mine", None)
    importlib.invalidate_caches()
    scorer = OwnScorer(OwnScoreSettings(own="numbers_of_mine:five"), "five")
    scorer.check((1, 4, 4))
    assert scorer.evaluate(lambda _, n: iter([torch.zeros(n, 1, 2, 2)])).value == 5.0


@pytest.mark.parametrize(
    ("score", "sentence"),
    [
        ({"own": "five"}, "trial.score.own is 'five'"),
        ({"own": "m:f", "extractor": "digits"}, "trial.score.extractor is not a field"),
        ({"own": "m:f", "samples": 2}, "trial.score.samples is 2"),
        ({"own": "m:f", "noise_draws": 1}, "noise_draws is 1; a spread needs 2"),
        ({"extractor": "digits", "samples": 2}, "trial.score.samples is 2"),
        (
            {"extractor": "digit"},
            "trial.score.extractor is 'digit': input should be 'digits', 'inc",
        ),
        ("m:f", "trial.score is 'm:f'"),
    ],
)
def test_settings_that_do_not_fit_are_said_of_the_score_that_is_meant(
    score: Any, sentence: str
) -> None:
    with pytest.raises(UserError, match=sentence) as caught:
        spec(score=score)
    assert "more like it" not in str(caught.value)


def test_another_score_is_another_study_and_what_is_stored_is_read_as_it_was() -> None:
    mine = spec()
    assert parse_spec(mine.model_dump(mode="json")) == mine
    assert mine.trial["score"] == {**TRIAL["score"], "noise_draws": 4, "early": None, "draw": 0}
    check_continues(mine, spec(), {})
    with pytest.raises(
        UserError, match=r"trial\.score.own was 'scores_of_mine:darkness' and is 'scor"
    ):
        check_continues(mine, spec(score={**TRIAL["score"], "own": "scores_of_mine:guessed"}), {})
    with pytest.raises(UserError, match=r"trial\.score"):
        check_continues(mine, spec(score={"extractor": "digits"}), {})
    assert spec(data={"name": "digits", "size": 16}).score_name == "own_darkness_100_16px"
    arm = {"space": "one_timescale", "trials": 1, "b": [1e-4, 1e-2]}
    wide = {**arm, "further": {"score.samples": {"choices": [100, 200]}}}
    with pytest.raises(UserError, match="says what the score means"):
        parse_spec({**saddle_spec(), "trial": TRIAL, "arms": {"one": wide}})


def test_images_of_ones_own_need_no_extractor_and_their_data_are_prepared(tmp_path: Path) -> None:
    np.save(tmp_path / "mine.npy", np.full((40, 16, 16, 3), 200, dtype=np.uint8))
    mine = spec(data=str(tmp_path / "mine.npy"))
    cache = str(tmp_path / "cache")
    assert [step.automatic for step in steps(mine, cache)] == [True]
    check(mine, cache)
    found = known_contents(mine, cache, None, lambda _: None)
    assert found is not None
    assert (found["used"], list(found["fingerprints"])) == (40, ["data"])
    mine.settings.prepare(cache, "cpu", lambda _: None)
    assert steps(mine, cache) == []
