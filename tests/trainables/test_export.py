"""A generator that is given away makes the same samples, bit for bit, where this product is not."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from support.trials import mostly_slow, small_config
from torch import Tensor, nn

from trainables.assignment import Assignment
from trainables.export import files, loading
from trainables.folder import Folder
from trainables.kept import generator_name, kept_steps
from trainables.kinds import build_trial, parse_settings, with_parameters
from trainables.networks.as_code import NotPlainError, as_code, reproduces
from trainables.protocol import Context, Parameters
from trainables.run import TrialRun
from trainables.taken import Taken, take

COUNT = 70

BARE = """
import importlib.util, sys
sys.path[:0] = [{site!r}, {folder!r}]
for name in ("trainables", "study", "search_spaces"):
    assert importlib.util.find_spec(name) is None, name
import torch
torch.set_num_threads(1)
from generator import load, sample
torch.save([sample(load(), {count}), sample(load(), {count}, seed=5)], {out!r})
"""


def wide(*, channels: int, side: int, latent: int, width: int) -> tuple[nn.Module, nn.Module]:
    """A pair of somebody's own, of torch's layers and a module that stands on its own."""
    pixels = channels * side * side
    generator = nn.Sequential(
        nn.Linear(latent, width),
        Gate(width),
        nn.BatchNorm1d(width),
        nn.Linear(width, pixels, bias=False),
        nn.Tanh(),
        nn.Unflatten(1, (channels, side, side)),
    )
    return generator, nn.Sequential(nn.Flatten(), nn.Linear(pixels, 1))


SHARPNESS = 3.0


def gated(values: Tensor, by: Tensor) -> Tensor:
    return values * torch.sigmoid(SHARPNESS * by)


class Gate(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(width))
        self.register_buffer("shift", torch.zeros(width))
        self.halves = (1, 2)

    def forward(self, values: Tensor) -> Tensor:
        first, second = self.halves
        return gated(values * first, self.scale * values + self.shift / second)


GAN = {
    "dcgan": {"networks": {"name": "dcgan", "width": 4}},
    "average": {"networks": {"name": "dcgan", "width": 4}, "ema": 0.9},
    "batch statistics": {
        "networks": {"name": "wgan_gp", "width": 4},
        "sampling": {"batch_norm": "training", "batch_size": 33},
    },
    "spectral norm": {
        "networks": {
            "name": "wgan_gp",
            "width": 4,
            "g_spectral_norm": True,
            "g_norm": "layer",
            "g_activation": "elu",
            "distribution": "uniform",
        },
        "ema": 0.5,
    },
    "one's own": {"networks": {"name": f"{__name__}:wide", "width": 6, "latent": 5}},
}


def trained(settings: dict[str, Any], folder: Path) -> Taken:
    torch.set_num_threads(1)
    assignment = Assignment(
        identity="study/arm/0",
        trial=settings,
        parameters=Parameters(b=2e-3, a=1e-3, d_steps=1),
        seed=5,
        folder=str(folder / "trial"),
        cache=str(folder / "cache"),
    )
    run = TrialRun(assignment)
    while not run.turn().finished:
        pass
    step = kept_steps(Folder(assignment.folder).names())[-1]
    kept = (folder / "trial" / generator_name(step)).read_bytes()
    return take(parse_settings(settings), kept)


def given_away(taken: Taken, folder: Path) -> Path:
    made, reason = files(taken)
    assert reason == ""
    given = folder / "given away"
    given.mkdir()
    for name, content in made.items():
        (given / name).write_bytes(content)
    return given


def drawn_where_the_product_is_not(taken: Taken, folder: Path) -> list[Any]:
    given = given_away(taken, folder)
    site = str(Path(torch.__file__).parents[1])
    out = str(folder / "drawn.pt")
    text = BARE.format(site=site, folder=str(given), count=COUNT, out=out)
    subprocess.run([sys.executable, "-I", "-S", "-c", text], check=True, cwd=folder)
    found: list[Any] = torch.load(out, weights_only=True)
    return found


def gan(name: str, folder: Path) -> dict[str, Any]:
    return {**small_config("gan", folder), "steps": 4, **GAN[name]}


@pytest.mark.parametrize("name", mostly_slow(GAN))
def test_its_code_makes_the_same_images(name: str, tmp_path: Path) -> None:
    taken = trained(gan(name, tmp_path), tmp_path)
    code = runpy.run_path(str(given_away(taken, tmp_path) / "generator.py"))
    assert torch.equal(code["sample"](code["load"](), COUNT), torch.cat(list(taken.images(COUNT))))


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        pytest.param("batch statistics", marks=pytest.mark.exhaustive),
        pytest.param("spectral norm", marks=pytest.mark.exhaustive),
        "one's own",
    ],
)
def test_images_are_the_same(name: str, tmp_path: Path) -> None:
    taken = trained(gan(name, tmp_path), tmp_path)
    as_scored, others = drawn_where_the_product_is_not(taken, tmp_path)
    expected = torch.cat(list(taken.images(COUNT)))
    assert as_scored.shape == (COUNT, 1, 8, 8)
    assert as_scored.dtype == torch.uint8
    assert torch.equal(as_scored, expected)
    assert not torch.equal(others, expected)
    assert "from generator import load, sample" in loading(taken)


@pytest.mark.slow
def test_lines_are_the_same(tmp_path: Path) -> None:
    taken = trained(small_config("language", tmp_path), tmp_path)
    as_scored, others = drawn_where_the_product_is_not(taken, tmp_path)
    assert as_scored == taken.lines(COUNT)
    assert len(others) == COUNT


def test_what_is_drawn_is_what_the_trial_scored(tmp_path: Path) -> None:
    """The picture of the export is the one that the trial left at that evaluation."""
    taken = trained(gan("average", tmp_path), tmp_path)
    picture = tmp_path / "trial" / "samples" / f"samples-{int(taken.facts['step']):08d}.png"
    assert files(taken)[0]["samples.png"] == picture.read_bytes()


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_a_trial_begins_with_kept_weights(ema: float, tmp_path: Path) -> None:
    settings = {**gan("dcgan", tmp_path), "ema": ema}
    taken = trained(settings, tmp_path)
    context = Context(seed=9, cache=str(tmp_path / "cache"))
    trial: Any = build_trial(settings, Parameters(b=1e-3, a=1e-3, d_steps=1), context)
    before = {name: value.clone() for name, value in trial.weights().items()}
    trial.start_from(taken.weights)
    for name, value in trial.weights().items():
        part, _, inner = name.partition(".")
        assert torch.equal(value, taken.weights[part][inner])
    assert any(not torch.equal(value, before[name]) for name, value in trial.weights().items())


class Secret(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.helper = lambda values: values * 2

    def forward(self, values: Tensor) -> Tensor:
        return self.helper(values)


class FromElsewhere(nn.Module):
    def forward(self, values: Tensor) -> Tensor:
        return values * len(pytest.__name__)


def test_a_network_that_cannot_be_written_out_is_refused() -> None:
    z = torch.ones(2, 3)
    code = as_code(nn.Sequential(Secret()))
    assert not reproduces(code, nn.Sequential(Secret()), z, torch.contiguous_format)
    with pytest.raises(
        NotPlainError, match="it uses pytest, which is neither torch's nor Python's"
    ):
        as_code(FromElsewhere())
    wrong = as_code(nn.Linear(3, 2)).replace("out_features=2", "out_features=3")
    assert not reproduces(wrong, nn.Linear(3, 2), z, torch.contiguous_format)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(2, 3, 3, padding=1, padding_mode="reflect", bias=False),
        nn.Upsample(scale_factor=2.0, mode="nearest"),
        nn.LeakyReLU(0.3),
        nn.PixelShuffle(1),
        nn.GroupNorm(1, 2, affine=False),
        nn.ConvTranspose2d(2, 4, 5, stride=2, padding=2, output_padding=1),
        nn.Sequential(nn.Identity(), nn.Sequential(nn.ReLU(), nn.Conv2d(2, 2, 1))),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_layers_are_written_with_their_arguments(layer: nn.Module) -> None:
    maps = torch.randn(2, 2, 6, 6)
    assert reproduces(as_code(layer.eval()), layer, maps, torch.contiguous_format)


def test_weights_of_other_networks_are_refused(tmp_path: Path) -> None:
    taken = trained(gan("dcgan", tmp_path), tmp_path)
    content = (tmp_path / "trial" / generator_name(4)).read_bytes()
    other = with_parameters(parse_settings(gan("dcgan", tmp_path)), {"networks.width": 8})
    with pytest.raises(ValueError, match="the kept weights do not fit the trial's networks"):
        take(other, content)
    with pytest.raises(ValueError, match="it is not a safetensors file"):
        take(taken.settings, content[:-5])
