"""One small configuration of every kind of trial, and what any trial must keep to."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import torch

from trainables.kinds import build_trial
from trainables.protocol import Context, Diverged, Measurement, Parameters, Trial
from trainables.spent import PARTS, PREFIX

CLOCKS = {"seconds", "training_seconds", "last_training_seconds", "steps_per_second", "time"}
CLOCKS |= {"data_seconds", "spent", *(PREFIX + part for part in PARTS)}
"""What is measured by a clock: the only things that differ between two runs of one trial."""

GAME = {"steps": 900, "evaluate_every": 300}
"""A game plays 250 steps between two looks at the pause, so that a stretch has a middle."""

SMALL: dict[str, dict[str, Any]] = {
    "bilinear": {"kind": "bilinear", **GAME, "noise": 0.1},
    "heavy_ball": {"kind": "heavy_ball", **GAME, "noise": 0.1},
    "network_flow": {"kind": "network_flow", **GAME},
    "players": {"kind": "players", **GAME, "players": 4, "sampling": "random"},
    "saddle": {"kind": "saddle", **GAME},
    "gan": {
        "kind": "gan",
        "data": "digits",
        "networks": {"name": "dcgan", "width": 2, "latent": 4},
        "batch_size": 8,
        "steps": 6,
        "evaluate_every": 2,
        "score": {"extractor": "digits", "samples": 16},
    },
    "language": {
        "kind": "language",
        "data": {"path": "lines.txt", "line_length": 10},
        "networks": {"width": 4, "blocks": 1, "kernel": 3, "latent": 4},
        "batch_size": 4,
        "score": {"name": "jsd2", "samples": 16},
        "steps": 6,
        "evaluate_every": 2,
    },
}


def mostly_slow(names: Iterable[str]) -> list[Any]:
    """Cases of a test of which only the plainest (``dcgan``) is among the quick ones."""
    return [
        name if name == "dcgan" else pytest.param(name, marks=pytest.mark.slow) for name in names
    ]


def small_config(kind: str, folder: Path) -> dict[str, Any]:
    """The ``trial`` part of a spec; a text is written to the folder if the kind needs one."""
    config = SMALL[kind]
    if kind != "language":
        return config
    text = folder / "lines.txt"
    if not text.exists():
        words = ("cat", "house", "tree")
        lines = (f"the {words[i % 3]} sees a {words[i % 2]}" for i in range(200))
        text.write_text("\n".join(lines))
    return {**config, "data": {**config["data"], "path": str(text)}}


def small_trial(kind: str, folder: Path, seed: int = 3, **further: Any) -> Trial:
    parameters = Parameters(b=2e-3, a=1e-3, d_steps=2, further=further)
    context = Context(seed=seed, cache=str(folder / "cache"))
    return build_trial(small_config(kind, folder), parameters, context)


def played(trial: Trial) -> list[Measurement]:
    """Advances a trial to its end."""
    measured = []
    while not trial.finished:
        event = trial.advance()
        assert isinstance(event, Measurement), event
        measured.append(event)
    return measured


def stored(state: dict[str, Any]) -> dict[str, Any]:
    """A state after a way through a file that may hold plain data only."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    buffer.seek(0)
    loaded: dict[str, Any] = torch.load(buffer, weights_only=True)
    return loaded


def without_clocks(value: Any) -> Any:
    """Nested values, comparable by ``==``, without what a clock measured."""
    if isinstance(value, Measurement):
        return without_clocks(value.to_json())
    if isinstance(value, Diverged):
        return value.step, value.reason
    if isinstance(value, dict):
        return {k: without_clocks(v) for k, v in value.items() if k not in CLOCKS}
    if isinstance(value, list | tuple):
        return [without_clocks(item) for item in value]
    if isinstance(value, torch.Tensor):
        return str(value.dtype), tuple(value.shape), value.detach().cpu().numpy().tobytes()
    return value


def to_rounding(value: Any) -> Any:
    """Nested values with nine digits of each score: in the last ones a device's eigenvalues differ."""
    if isinstance(value, Measurement):
        return to_rounding(value.to_json())
    if isinstance(value, dict):
        scores = {
            k for k, v in value.items() if isinstance(v, float) and ("score" in k or k == "noise")
        }
        return {k: f"{v:.9g}" if k in scores else to_rounding(v) for k, v in value.items()}
    return [to_rounding(item) for item in value] if isinstance(value, list | tuple) else value


def game_trial(
    kind: str, a: float, b: float, *, d_steps: int = 1, seed: int = 0, **settings: Any
) -> Any:
    """A trial of an analytic game."""
    return build_trial(
        {"kind": kind, **settings}, Parameters(a=a, b=b, d_steps=d_steps), Context(seed=seed)
    )


def measurements(trial: Any) -> list[Measurement]:
    """Plays a trial to its end; it must not diverge."""
    results = []
    while not trial.finished:
        result = trial.advance()
        assert isinstance(result, Measurement)
        results.append(result)
    return results
