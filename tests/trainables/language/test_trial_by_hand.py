"""What a language trial is made of: its batches, its lines, its levels, and what they are kept by."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from support.text import made_up_lines

from trainables.gan.streams import Streams
from trainables.kinds import build_trial, parse_settings
from trainables.language import levels as module
from trainables.language import trial as trial_module
from trainables.language.levels import kept_levels, levels_path, measured_levels
from trainables.language.sampling import LineSampler, build
from trainables.language.scorer import NgramScorer
from trainables.language.text import load_text
from trainables.language.trial import LanguageTrial, TextBatches
from trainables.levels import CEILING
from trainables.protocol import Context, Measurement, Parameters
from trainables.scores import ceiling
from trainables.settings.language import LanguageSettings


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("text")
    (folder / "lines.txt").write_text("\n".join(made_up_lines(150)))
    return folder


def described(place: Path, **more: Any) -> dict[str, Any]:
    return {
        "kind": "language",
        "data": {"path": str(place / "lines.txt"), "line_length": 10},
        "networks": {"width": 4, "blocks": 1, "latent": 4, "kernel": 3},
        "batch_size": 8,
        "steps": 2,
        "evaluate_every": 1,
        "score": {"name": "jsd2", "samples": 40, "batch_size": 7, "draw": 3},
        **more,
    }


def settings(place: Path, **more: Any) -> LanguageSettings:
    made = parse_settings(described(place, **more))
    assert isinstance(made, LanguageSettings)
    return made


def trial(place: Path, **more: Any) -> LanguageTrial:
    rates = Parameters(b=1e-2, a=1e-2, d_steps=1)
    context = Context(seed=5, cache=str(place / "cache"))
    made = build_trial(described(place, **more), rates, context)
    assert isinstance(made, LanguageTrial)
    return made


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_lines_are_those_of_the_generator_that_is_scored_and_of_its_draw(
    place: Path, ema: float
) -> None:
    made = trial(place, ema=ema)
    text = load_text(settings(place).data, place / "cache")
    assert made.score_name == "jsd2_40_10_characters"
    assert made.makes == {"characters": text.characters, "line_length": "10"}
    measured = made.advance()
    assert isinstance(measured, Measurement)
    sampler = LineSampler(made.game.sampled, made._sampler._latent, 1000, "cpu")
    scorer = NgramScorer(text, settings(place).score)
    score = scorer.evaluate(sampler(3, 40))
    assert (measured.score, measured.noise) == (score.value, score.noise)
    assert score.metrics.items() <= measured.metrics.items()
    found = kept_levels(settings(place), place / "cache")
    assert found is not None
    assert measured.metrics[CEILING] == found.levels.ceiling
    shown = made.artifacts()
    assert list(shown) == ["samples.txt"]
    lines = text.decode(sampler(0, 64))
    assert shown["samples.txt"].decode() == "".join(f"{line}\n" for line in lines)
    assert made._configuration["data"] == text.fingerprint


def test_lines_are_generated_as_many_at_a_time_as_the_score_says(place: Path) -> None:
    made, sizes = trial(place), list[int]()
    made.game.sampled.register_forward_hook(lambda _, given, __: sizes.append(len(given[0])))
    made._score(early=False)
    assert sizes == [7, 7, 7, 7, 7, 5]


def test_all_of_a_trial_is_on_its_device(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    devices: list[object] = []

    def noted(name: str) -> None:
        made = getattr(trial_module, name)

        def noting(*given: Any) -> Any:
            devices.append((name, given[-1]))
            return made(*given)

        monkeypatch.setattr(trial_module, name, noting)

    names = ["Streams", "TextBatches", "LineSampler", "levels"]
    for name in names:
        noted(name)
    rates = Parameters(b=1e-2, a=1e-2, d_steps=1)
    build_trial(
        described(place), rates, Context(seed=5, cache=str(place / "cache"), device="cpu:0")
    )
    assert devices == [(name, "cpu:0") for name in names]


def test_networks_begin_with_the_weights_of_the_trials_seed(place: Path) -> None:
    made = trial(place)
    text = load_text(settings(place).data, place / "cache")
    seed = Streams(5, "cpu").weights_seed
    expected = build(settings(place).networks, text, seed).generator
    for name, value in expected.state_dict().items():
        assert torch.equal(made.game.generator.state_dict()[name], value)


def test_batches_are_the_lines_of_an_epoch_in_its_order(place: Path) -> None:
    text = load_text(settings(place).data, place / "cache")
    batches = TextBatches(text, 30, Streams(1, "cpu"), "cpu")
    parts = [batches.next() for _ in range(5)]
    state = batches.state_dict()
    further = batches.next()
    for part in parts:
        assert part.dtype == torch.float32
        assert part.shape == (30, len(text.characters), 10)
        assert (part.sum(1) == 1).all()
    with pytest.raises(ValueError, match="150 lines"):
        TextBatches(text, 151, Streams(1, "cpu"), "cpu")
    # Of uint16, as the text is kept, accelerators compute next to nothing.
    assert batches._batches.next().dtype == torch.int32
    seen = torch.cat(parts).argmax(1).tolist()
    assert sorted(seen) == sorted(text.tokens.tolist())
    assert seen != text.tokens.tolist()
    other = TextBatches(text, 30, Streams(1, "cpu"), "cpu")
    other.load_state_dict(state)
    assert torch.equal(other.next(), further)


def test_levels_are_of_lines_of_nothing_and_of_a_generator_before_its_first_step(
    place: Path, tmp_path: Path
) -> None:
    chosen = settings(place)
    found = measured_levels(chosen, tmp_path, "cpu")
    text = load_text(chosen.data, tmp_path)
    scorer = NgramScorer(text, chosen.score)
    networks = build(chosen.networks, text, 0)
    lines = LineSampler(networks.generator, networks.latent, 40, "cpu")(0, 40)
    assert list(found.nothing) == [
        "characters shuffled in their lines",
        "characters drawn one by one",
        "uniform noise",
        "one line over and over",
        "an untrained generator",
    ]
    assert found.nothing["an untrained generator"] == pytest.approx(scorer.level(lines), rel=1e-12)
    made = module.lines_of_nothing(text, 40, 2)["uniform noise"]()
    assert found.nothing["uniform noise"] == pytest.approx(scorer.level(made), rel=1e-12)
    assert found.name == "jsd2_40_10_characters"
    assert (found.floor, found.floor_noise) == (scorer.floor.value, scorer.floor.noise)
    assert kept_levels(chosen, tmp_path) == found
    assert f'"facts": {{"text": "{text.fingerprint}"}}' in (
        levels_path(chosen, text.fingerprint, tmp_path).read_text()
    )


def test_levels_are_kept_by_the_score_the_networks_and_the_text(
    place: Path, tmp_path: Path
) -> None:
    chosen = settings(place)
    score, networks = (part.model_dump(mode="json") for part in (chosen.score, chosen.networks))
    assert score.pop("early") is None  # the place is that of earlier versions
    key = ["jsd2_40_10_characters", "a_text", score, networks]
    assert levels_path(chosen, "a_text", tmp_path) == ceiling.levels_path(tmp_path, key)


def test_a_generator_that_is_not_finite_has_no_level(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*given: Any, **more: Any) -> Any:
        networks = build(*given, **more)
        next(iter(networks.generator.parameters())).data.fill_(math.nan)
        return networks

    monkeypatch.setattr(module, "build", broken)
    found = measured_levels(settings(place), tmp_path, "cpu")
    assert found.nothing["an untrained generator"] is None
    assert found.nothing["uniform noise"] is not None


def test_looking_for_levels_makes_nothing(place: Path, tmp_path: Path) -> None:
    assert kept_levels(settings(place), tmp_path) is None
    assert list(tmp_path.iterdir()) == []
    load_text(settings(place).data, tmp_path)
    assert kept_levels(settings(place), tmp_path) is None


def test_an_untrained_generator_is_sampled_on_the_trials_device(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    class Noted(LineSampler):
        def __init__(self, generator: Any, latent: Any, batch_size: int, device: str) -> None:
            asked.append((next(generator.parameters()).device.type, batch_size, device))
            super().__init__(generator.to("cpu"), latent, batch_size, "cpu")

    monkeypatch.setattr(module, "LineSampler", Noted)
    placed: list[object] = []
    monkeypatch.setattr(torch.nn.Module, "to", lambda self, device: placed.append(device) or self)
    measured_levels(settings(place), tmp_path, "a_device")
    assert asked == [("cpu", 7, "a_device")]
    assert placed == ["a_device", "cpu"]
