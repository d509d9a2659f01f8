"""One trial after the other in a worker on a pretend accelerator (support/pretend.py), as Tune hands them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.pretend import Accelerator
from support.trials import SMALL, to_rounding, without_clocks

from trainables import tune
from trainables.assignment import Assignment
from trainables.folder import read_measurements
from trainables.protocol import Parameters
from trainables.run import TrialRun


def assignment(folder: Path, number: int) -> Assignment:
    return Assignment(
        identity=f"s/a/{number}",
        trial=SMALL["gan"],
        parameters=Parameters(b=2e-3, a=1e-3 * (1 + number), d_steps=1 + number),
        seed=number,
        folder=str(folder / str(number)),
        cache=str(folder.parent / "cache"),
    )


@pytest.mark.slow
def test_a_reused_worker_gives_the_memory_of_the_trial_before_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Given:
        def get_assigned_resources(self) -> dict[str, float]:
            return {"CPU": 1.0, "GPU": 0.25}

    monkeypatch.setattr(tune.ray, "get_runtime_context", Given)
    configs: list[dict[str, Any]] = [
        {"assignment": assignment(tmp_path / "gpu", number).to_json()} for number in range(3)
    ]
    worker = tune.TuneTrainable.__new__(tune.TuneTrainable)
    worker.setup(configs[0])
    with Accelerator() as gpu:
        for following in configs[1:]:
            while not worker.step()["done"]:
                assert gpu.bytes > 0
            assert gpu.peak >= gpu.bytes > 0
            assert worker.reset_config(following)
            assert gpu.bytes == 0
    for number in range(2):
        run = TrialRun(assignment(tmp_path / "cpu", number))
        while not run.finished:
            run.turn()
        on_a_gpu = read_measurements(str(tmp_path / "gpu" / str(number)))
        assert len(on_a_gpu) == 3
        assert to_rounding(without_clocks(on_a_gpu)) == to_rounding(without_clocks(run.history))
