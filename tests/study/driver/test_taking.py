"""One trial of a study: shown, given away, drawn from and trained again, as by the command line."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image

import study
from study.api.sites import site_of
from study.cli.verbs import cli
from study.driver import giving
from study.driver.again import train
from study.driver.keeping import Keeping
from study.driver.taking import Subject
from study.errors import UserError
from study.places.locations import Options
from study.record.database import Ledger
from study.search.conductor import Conductor
from study.spec.model import Spec
from study.trial import TrialRecord
from trainables.protocol import Measurement, Parameters
from trainables.run import TrialRun

SPEC: dict[str, Any] = {
    "name": "little",
    "trial": {
        "kind": "gan",
        "data": "digits",
        "networks": {"name": "dcgan", "width": 2, "latent": 4},
        "batch_size": 8,
        "ema": 0.5,
        "steps": 6,
        "evaluate_every": 2,
        "score": {"samples": 64},
    },
    "arms": {
        "one": {"space": "one_timescale", "trials": 1, "b": [1e-4, 1e-2]},
        "two": {
            "space": "two_timescale",
            "trials": 2,
            "b": [1e-4, 1e-2],
            "a": [1e-4, 1e-2],
            "further": {"optimiser.beta1": {"low": 0.0, "high": 0.9}},
        },
    },
    "storage": {"keep_best": 1},
    "stopping": {"rule": "none"},
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of three trials that ran, in a home of its own."""
    torch.set_num_threads(1)
    home = tmp_path_factory.mktemp("home")
    spec = Spec.model_validate(SPEC)
    site = site_of(spec, Options(home=str(home)))
    ledger = Ledger(site.places.record)
    ledger.store_spec(spec.name, spec.model_dump(mode="json"))
    conductor = Conductor(spec, ledger, site.places)
    keeping = Keeping(spec, site.places, conductor)
    conductor.observe(keeping)
    while (assignment := conductor.next()) is not None:
        run = TrialRun(assignment)
        while not conductor.turn(assignment.identity, run.turn()):
            pass
    keeping.close(60)
    ledger.close()
    return home


@pytest.fixture
def ttur(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs a command as typed, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> Result:
        return CliRunner().invoke(cli, [*words, "--home", str(home)])

    return run


def said(result: Result) -> str:
    assert result.exit_code == 0, (result.output, result.exception)
    return str(result.output)


def refused(result: Result) -> str:
    assert isinstance(result.exception, UserError), (result.output, result.exception)
    return str(result.exception)


def test_the_best_trial_is_shown_with_its_curve(ttur: Any) -> None:
    text, data = said(ttur("show", "little")), json.loads(said(ttur("show", "little", "--json")))
    name = f"{data['arm']}/{data['number']}"
    assert text.startswith(f"little/{name}: complete")
    assert f"again: ttur train little {name} --home" in text
    assert [evaluation["step"] for evaluation in data["evaluations"]] == [2, 4, 6]
    assert data["score"] == min(evaluation["score"] for evaluation in data["evaluations"])
    assert {"d_loss", "g_loss"} <= data["evaluations"][0]["metrics"].keys()
    assert data["kept"] == sorted({data["step"], 6})
    assert "measurements.jsonl" in data["files"]
    assert text.count("best") == 1
    last = data["evaluations"][-1]["metrics"]
    (line,) = (line for line in text.splitlines() if line.startswith("  time: "))
    named = [part.split()[0] for part in line.removeprefix("  time: ").split(", ")]
    assert named == ["data", "training", "evaluation", "checkpoint", "waiting"]
    assert f"training {last['seconds_training']:.3g} s (" in line


@pytest.mark.parametrize(
    ("trial", "sentence"),
    [
        ("one", "'one' is not a trial; write ARM/NUMBER (one/0)"),
        ("three/0", "three/0: the study has the arms one, two"),
        ("two/7", "little has no trial two/7; two has 2, from two/0 on"),
        ("two/x", "'two/x' is not a trial"),
    ],
)
def test_a_trial_that_is_not_there_is_one_sentence(ttur: Any, trial: str, sentence: str) -> None:
    assert sentence in refused(ttur("show", "little", trial))


def test_its_generator_is_given_away(ttur: Any, home: Path, tmp_path: Path) -> None:
    best = json.loads(said(ttur("show", "little", "--json")))
    folder = f"little-{best['arm']}-{best['number']}"
    assert folder in said(ttur("export", "little", "--best"))
    written = {path.name for path in (tmp_path / folder).iterdir()}
    assert written == {
        "average.safetensors",
        "card.md",
        "generator.py",
        "generator.safetensors",
        "samples.png",
        "study.yaml",
        "training.py",
    }
    code = runpy.run_path(str(tmp_path / folder / "generator.py"))
    drawn = code["sample"](code["load"](), 40)
    assert np.array_equal(
        drawn.permute(0, 2, 3, 1).numpy(), study.sample("little", count=40, home=str(home))
    )
    card = (tmp_path / folder / "card.md").read_text()
    assert f"{best['score']:.6g} of the average after {best['step']} updates" in card
    assert "from generator import load, sample" in card
    alone = study.read_spec(tmp_path / folder / "study.yaml")
    assert alone.trial["optimiser"]["beta1"] == best["further"].get("optimiser.beta1")


def test_the_configuration_alone_has_what_was_sampled(ttur: Any, tmp_path: Path) -> None:
    data = json.loads(said(ttur("show", "little", "two/0", "--json")))
    if data["kept"]:
        said(ttur("export", "little", "two/0", "--to", "there"))
    else:
        said(ttur("train", "little", "two/0", "--to", "there"))
    alone = study.read_spec(tmp_path / "there" / "study.yaml")
    (arm,) = alone.arms.values()
    assert alone.trial["optimiser"]["beta1"] == data["further"]["optimiser.beta1"]
    assert (arm.b[0], arm.a[0]) == (data["b"], data["a"])  # type: ignore[attr-defined]


def test_samples_are_written_in_the_form_that_was_asked_for(ttur: Any, tmp_path: Path) -> None:
    said(ttur("sample", "little"))
    assert Image.open(tmp_path / "little-samples.png").size[0] > 64
    said(ttur("sample", "little", "--count", "5", "--seed", "3", "--to", "images.npz"))
    images = np.load(tmp_path / "images.npz")["images"]
    assert (images.shape, images.dtype) == ((5, 8, 8, 1), np.uint8)
    said(ttur("sample", "little", "--count", "5", "--seed", "3", "--to", "pictures"))
    pictures = [np.asarray(Image.open(file)) for file in sorted((tmp_path / "pictures").iterdir())]
    assert np.array_equal(np.stack(pictures), images[..., 0])
    assert "written as .png, .npz, a folder" in refused(ttur("sample", "little", "--to", "a.txt"))


def test_a_trial_without_a_generator_says_how_to_get_one(ttur: Any) -> None:
    kept = {
        name: json.loads(said(ttur("show", "little", name, "--json")))
        for name in ("two/0", "two/1")
    }
    (without,) = [name for name, data in kept.items() if not data["kept"]]
    sentence = refused(ttur("export", "little", without))
    assert f"train it again: ttur train little {without}" in sentence


def test_it_is_trained_again_bit_for_bit(ttur: Any, tmp_path: Path) -> None:
    before = json.loads(said(ttur("show", "little", "two/1", "--json")))
    text = said(ttur("train", "little", "two/1"))
    scores = [float(line.split(": ")[1].split(" ")[0]) for line in text.splitlines()[:3]]
    assert scores == [float(f"{e['score']:.6g}") for e in before["evaluations"]]
    written = {path.name for path in (tmp_path / "little-two-1-again").iterdir()}
    assert {"generator.py", "card.md", "measurements.jsonl"} <= written
    assert not any(name.startswith("checkpoint") for name in written)


def test_it_is_trained_longer_from_another_seed(ttur: Any) -> None:
    text = said(ttur("train", "little", "two/1", "--seed", "9", "--steps", "8", "--to", "longer"))
    assert [line.split(":")[0] for line in text.splitlines()[:-1]] == [
        f"step {step}" for step in (2, 4, 6, 8)
    ]
    finished = refused(ttur("train", "little", "one/0", "--to", "longer"))
    assert "longer holds other files, or a training that is finished" in finished


def test_one_that_was_cut_off_goes_on(
    ttur: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = said(ttur("train", "little", "two/1", "--to", "whole")).splitlines()[:3]
    turn, told = TrialRun.turn, []

    def one_at_a_time(run: TrialRun) -> Any:
        if told:
            raise KeyboardInterrupt
        told.append(run)
        run._advance = lambda: run._keep(run.trial.advance(), 0.0)  # type: ignore[method-assign]
        return turn(run)

    with monkeypatch.context() as patched:
        patched.setattr(TrialRun, "turn", one_at_a_time)
        ttur("train", "little", "two/1", "--to", "cut")
    assert list((tmp_path / "cut").glob("checkpoint-*"))
    other = refused(ttur("train", "little", "two/1", "--seed", "1", "--to", "cut"))
    assert "cannot be trained in cut: the state is of another trial: its seed" in other
    assert said(ttur("train", "little", "two/1", "--to", "cut")).splitlines()[:3] == whole


def test_it_begins_with_the_weights_that_were_kept(ttur: Any, home: Path) -> None:
    before = study.show("little", home=str(home))
    name = f"{before.arm}/{before.number}"
    text = said(ttur("train", "little", name, "--steps", "2", "--from-weights", "--to", "on"))
    fresh = before.measurements[0].score
    found = float(text.splitlines()[0].split(": ")[1].split(" ")[0])
    assert found != pytest.approx(fresh, rel=1e-6)


def test_bad_words_are_one_sentence(ttur: Any) -> None:
    assert "give one of them" in refused(ttur("export", "little", "one/0", "--best"))


def test_a_game_has_no_generator(tmp_path: Path) -> None:
    fields = {
        "name": "game",
        "trial": {"kind": "saddle", "steps": 4, "evaluate_every": 2},
        "arms": {"one": {"space": "one_timescale", "trials": 1, "b": [1e-3, 1e-2]}},
    }
    spec = Spec.model_validate(fields)
    site = site_of(spec, Options(home=str(tmp_path)))
    ledger = Ledger(site.places.record)
    ledger.store_spec("game", spec.model_dump(mode="json"))
    conductor = Conductor(spec, ledger, site.places)
    assignment = conductor.next()
    assert assignment is not None
    assert conductor.turn(assignment.identity, TrialRun(assignment).turn())
    ledger.close()
    with pytest.raises(
        UserError, match="one/0 is a trial of kind saddle, which trains no generator"
    ):
        study.export("game", home=str(tmp_path))
    again = study.train("game", folder=tmp_path / "again", home=str(tmp_path))
    assert [m.step for m in again.measurements] == [2, 4]


def test_a_card_says_of_the_evaluation_that_it_is_of_whether_anything_was_learnt() -> None:
    levels = {"score_floor": 1.0, "score_ceiling": 40.0}
    curve = [Measurement(step=2, score=12.0, metrics=levels)]
    curve += [Measurement(step=4, score=90.0, metrics=levels)]
    trial = TrialRecord(
        study="s",
        arm="one",
        number=3,
        parameters=Parameters(b=1e-3, a=1e-3, d_steps=1),
        measurements=tuple(curve),
    )
    found: Any = SimpleNamespace(trial=trial, spec=SimpleNamespace(name="s"), name="one/3")

    def card(step: int, score: float) -> str:
        facts = {"score_name": "fd", "score": repr(score), "step": str(step), "image": "1x8x8"}
        taken: Any = SimpleNamespace(facts=facts, of_images=True, part="generator")
        return giving._card(found, taken, "use")

    assert "nothing learnt" not in card(2, 12.0)
    assert "nothing learnt: not clearly below 40" in card(4, 90.0)


def test_steps_that_the_settings_do_not_allow_are_one_sentence(tmp_path: Path) -> None:
    fields = {**SPEC, "trial": {**SPEC["trial"], "ema_start": 4}}
    trial = TrialRecord(
        study="little", arm="one", number=0, parameters=Parameters(b=1e-3, a=1e-3, d_steps=1)
    )
    with pytest.raises(UserError) as refusal:
        train(Subject(fields, trial), tmp_path / "new", "", lambda _: None, steps=3)
    assert str(refusal.value) == (
        "--steps 3: ema_start is 4, but a trial has 3 steps, so no average is taken; lower it"
    )
