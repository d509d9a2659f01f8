"""A user's own pair of losses: named in a spec, tried before training, trained with, saved and continued."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from support.study import saddle_spec
from support.trials import SMALL

from study.driver.preparing import check
from study.errors import UserError
from study.spec import user_code
from study.spec.continuation import check_continues
from study.spec.reader import parse_spec
from trainables.gan.losses import build_loss
from trainables.gan.own_loss import build_own_loss
from trainables.kinds import build_trial, parse_settings
from trainables.plain_training import plain_training
from trainables.protocol import Context, Diverged, Measurement, Parameters, Trial
from trainables.settings.adversarial import AdversarialSettings

MODULE = """
import torch
from torch.nn.functional import softplus

def d_loss(real, fake):
    return softplus(-real).mean() + softplus(fake).mean()

def g_loss(fake):
    return softplus(-fake).mean()

def pair():
    return d_loss, g_loss

def noisy():
    return lambda real, fake: d_loss(real + torch.rand(()), fake), g_loss

def swapped():
    return lambda real, fake: d_loss(fake, real), g_loss

one = 1
"""

TRIAL: dict[str, Any] = {
    **SMALL["gan"],
    "steps": 4,
    "score": {"extractor": "digits", "samples": 64},
}


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "losses_of_mine.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()


def trained(trial: Trial) -> list[tuple[float, Mapping[str, float]]]:
    found = []
    while not trial.finished:
        made = trial.advance()
        assert isinstance(made, Measurement)
        kept = {name: value for name, value in made.metrics.items() if "second" not in name}
        found.append((made.score, kept))
    return found


def make(folder: Path, loss: str, **further: Any) -> Trial:
    parameters = Parameters(b=2e-3, a=1e-3, d_steps=2)
    return build_trial(
        {**TRIAL, "loss": loss, **further}, parameters, Context(seed=3, cache=str(folder / "cache"))
    )


@pytest.mark.parametrize(
    "rule", ["alternating", pytest.param("extragradient", marks=pytest.mark.slow)]
)
def test_the_formula_of_a_built_in_loss_trains_to_the_same_bits(tmp_path: Path, rule: str) -> None:
    own = trained(make(tmp_path, "losses_of_mine:pair", update_rule=rule))
    assert own == trained(make(tmp_path, "non_saturating", update_rule=rule))
    assert own != trained(make(tmp_path, "losses_of_mine:swapped", update_rule=rule))


def test_one_with_randomness_is_repeated_and_continued_exactly(tmp_path: Path) -> None:
    whole = trained(make(tmp_path, "losses_of_mine:noisy"))
    assert whole == trained(make(tmp_path, "losses_of_mine:noisy"))
    assert whole != trained(make(tmp_path, "losses_of_mine:pair"))
    begun = make(tmp_path, "losses_of_mine:noisy")
    turns = iter([False, False, False, True])
    first = begun.advance(lambda: next(turns, True))
    assert isinstance(first, Measurement)
    assert begun.advance(lambda: True) is None
    continued = make(tmp_path, "losses_of_mine:noisy")
    continued.load(begun.save())
    assert trained(continued) == whole[1:]
    with pytest.raises(ValueError, match=r"loss is 'losses_of_mine:noisy', not 'losses_of_mine"):
        make(tmp_path, "losses_of_mine:pair").load(begun.save())


def test_one_whose_loss_stops_being_finite_ends_as_diverged(tmp_path: Path) -> None:
    wild = "def pair():\n    return (lambda r, f: f.exp().mean() - r.mean()), lambda f: -f.exp().mean()\n"
    (tmp_path / "wild_losses.py").write_text(wild)
    parameters = Parameters(b=1e4, a=1e4, d_steps=1)
    fields = {**TRIAL, "loss": "wild_losses:pair", "optimiser": "sgd"}
    trial = build_trial(fields, parameters, Context(seed=0, cache=str(tmp_path)))
    found = [trial.advance()]
    assert trial.finished
    assert isinstance(found[-1], Diverged)


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("pair = 3", r"is not a function but an int; name a function that returns \(D's loss"),
        (
            "def pair():\n    return d",
            "returned a function; it must return a tuple of two functions",
        ),
        (
            "def pair():\n    return d, 1.0",
            "returned a tuple of 2; it must return a tuple of two func",
        ),
        ("def pair():\n    return d, g, g", "returned a tuple of 3"),
        ("def pair(x):\n    return d, g", "called without arguments, raised TypeError: pair"),
        (
            "def pair():\n    return g, g",
            r"D's loss .* scores \(real, fake\) of shape \(8,\), raised Type",
        ),
        ("def pair():\n    return d, d", r"G's loss of .*, called with scores \(fake\) of shape"),
        ("def pair():\n    return (lambda r, f: r - f), g", r"shape \(8,\); it must be one number"),
        (
            "def pair():\n    return (lambda r, f: d(r, f)[None]), g",
            r"shape \(1,\); it must be one",
        ),
        (
            "def pair():\n    return (lambda r, f: d(r, f).item()), g",
            "returned a float; it must return",
        ),
        ("def pair():\n    return d, lambda f: None", "G's loss of .* returned None"),
        (
            "def pair():\n    return d, lambda f: g(f.detach())",
            "G's loss of .* has no gradient; it",
        ),
        (
            "def pair():\n    return (lambda r, f: g(f)), g",
            "no gradient to the scores of the real samp",
        ),
        (
            "def pair():\n    return (lambda r, f: d(r, 0 * f)), g",
            "no gradient to .* the fake samples",
        ),
        (
            "def pair():\n    return d, lambda f: g(f).double()",
            "torch.float64; it must be torch.float32",
        ),
        (
            "def pair():\n    return d, lambda f: -f.log().mean()",
            "G's loss of .* is nan of scores betw",
        ),
        (
            "def pair():\n    return d, lambda f: f.abs().sqrt().mean()",
            "gradient .* that is not finite",
        ),
        (
            "N = []\ndef pair():\n    return d, lambda f: (N.append(1), g(f) * len(N))[1]",
            "gave .* and then",
        ),
        ("import nowhere_at_all", "cannot be imported: No module named 'nowhere_at_all'"),
        ("raise RuntimeError('no licence')", "cannot be imported: RuntimeError: no licence"),
        ("raise ValueError('no licence\\n\\nSee https://…')", r"ValueError: no licence$"),
        ("def pair(:", "cannot be imported: SyntaxError"),
        ("other = 1", "cannot be imported: .* has no attribute 'pair'"),
    ],
)
def test_what_breaks_the_contract_is_said_before_anything_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, sentence: str
) -> None:
    head = "d = lambda r, f: f.mean() - r.mean()\ng = lambda f: -f.mean()\n"
    (tmp_path / "broken_losses.py").write_text(head + code)
    monkeypatch.delitem(sys.modules, "broken_losses", raising=False)
    importlib.invalidate_caches()
    spec = parse_spec({**saddle_spec(), "trial": {**TRIAL, "loss": "broken_losses:pair"}})
    before = torch.random.get_rng_state()
    with pytest.raises(UserError, match=sentence) as caught:
        check(spec, str(tmp_path / "cache"))
    assert "loss" in str(caught.value)
    assert "broken_losses" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert torch.equal(before, torch.random.get_rng_state())
    with pytest.raises(ValueError, match=sentence):
        make(tmp_path, "broken_losses:pair")


@pytest.mark.parametrize(
    ("second", "said"),
    [
        ("1.0", "returned a float"),
        ("1 / 0", "called with scores (fake) of shape (8,), raised Zero"),
    ],
)
def test_what_the_second_call_does_is_said_with_the_name_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, second: str, said: str
) -> None:
    code = "N = []\ndef pair():\n    return (lambda r, f: f.mean() - r.mean()), g\n"
    then = f"def g(f):\n    N.append(1)\n    return -f.mean() if len(N) == 1 else {second}\n"
    (tmp_path / "forgetful_losses.py").write_text(code + then)
    monkeypatch.delitem(sys.modules, "forgetful_losses", raising=False)
    importlib.invalidate_caches()
    with pytest.raises(ValueError, match="G's loss of forgetful_losses:pair") as caught:
        build_own_loss("forgetful_losses:pair")
    assert said in str(caught.value)


def test_one_that_is_searched_is_tried_too(tmp_path: Path) -> None:
    arm = {"space": "one_timescale", "trials": 1, "b": [1e-4, 1e-2]}
    wide = {**arm, "further": {"loss": {"choices": ["hinge", "losses_of_mine:one"]}}}
    spec = parse_spec({**saddle_spec(), "trial": TRIAL, "arms": {"one": arm, "two": wide}})
    with pytest.raises(UserError, match="loss losses_of_mine:one is not a function"):
        check(spec, str(tmp_path / "cache"))


def test_text_is_trained_with_one_too(tmp_path: Path) -> None:
    (tmp_path / "lines.txt").write_text("a line of text\n" * 100)
    trial = {
        "kind": "language",
        "data": str(tmp_path / "lines.txt"),
        "steps": 2,
        "evaluate_every": 1,
    }
    broken = parse_spec({**saddle_spec(), "trial": {**trial, "loss": "losses_of_mine:one"}})
    with pytest.raises(UserError, match="loss losses_of_mine:one is not a function"):
        check(broken, str(tmp_path / "cache"))
    check(
        parse_spec({**saddle_spec(), "trial": {**trial, "loss": "losses_of_mine:pair"}}),
        str(tmp_path / "cache"),
    )


def test_a_name_that_is_none_is_refused_and_another_loss_is_another_study(tmp_path: Path) -> None:
    def spec(loss: str) -> Any:
        return parse_spec({**saddle_spec(), "trial": {**TRIAL, "loss": loss}})

    with pytest.raises(UserError, match=r"'wasserstein', or your own as package\.module:function"):
        spec("hinged")
    with pytest.raises(UserError, match="loss"):
        spec("losses_of_mine:")
    check_continues(spec("losses_of_mine:pair"), spec("losses_of_mine:pair"), {})
    with pytest.raises(
        UserError, match=r"trial\.loss was 'losses_of_mine:pair' and is 'losses_of_mi"
    ):
        check_continues(spec("losses_of_mine:pair"), spec("losses_of_mine:noisy"), {})


def test_plain_pytorch_of_a_trial_says_where_its_losses_are() -> None:
    settings = parse_settings({**TRIAL, "loss": "losses_of_mine:pair"})
    assert isinstance(settings, AdversarialSettings)
    text, left_out = plain_training(settings, Parameters(b=1e-3, a=1e-3, d_steps=1))
    assert "d_loss = d_loss_of(on_real, on_fake)" in text
    assert left_out == ["loss losses_of_mine:pair (d_loss_of, g_loss_of = losses_of_mine.pair())"]


def test_the_folder_of_its_module_goes_to_the_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(user_code, "_allowed", [])
    parse_spec({**saddle_spec(), "trial": {**TRIAL, "loss": "losses_of_mine:pair"}})
    assert str(tmp_path) in user_code.import_path()


def test_a_built_in_name_stays_what_it_is() -> None:
    assert build_loss("hinge").discriminator.__module__ == "trainables.gan.losses"
