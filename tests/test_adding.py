"""One of each thing is added as CONTRIBUTING says, by a row and its code, and is there everywhere."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import study
from search_spaces.build import RECIPES
from study.cli.verbs import cli
from study.errors import UserError
from study.spec import recipes
from trainables.data.errors import DataError
from trainables.kinds import KINDS, Kind, build_trial, parse_settings
from trainables.protocol import Context, Measurement, Parameters
from trainables.settings.datasets import DATA_SETS, FORMS, DataSet, Form
from trainables.settings.extractors import EXTRACTORS, Extractor
from trainables.settings.losses import LOSSES, LossPair

MODULE = """
from typing import Literal

import numpy as np
import torch
from optuna.distributions import CategoricalDistribution, FloatDistribution
from pydantic import Field

from search_spaces.space import SearchSpace
from trainables.data.collection import of_arrays
from trainables.data.errors import DataError
from trainables.data.sources import Source
from trainables.protocol import Measurement
from trainables.settings.base import TrialSettings

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

class Stripes:
    def open(self, split, root):
        images = np.load(root / "stripes" / f"{split}.npy")
        return of_arrays(images, lambda index: f"image {index} of stripes")

    def fetch(self, split, root, *, damaged):
        (root / "stripes").mkdir(parents=True)
        images = np.arange(20 * 64, dtype=np.uint8).reshape(20, 8, 8, 1)
        np.save(root / "stripes" / f"{split}.npy", images)

STRIPES = Stripes()

def find_raw(settings, path):
    if not path.is_file():
        raise DataError(f"{path} is not a file")
    images = np.frombuffer(path.read_bytes(), np.uint8).reshape(-1, 8, 8, 1)
    return Source([str(path)], lambda: of_arrays(images, str), root=path)

def darkness(batches):
    return float(255 - torch.cat(list(batches)).float().mean())

def square(side):
    return SearchSpace(
        {"side": FloatDistribution(*side, log=True), "d_steps": CategoricalDistribution((1,))},
        {"b": {"side": 2}, "a": {"side": 2}, "d_steps": {"d_steps": 1}},
    )

class HalvingSettings(TrialSettings):
    kind: Literal["halving"] = "halving"
    start: float = Field(default=8.0, gt=0)

    @property
    def score_name(self):
        return "halved"

class Halving:
    score_name = "halved"

    def __init__(self, settings, parameters, context):
        self.settings, self.step, self.value = settings, 0, settings.start

    @property
    def finished(self):
        return self.step >= self.settings.steps

    def advance(self, pause=lambda: False):
        self.step += self.settings.evaluate_every
        self.value /= 2
        return Measurement(step=self.step, score=self.value)

    def save(self):
        return {"step": self.step, "value": self.value}

    def load(self, state):
        self.step, self.value = state["step"], state["value"]

    def artifacts(self):
        return {}
"""

RECIPE = """
name: striped
card:
  question: Which rates suit stripes?
  budget: 2 trials
  expected_time: seconds
  expected_result: not run yet
  command: ttur launch striped
trial: {kind: saddle, steps: 4, evaluate_every: 2}
arms:
  one_timescale: {space: one_timescale, trials: 1, b: [1.0e-4, 1.0e-2], d_steps: [1]}
  two_timescale: {space: two_timescale, trials: 1, b: [1.0e-4, 1.0e-2], a: [1.0e-4, 1.0e-2], d_steps: [1]}
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
    stripes = DataSet(
        files="added_things:STRIPES",
        source="afar",
        marker="stripes/{split}.npy",
        megabytes={"left": 7},
        size=8,
        channels=1,
        splits=("left", "right"),
        of_digits=True,
    )
    monkeypatch.setitem(DATA_SETS, "stripes", stripes)
    monkeypatch.setitem(FORMS, "raw", Form(find="added_things:find_raw", suffixes=(".raw",)))
    monkeypatch.setitem(
        KINDS, "halving", Kind(*(f"added_things:Halving{s}" for s in ("Settings", "")))
    )


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


def measured(made: Any, cache: Path) -> Measurement:
    """The first evaluation of a trial of a spec."""
    context = Context(seed=0, cache=str(cache))
    built = build_trial(made.trial, Parameters(b=1e-3, a=1e-3, d_steps=1), context)
    found = built.advance()
    assert isinstance(found, Measurement)
    return found


def test_a_data_set(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="split is 'middle', but stripes has left, right"):
        study.read_spec(spec(data={"name": "stripes", "split": "middle"}))
    with pytest.raises(UserError, match=r"'strips', which is not .* lsun_bedroom, stripes\)"):
        study.read_spec(spec(data="strips"))
    made = study.read_spec(spec(data="stripes"))
    assert made.score_name == "fd_digits_100_left"
    assert '"stripes"' in json.dumps(study.schema())
    todo = [step.text for step in made.settings.preparation(str(tmp_path))]
    assert todo[0] == "download stripes, left (7 MB) from afar"
    with pytest.raises(DataError, match=r"stripes is not in .* `ttur prepare`"):
        measured(made, tmp_path)
    made.settings.prepare(str(tmp_path), "cpu", lambda _: None)
    assert made.settings.preparation(str(tmp_path)) == []
    contents = made.settings.contents(str(tmp_path), lambda _: None)
    assert contents is not None
    assert contents.sentence == "20 images"
    assert measured(made, tmp_path).step == 2


def test_a_form_of_images(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere\.raw is not a file"):
        study.read_spec(spec(data="./nowhere.raw", score={"extractor": "digits"})).settings.check(
            ""
        )
    (tmp_path / "mine.raw").write_bytes(bytes(range(256)) * 5)
    made = study.read_spec(
        spec(data=f"{tmp_path}/mine.raw", score={"extractor": "digits", "samples": 8})
    )
    assert made.trial["data"]["name"] == "raw"
    assert measured(made, tmp_path).step == 2


def test_a_score(tmp_path: Path) -> None:
    made = study.read_spec(spec(score={"own": "added_things:darkness", "samples": 20}))
    assert made.score_name == "own_darkness_20"
    assert 0 < measured(made, tmp_path).score < 255


def test_a_space(monkeypatch: pytest.MonkeyPatch) -> None:
    square = importlib.import_module("added_things").square
    monkeypatch.setitem(RECIPES, "square", square)
    arms = {"two_timescale": {"space": "square", "trials": 1, "side": [0.01, 0.1]}}
    space = study.read_spec({**spec(), "arms": arms}).arms["two_timescale"].build()
    assert space.derive({"side": 0.1, "d_steps": 1})["b"] == pytest.approx(0.01)
    with pytest.raises(UserError, match=f"write one of {', '.join(RECIPES)}, or your own"):
        study.read_spec({**spec(), "arms": {"two_timescale": {"space": "squar", "trials": 1}}})


def test_a_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "striped.yaml").write_text(RECIPE)
    monkeypatch.setattr(recipes, "_folder", lambda: tmp_path)
    assert [recipe.card.question for recipe in study.recipes()] == ["Which rates suit stripes?"]
    assert study.read_spec("striped").arms["one_timescale"].trials == 1
    assert "striped" in CliRunner().invoke(cli, ["recipes"]).output


def test_a_kind_of_trial(tmp_path: Path) -> None:
    made = study.read_spec(
        {**spec(), "trial": {"kind": "halving", "steps": 4, "evaluate_every": 2}}
    )
    assert (made.score_name, measured(made, tmp_path).score) == ("halved", 4.0)
    assert "HalvingSettings" in json.dumps(study.schema())
    with pytest.raises(UserError, match="start"):
        study.read_spec({**spec(), "trial": {**made.trial, "start": -1}})


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
