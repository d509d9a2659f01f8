"""The character GAN as a trial: networks, penalty, score, exact continuation, divergence."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.data import real_data
from support.text import made_up_lines
from torch import Tensor

from trainables.gan.regularisers import gradient_penalty
from trainables.kinds import build_trial
from trainables.language import ngrams
from trainables.language.networks import Discriminator, Generator, one_hot
from trainables.language.scorer import NgramScorer
from trainables.language.text import TextData, load_text
from trainables.language.trial import LanguageTrial
from trainables.protocol import Context, Diverged, Measurement, Parameters
from trainables.settings.language import (
    CharacterNetworkSettings,
    LanguageSettings,
    NgramScoreSettings,
    TextSettings,
)

SMALL = CharacterNetworkSettings(width=6, blocks=2, kernel=3, latent=5)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with 400 made-up lines in ``lines.txt``; it serves as cache, too."""
    path = tmp_path_factory.mktemp("language")
    (path / "lines.txt").write_text("\n".join(made_up_lines(400)))
    return path


def config(folder: Path, **more: Any) -> dict[str, Any]:
    return {
        "kind": "language",
        "data": {"path": str(folder / "lines.txt"), "line_length": 10},
        "networks": SMALL.model_dump(),
        "batch_size": 8,
        "score": {"name": "jsd2", "samples": 32},
        "steps": 6,
        "evaluate_every": 3,
        **more,
    }


def language(folder: Path, *, b: float = 1e-3, a: float = 5e-4, **more: Any) -> LanguageTrial:
    trial = build_trial(
        config(folder, **more),
        Parameters(b=b, a=a, d_steps=2),
        Context(seed=3, cache=str(folder)),
    )
    assert isinstance(trial, LanguageTrial)
    return trial


def play(trial: LanguageTrial) -> list[Any]:
    results = []
    while not trial.finished:
        result = trial.advance()
        assert isinstance(result, Measurement)
        timeless = {k: v for k, v in result.metrics.items() if k != "steps_per_second"}
        results.append((result.step, result.score, result.noise, timeless))
    return results


def reference_network(network: torch.nn.Module, lines: Tensor, *, generator: bool) -> Tensor:
    """The published architecture in float64, convolutions written as sums over their taps."""
    weights = {name: value.double() for name, value in network.state_dict().items()}

    def conv(x: Tensor, name: str) -> Tensor:
        kernel = weights[f"{name}.weight"]
        taps, length = kernel.shape[2], x.shape[2]
        padded = torch.zeros(*x.shape[:2], length + taps - 1, dtype=torch.float64)
        padded[:, :, taps // 2 : taps // 2 + length] = x
        shifts = [
            torch.einsum("oc,bcl->bol", kernel[:, :, j], padded[:, :, j : j + length])
            for j in range(taps)
        ]
        return sum(shifts[1:], shifts[0]) + weights[f"{name}.bias"][:, None]

    def blocks(x: Tensor) -> Tensor:
        for i in range(2):
            hidden = conv(x.clamp(min=0), f"blocks.{i}.conv1")
            x = x + 0.3 * conv(hidden.clamp(min=0), f"blocks.{i}.conv2")
        return x

    if generator:
        start = lines @ weights["linear.weight"].T + weights["linear.bias"]
        logits = conv(blocks(start.reshape(len(lines), 6, -1)), "characters")
        return logits.exp() / logits.exp().sum(dim=1, keepdim=True)
    maps = blocks(conv(lines, "characters"))
    return maps.reshape(len(lines), -1) @ weights["score.weight"][0] + weights["score.bias"]


def test_the_networks_are_those_of_the_published_code() -> None:
    torch.manual_seed(0)
    generator, critic = Generator(SMALL, 7, 9), Discriminator(SMALL, 7, 9)
    z = torch.randn(4, 5)
    lines = generator(z)
    assert lines.shape == (4, 7, 9)
    expected = reference_network(generator, z.double(), generator=True)
    torch.testing.assert_close(lines.double(), expected, rtol=1e-5, atol=1e-6)
    scores = critic(lines)
    expected = reference_network(critic, lines.double(), generator=False)
    torch.testing.assert_close(scores.double(), expected, rtol=1e-5, atol=1e-6)


def test_parameter_counts_of_the_paper_are_those_of_the_formula() -> None:
    """Width 512, 5 blocks of two k = 5 convolutions, z 128, 32 characters a line, V = 100."""
    blocks = 5 * 2 * (512 * 512 * 5 + 512)
    with torch.device("meta"):
        pair = (
            Generator(CharacterNetworkSettings(), 100, 32),
            Discriminator(CharacterNetworkSettings(), 100, 32),
        )
    counts = [sum(p.numel() for p in network.parameters()) for network in pair]
    g = (128 + 1) * 32 * 512 + blocks + (512 + 1) * 100
    d = (100 + 1) * 512 + blocks + 32 * 512 + 1
    assert counts == [g, d]


def test_the_gradient_penalty_on_lines_is_that_of_finite_differences() -> None:
    torch.manual_seed(1)
    critic = Discriminator(SMALL, 4, 6)
    real = one_hot(torch.randint(4, (3, 6)), 4)
    fake = torch.rand(3, 4, 6).softmax(dim=1)
    alpha = torch.rand((3, 1, 1), generator=torch.Generator().manual_seed(5))
    penalty = gradient_penalty(critic, real, fake, alpha)
    at = real.double() + alpha.double() * (fake.double() - real.double())
    norms = []
    for line in at:
        slopes = []
        for index in range(line.numel()):
            step = torch.zeros(line.numel(), dtype=torch.float64)
            step[index] = 1e-6
            pair = torch.stack([line + step.view_as(line), line - step.view_as(line)])
            above, below = reference_network(critic, pair, generator=False)
            slopes.append((above - below) / 2e-6)
        norms.append(torch.stack(slopes).norm())
    expected = (torch.stack(norms) - 1).square().mean()
    assert penalty.item() == pytest.approx(expected.item(), rel=1e-4)


def test_one_hot_puts_each_character_at_its_place() -> None:
    lines = one_hot(torch.tensor([[2, 0], [1, 1]]), 3)
    assert lines.tolist() == [[[0, 1], [0, 0], [1, 0]], [[0, 0], [1, 1], [0, 0]]]


def test_the_score_is_the_divergence_of_the_generated_lines(folder: Path) -> None:
    trial = language(folder, steps=3, ema=0.5)
    result = trial.advance()
    assert isinstance(result, Measurement)
    text = load_text(trial._settings.data, folder)
    generated = trial._sampler(0, 32)
    assert generated.shape == (32, 10)
    for n in range(1, 7):
        windows = ngrams.pack(generated, n, len(text.characters), None)
        codes, counts = np.unique(windows, return_counts=True)
        table = text.tables[n - 1]
        expected = ngrams.divergence(table.look_up(codes), table.total, counts)
        assert result.metrics[f"jsd{n}"] == pytest.approx(float(expected), rel=1e-12)
    assert result.score == result.metrics["jsd2"]
    assert result.metrics["score_floor"] == result.metrics["jsd2_floor"]
    lines = trial.artifacts()["samples.txt"].decode().splitlines()
    assert lines[:32] == text.decode(generated)
    assert len(lines) == 64


@pytest.mark.parametrize("update_rule", ["alternating", "simultaneous", "extragradient"])
@pytest.mark.slow
def test_continuing_from_a_checkpoint_is_the_same_computation(
    folder: Path, update_rule: str
) -> None:
    more: dict[str, Any] = {"update_rule": update_rule, "ema": 0.9}
    whole = language(folder, **more)
    expected = play(whole)
    first = language(folder, **more)
    answers = iter([False, False, True])
    first.advance()
    assert first.advance(lambda: next(answers)) is None
    assert first.step == 5
    buffer = io.BytesIO()
    torch.save(first.save(), buffer)
    buffer.seek(0)
    second = language(folder, **more)
    second.load(torch.load(buffer, weights_only=True))
    assert play(second) == expected[-1:]
    for one, other in zip(
        whole.game.generator.parameters(), second.game.generator.parameters(), strict=True
    ):
        assert torch.equal(one, other)


def test_the_learning_rates_reach_the_optimisers(folder: Path) -> None:
    trial = language(folder, b=3e-4, a=1e-4)
    trial.advance()
    assert {group["lr"] for group in trial.game.d_optimiser.param_groups} == {3e-4}
    assert {group["lr"] for group in trial.game.g_optimiser.param_groups} == {1e-4}
    betas = trial.game.g_optimiser.param_groups[0]["betas"]
    assert betas == (0.5, 0.9)


def test_a_weight_that_is_not_finite_ends_the_trial_before_the_update(folder: Path) -> None:
    trial = language(folder)
    trial.advance()
    before = [p.detach().clone() for p in trial.game.generator.parameters()]
    with torch.no_grad():
        next(iter(trial.game.discriminator.parameters())).fill_(float("nan"))
    result = trial.advance()
    assert isinstance(result, Diverged)
    assert result.step == trial.step == 3
    assert trial.finished
    after = list(trial.game.generator.parameters())
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))


def test_another_text_is_another_trial(folder: Path, tmp_path: Path) -> None:
    state = language(folder).save()
    (tmp_path / "lines.txt").write_text("some other words\n" * 50)
    with pytest.raises(ValueError, match="another trial"):
        language(tmp_path).load(state)


def test_more_samples_than_lines_are_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match="only 400 lines"):
        language(folder, score={"samples": 400})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"networks": {"kernel": 4}}, "must be odd"),
        ({"regulariser": {}}, "nothing bounds D's slope"),
        ({"score": "jsd7"}, "jsd6"),
        ({"data": {"path": "x", "line_length": 5}}, "greater than or equal to 6"),
        ({"data": {"path": "x", "vocabulary": 4096}}, "less than or equal to 2048"),
    ],
)
def test_settings_that_make_no_sense_are_refused(
    folder: Path, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        LanguageSettings.model_validate(config(folder) | change)


def test_the_score_name_states_the_protocol(folder: Path) -> None:
    def name(score: Any) -> str:
        fields = config(folder)
        fields |= {"score": score, "data": {**fields["data"], "line_length": 32}}
        return LanguageSettings.model_validate(fields).score_name

    assert LanguageSettings.model_validate(config(folder)).score_name.endswith("_10_characters")
    assert name("jsd4") == "jsd4"
    assert name({"name": "jsd6", "samples": 640}) == "jsd6"
    assert name({"name": "jsd6", "samples": 10_000}) == "jsd6_10k"


def real_text() -> TextSettings:
    path = real_data("text_news_lines.txt.gz")
    return TextSettings(path=str(path), line_length=16, vocabulary=48)


@pytest.mark.slow
def test_news_lines_score_as_real_and_shuffled_ones_do_not(tmp_path: Path) -> None:
    text: TextData = load_text(real_text(), tmp_path)
    scorer = NgramScorer(text, NgramScoreSettings(name="jsd4"))
    real = scorer.evaluate(np.asarray(text.tokens[:640]))
    random = np.random.default_rng(0)
    shuffled = scorer.evaluate(random.permuted(text.tokens[:640], axis=1))
    assert 0.1 < scorer.floors[3].value < 0.6
    assert real.value == pytest.approx(scorer.floors[3].value, abs=5 * scorer.floors[3].noise)
    assert shuffled.value > real.value + 0.3
    assert shuffled.metrics["jsd1"] < 0.05


@pytest.mark.slow
def test_a_small_network_learns_news_lines(tmp_path: Path) -> None:
    """With the settings of the recipe for CPUs; chance is 1, the floor of real lines about 0.3."""
    settings = {
        "kind": "language",
        "data": {"path": str(real_data("text_news_lines.txt.gz")), "line_length": 16},
        "networks": {"width": 64, "blocks": 1},
        "loss": "non_saturating",
        "regulariser": {"r1": 1.0},
        "optimiser": {"beta1": 0.0, "beta2": 0.99},
        "ema": 0.98,
        "batch_size": 32,
        "steps": 400,
        "evaluate_every": 100,
    }
    trial = build_trial(
        settings, Parameters(b=1e-3, a=1e-3, d_steps=1), Context(seed=0, cache=str(tmp_path))
    )
    measured = []
    while not trial.finished:
        result = trial.advance()
        assert isinstance(result, Measurement)
        measured.append(result)
    assert measured[-1].score < measured[0].score - 0.03
    assert measured[-1].metrics["jsd2"] < 0.75 * measured[0].metrics["jsd2"]
