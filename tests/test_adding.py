"""One of each thing is added as CONTRIBUTING says, by a row and its code, and is there everywhere."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import study
from study.cli.verbs import cli
from study.errors import UserError
from trainables.kinds import build_trial, parse_settings
from trainables.protocol import Context, Measurement, Parameters
from trainables.settings.extractors import EXTRACTORS, Extractor
from trainables.settings.losses import LOSSES, LossPair

MODULE = """
import torch

CALLED = []

def d_loss(real, fake):
    CALLED.append("D")
    return (1 - real).square().mean() + fake.square().mean()

def g_loss(fake):
    CALLED.append("G")
    return (1 - fake).square().mean()

class Thirds:
    name = "thirds"
    weights_sha256 = ""
    identity = "thirds:1"

    def __call__(self, images):
        flat = images.to(torch.float32).flatten(1)
        return flat[:, : flat.shape[1] // 3 * 3].reshape(len(flat), 3, -1).mean(2), None

def thirds(settings, cache, device):
    return Thirds()

class FromAfar:
    there = set()

    def missing(self, name, cache):
        return name not in self.there

    def fetch(self, name, cache):
        self.there.add(name)

AFAR = FromAfar()
"""

SMALL: dict[str, Any] = {
    "kind": "gan",
    "data": "digits",
    "networks": {"name": "dcgan", "width": 2, "latent": 4},
    "batch_size": 8,
    "steps": 2,
    "evaluate_every": 2,
    "score": {"extractor": "digits", "samples": 100},
}


@pytest.fixture(autouse=True)
def added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "added_things.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(
        LOSSES, "squares", LossPair("added_things:d_loss", "added_things:g_loss", bounded=False)
    )
    row = Extractor(
        features=3, build="added_things:thirds", weights="added_things:AFAR", source="afar"
    )
    monkeypatch.setitem(EXTRACTORS, "thirds", row)


def spec(**trial: Any) -> dict[str, Any]:
    arm = {"space": "two_timescale", "trials": 1, "b": [1e-4, 1e-2], "a": [1e-4, 1e-2]}
    return {
        "name": "added",
        "trial": {**SMALL, **trial},
        "arms": {"two_timescale": {**arm, "d_steps": [1]}},
    }


def test_a_loss(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="loss is squares, but nothing bounds D's slope"):
        study.read_spec(spec(loss="squares"))
    bounded = {
        "networks": {**SMALL["networks"], "d_norm": "layer"},
        "regulariser": {"gradient_penalty": 1.0},
    }
    trial = study.read_spec(spec(loss="squares", **bounded)).trial
    context = Context(seed=0, cache=str(tmp_path))
    built = build_trial(trial, Parameters(b=1e-3, a=1e-3, d_steps=1), context)
    assert isinstance(built.advance(), Measurement)
    import added_things  # type: ignore[import-not-found]

    assert added_things.CALLED == ["D", "G", "D", "G"]
    assert '"squares"' in json.dumps(study.schema())
    with pytest.raises(UserError, match="'hinge', 'wasserstein' or 'squares'"):
        study.read_spec(spec(loss="squars"))


def test_an_extractor(tmp_path: Path) -> None:
    made = study.read_spec(spec(score={"extractor": "thirds", "samples": 100}))
    assert made.score_name == "fd_thirds_100"
    assert '"thirds"' in json.dumps(study.schema())
    todo = [step.text for step in made.settings.preparation(str(tmp_path))]
    assert "download weights of thirds from afar" in todo
    made.settings.prepare(str(tmp_path), "cpu", lambda _: None)
    todo = [step.text for step in made.settings.preparation(str(tmp_path))]
    assert not [text for text in todo if "thirds" in text]
    context = Context(seed=0, cache=str(tmp_path))
    built = build_trial(made.trial, Parameters(b=1e-3, a=1e-3, d_steps=1), context)
    assert isinstance(built.advance(), Measurement)
    with pytest.raises(UserError, match="thirds has no logits; use one of digits, inception"):
        study.read_spec(spec(score={"extractor": "thirds", "extras": ["inception_score"]}))
    with pytest.raises(UserError, match="thirds takes no weights file"):
        study.read_spec(spec(score={"extractor": "thirds", "weights": "w.pth"}))
    settings: Any = parse_settings(made.trial)
    assert settings.score.features == 3


def test_a_verb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "commands", dict(cli.commands))
    code = """
import click
from study.cli.group import cli

@cli.command()
@click.argument("name")
def greet(name):
    \"\"\"Greet the study NAME.\"\"\"
    click.echo(f"hello, {name}")
"""
    (tmp_path / "added_verb.py").write_text(code)
    importlib.import_module("added_verb")
    run = CliRunner()
    assert run.invoke(cli, ["greet", "quickstart"]).output == "hello, quickstart\n"
    assert "Greet the study NAME." in run.invoke(cli, ["--help"]).output
