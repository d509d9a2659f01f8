"""What cannot run at all is refused with one sentence, and costs no trial."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.here import run_here
from support.study import Place, saddle_spec
from support.trials import SMALL

pytestmark = pytest.mark.slow


def images(folder: Path, content: bytes | None = None) -> Path:
    """A folder of 32 images of 8x8 pixels, or of files that are called so."""
    folder.mkdir(exist_ok=True)
    noise = np.random.default_rng(0)
    for number in range(32):
        path = folder / f"{number}.png"
        if content is None:
            Image.fromarray(noise.integers(0, 256, (8, 8), dtype=np.uint8)).save(path)
        else:
            path.write_bytes(content)
    return folder


def test_broken_data_cost_no_trial_and_once_mended_the_study_runs(tmp_path: Path) -> None:
    place = Place(tmp_path)
    data = images(tmp_path / "data", b"no image")
    trial = {**SMALL["gan"], "data": str(data), "score": {"extractor": "digits", "samples": 16}}
    spec = saddle_spec("broken", trials=1, resources={"cpus": 1, "checkpoint_seconds": 0})
    spec["trial"] = trial
    file = str(place.write(spec))
    for _ in range(2):
        said = place.ttur("launch", file, expect=2)
        assert "ttur: the study broken cannot run here: 32 of 32 files cannot be read" in said
        assert str(data) in said
        assert "Traceback" not in said
        assert "broken is not a study" in place.ttur("status", "broken", expect=2)
    images(data)
    place.ttur("launch", file)
    state = place.json("status", "broken")
    assert state["state"] == "finished"
    assert [arm["complete"] for arm in state["arms"].values()] == [1, 1]


def test_a_trial_that_no_node_can_hold_is_refused(tmp_path: Path) -> None:
    place = Place(tmp_path)
    spec = saddle_spec(resources={"cpu": 64, "cpus": 2})
    said = place.ttur("launch", str(place.write(spec)), expect=2, timeout=120)
    assert (
        "resources: a trial asks for 64 CPU, but the largest node of the cluster has 2 CPU" in said
    )


def test_checkpoints_of_another_study_of_the_name_are_not_continued(tmp_path: Path) -> None:
    place = Place(tmp_path)
    spec = str(place.write(saddle_spec(trials=1)))
    run_here(saddle_spec(trials=1), place.home)
    (place.home / "record.db").unlink()
    said = place.ttur("launch", spec, expect=2)
    assert "holds trials of an earlier study little that this record does not know" in said
