"""How exactly and how repeatably is computed: what is in force in updates, in penalties and in scores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from support.pretend import DEVICE, Accelerator
from support.trials import small_config
from torch import Tensor, nn

from trainables.gan.adversarial import AdversarialTrial
from trainables.kinds import build_trial
from trainables.protocol import Context, Parameters

Found = tuple[bool, bool, bool, bool, bool]
"""TF32 in convolutions and in products, autocast, cuDNN deterministic, cuDNN benchmark."""

SEEN: list[tuple[str, Found]] = []
"""What was in force in each pass of the networks below: forward, backward, in training and in sampling."""


def found() -> Found:
    backends: Any = torch.backends
    autocast = torch.is_autocast_enabled("cpu")
    cudnn, products = backends.cudnn, torch.get_float32_matmul_precision()
    return cudnn.allow_tf32, products == "high", autocast, cudnn.deterministic, cudnn.benchmark


class Told(nn.Module):
    """Notes what is in force when it computes, and when its gradient is computed."""

    def __init__(self, inner: nn.Module, what: str) -> None:
        super().__init__()
        self.inner, self.what = inner, what

    def forward(self, values: Tensor) -> Tensor:
        asked = values.is_leaf and values.requires_grad
        what = "penalty" if asked else self.what if torch.is_grad_enabled() else "sampling"
        SEEN.append((what, found()))
        made: Tensor = self.inner(values)
        if made.requires_grad:
            made.register_hook(lambda _: SEEN.append((what, found())))
        return made


def told(*, channels: int, side: int, latent: int, width: int) -> tuple[nn.Module, nn.Module]:
    pixels = channels * side**2
    g = nn.Sequential(nn.Linear(latent, pixels), nn.Tanh())
    g.append(nn.Unflatten(1, (channels, side, side)))
    d = nn.Sequential(nn.Flatten(), nn.Linear(pixels, 4), nn.Softplus(), nn.Linear(4, 1))
    return Told(g, "G"), Told(d, "D")


FULL: Found = (False, False, False, True, False)
CASES: list[Any] = [
    ("cpu", {}, FULL),
    pytest.param("cpu", {"precision": "tf32"}, FULL, marks=pytest.mark.slow),
    ("cpu", {"precision": "bf16"}, (False, False, True, True, False)),
    pytest.param(DEVICE, {}, FULL, marks=pytest.mark.slow),
    (DEVICE, {"precision": "tf32"}, (True, True, False, True, False)),
    pytest.param(
        DEVICE, {"deterministic": False}, (False, False, False, False, True), marks=pytest.mark.slow
    ),
]


@pytest.mark.parametrize(("device", "further", "expected"), CASES, ids=str)
def test_settings_are_in_force_in_updates_and_not_in_penalties_and_scores(
    tmp_path: Path, device: str, further: dict[str, Any], expected: Found
) -> None:
    before = found()
    with Accelerator():
        trial = build_trial(
            {
                **small_config("gan", tmp_path),
                "networks": f"{__name__}:told",
                "regulariser": "r1",
                "generator_latents": "same",  # else G makes D's samples without a graph, as for scores
                **further,
            },
            Parameters(b=2e-3, a=1e-3, d_steps=1),
            Context(seed=3, device=device, cache=str(tmp_path)),
        )
        SEEN.clear()
        assert isinstance(trial, AdversarialTrial)
        trial.advance()
    assert found() == before
    kernels = expected[3:]
    inside = {what: {state for each, state in SEEN if each == what} for what, _ in SEEN}
    backward: Found = (*expected[:2], False, *kernels)
    assert inside == {
        "G": {expected, backward},
        "D": {expected, backward},
        "penalty": {(*FULL[:3], *kernels)},
        "sampling": {FULL},
    }
