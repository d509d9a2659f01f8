"""Early evaluations of real trials: fewer samples, nothing else changed, and no score among them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import linalg
from support.text import made_up_lines

from trainables.assignment import Assignment
from trainables.data.images import load_images
from trainables.folder import Folder, read_measurements
from trainables.kept import kept_steps
from trainables.kinds import build_trial, parse_settings
from trainables.protocol import Context, Measurement, Parameters, Trial
from trainables.run import TrialRun
from trainables.scores.extractor import extract
from trainables.settings.data import DataSettings

RATES = Parameters(b=5e-3, a=5e-3, d_steps=1)
EARLY = {"samples": 24, "until": 10}
GAN: dict[str, Any] = {
    "kind": "gan",
    "data": "digits",
    "networks": {"name": "dcgan", "width": 8, "latent": 8},
    "batch_size": 8,
    "steps": 17,
    "evaluate_every": 5,
}
"""Evaluations at 5, 10, 15 and 17."""


def brightness(batches: Any) -> float:
    """A score of one's own: how bright images are, and how many they are."""
    images = torch.cat(list(batches)).float()
    return float(images.mean()) + len(images) / 10_000


KINDS: dict[str, dict[str, Any]] = {
    "frechet": {**GAN, "score": {"extractor": "digits", "samples": 80}},
    "own": {**GAN, "score": {"own": f"{__name__}:brightness", "samples": 80, "noise_draws": 2}},
    "language": {
        "kind": "language",
        "data": {"path": "lines.txt", "line_length": 10},
        "networks": {"width": 4, "blocks": 1, "latent": 4, "kernel": 3},
        "batch_size": 8,
        "steps": 17,
        "evaluate_every": 5,
        "score": {"name": "jsd2", "samples": 80, "batch_size": 7},
    },
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("early")
    (folder / "lines.txt").write_text("\n".join(made_up_lines(150)))
    return folder


def fields(kind: str, place: Path, **score: Any) -> dict[str, Any]:
    made = {**KINDS[kind], "score": {**KINDS[kind]["score"], **score}}
    if kind == "language":
        made["data"] = {**made["data"], "path": str(place / "lines.txt")}
    return made


def trained(given: dict[str, Any], place: Path) -> tuple[Trial, list[Measurement]]:
    trial, found = build_trial(given, RATES, Context(seed=3, cache=str(place / "cache"))), []
    while not trial.finished:
        event = trial.advance()
        assert isinstance(event, Measurement)
        found.append(event)
    return trial, found


@pytest.mark.parametrize("kind", KINDS)
def test_early_evaluations_are_those_of_fewer_samples_and_change_nothing_else(
    kind: str, place: Path
) -> None:
    trial, found = trained(fields(kind, place, early=EARLY), place)
    plain, every = trained(fields(kind, place), place)
    _, fewer = trained(fields(kind, place, samples=24), place)
    assert trial.score_name == plain.score_name
    assert [(m.step, m.early) for m in found] == [(5, True), (10, True), (15, False), (17, False)]
    assert [m.score for m in found[:2]] == [m.score for m in fewer[:2]]
    assert [m.score for m in found[:2]] != [m.score for m in every[:2]]
    # What is learnt and scored after them is the same to the last digit.
    assert [(m.score, m.noise) for m in found[2:]] == [(m.score, m.noise) for m in every[2:]]
    told = {"d_loss", "g_loss", "steps_per_second"}
    assert set(found[0].metrics) == told
    assert set(found[2].metrics) == set(every[2].metrics) > told


def test_an_early_distance_is_that_of_its_images(place: Path) -> None:
    """By SciPy's matrix root, from the features of the images themselves."""
    trial: Any = build_trial(
        fields("frechet", place, early={**EARLY, "samples": 60}),
        RATES,
        Context(seed=3, cache=str(place / "cache")),
    )
    event = trial.advance()
    images = torch.cat(list(trial.sampler(0, 60)))
    assert len(images) == 60
    scorer = trial._scorer
    made = extract(scorer._extractor, [images], 60).features.astype(np.float64)
    data = load_images(DataSettings(name="digits"), place / "cache").images
    pixels = torch.from_numpy(np.ascontiguousarray(data.transpose(0, 3, 1, 2)))
    real = extract(scorer._extractor, [pixels], 100).features.astype(np.float64)
    one, two = (np.cov(each, rowvar=False) for each in (made, real))
    root = linalg.sqrtm(one @ two).real
    distance = ((made.mean(0) - real.mean(0)) ** 2).sum() + np.trace(one + two - 2 * root)
    assert event.score == pytest.approx(distance, rel=1e-4)


def test_what_is_wrong_is_said(place: Path) -> None:
    for kind in KINDS:
        for early, said in {
            (80, 10): "early.samples is 80, which is not below samples",
            (24, 4): "score.early.until is 4, but the first evaluation is at step 5",
            (24, 17): "score.early.until is 17, but a trial has 17 steps",
        }.items():
            given = fields(kind, place, early=dict(zip(("samples", "until"), early, strict=True)))
            with pytest.raises(ValueError, match=said):
                parse_settings(given)
        with pytest.raises(ValueError, match="until"):
            parse_settings(fields(kind, place, early={"samples": 24}))


def test_a_study_without_early_evaluations_is_what_it_was(place: Path) -> None:
    for kind in KINDS:
        identity = parse_settings(fields(kind, place)).identity()
        assert "early" not in identity["score"]
        early = parse_settings(fields(kind, place, early=EARLY))
        assert early.identity()["score"]["early"] == EARLY
        assert early.score_name == parse_settings(fields(kind, place)).score_name


def test_a_trial_that_runs_out_of_minutes_ends_with_a_score(place: Path) -> None:
    trial: Any = build_trial(
        {**fields("frechet", place, early=EARLY), "minutes": 60.0},
        RATES,
        Context(seed=3, cache=str(place / "cache")),
    )
    trial._training_seconds = 3600.0
    last = trial.advance()
    assert (last.step, last.early, trial.finished) == (1, False, True)


def assigned(place: Path, folder: Path) -> Assignment:
    return Assignment(
        identity="study/two_timescale/3",
        trial=fields("frechet", place, early=EARLY),
        parameters=RATES,
        seed=3,
        folder=str(folder),
        cache=str(place / "cache"),
        checkpoint_seconds=60.0,
        turn_seconds=0.0,
        keep=True,
    )


def test_a_run_keeps_what_was_early_and_no_generator_of_it(place: Path, tmp_path: Path) -> None:
    """Also across being cut off in between."""
    turns = []
    run = TrialRun(assigned(place, tmp_path))
    while not any(m.early for turn in turns for m in turn.measurements):
        turns.append(run.turn())
    run.checkpoint()
    assert kept_steps(Folder(str(tmp_path)).names()) == []
    again = TrialRun(assigned(place, tmp_path))
    turns = [again.turn()]
    assert [m.early for m in turns[0].measurements] == [True] * len(again.history)
    while not again.finished:
        turns.append(again.turn())
    kept = read_measurements(str(tmp_path))
    assert [(m.step, m.early) for m in kept] == [(5, True), (10, True), (15, False), (17, False)]
    assert set(kept_steps(Folder(str(tmp_path)).names())) <= {15, 17}
    _, whole = trained(fields("frechet", place, early=EARLY), place)
    assert [m.score for m in kept] == [m.score for m in whole]
    sent = replace(turns[0], notes=())
    assert json.loads(json.dumps(sent.to_json()))["measurements"][0]["early"] is True
